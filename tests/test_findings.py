"""Order and format of findings."""

from chrysaetos.findings import Finding, Status, failed, format_table, ok, to_json, warning, worst


def test_a_table_has_the_remedy_below():
    found = [
        ok("files", "a, b"),
        failed("catalog", "no endpoint", "make one"),
        warning("hosts", "1 of 2", "see"),
    ]
    assert format_table(found) == (
        "ok       files    a, b\n"
        "failed   catalog  no endpoint\n"
        "                  -> make one\n"
        "warning  hosts    1 of 2\n"
        "                  -> see\n"
    )
    assert format_table([]) == ""


def test_control_characters_do_not_reach_the_terminal():
    assert format_table([ok("a", "x\x1b[2Jy\nz")]) == "ok       a  x [2Jy z\n"


def test_the_worst_status():
    skipped = Finding("a", Status.SKIPPED, "")
    assert worst([]) is Status.OK
    assert worst([skipped, ok("a", "")]) is Status.OK
    assert worst([warning("a", "", ""), skipped]) is Status.WARNING
    assert worst([failed("a", "", ""), warning("a", "", "")]) is Status.FAILED


def test_json_has_all_fields():
    assert to_json([warning("a", "b", "c")]) == [
        {"check": "a", "status": "warning", "found": "b", "remedy": "c"}
    ]
