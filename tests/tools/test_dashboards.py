"""The committed dashboards and rules are what the script generates."""

from tools.dashboards import FOLDER, files

from chrysaetos.dashboards import DASHBOARDS


def test_the_files_are_up_to_date():
    paths = [*FOLDER.glob("*.json"), *FOLDER.glob("*.yml")]
    committed = {path.name: path.read_text(encoding="utf-8") for path in paths}
    assert committed == files(), "run make samples"
    assert {name.partition(".")[0] for name in committed} == {*DASHBOARDS, "libvirt-rules"}
