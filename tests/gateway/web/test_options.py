"""The section ``[web]``."""

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.build import build
from chrysaetos.gateway.options import load_conf


@pytest.fixture
def built(tmp_path):
    """Call it with the exporters of the page; it builds the gateway."""

    def start(exporters):
        file = tmp_path / "exporters.toml"
        if exporters is not None:
            file.write_text(exporters)
        conf = tmp_path / "aetos.conf"
        conf.write_text(
            "[keystone_authtoken]\nauth_type = password\nauth_url = http://127.0.0.1:5/v3\nusername = u\n"
            "password = p\nproject_name = p\nuser_domain_id = default\nproject_domain_id = default\n"
            f"[web]\nenabled = true\nexporters_file = {file}\n"
        )
        return build(load_conf(["--config-file", str(conf)]))

    return start


def test_a_file_with_exporters_is_read(built):
    assert built("[own]\nprobe = 'up'\ncpu = 'sum by (server) (up)'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "exporters.toml: No such file"),
        ("[", "exporters.toml: "),
        ("[own]\nprobe = 'up'\ncpu = 'sum('", r"\[own\] cpu: 1:5"),
        ("[own]\nprobe = 'up'\nspeed = 'up'", "unknown key speed"),
    ],
)
def test_an_invalid_file_stops_the_start(built, text, message):
    with pytest.raises(ConfigError, match=rf"^\[web\] exporters_file: .*{message}"):
        built(text)
