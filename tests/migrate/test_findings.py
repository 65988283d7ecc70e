"""How findings are ordered and shown."""

from chrysaetos.migrate.findings import Finding, Status, failed, good, table, to_json, worst, wrong


def test_a_table_has_the_remedy_below():
    found = [
        good("files", "a, b"),
        failed("catalog", "no endpoint", "make one"),
        wrong("hosts", "1 of 2", "see"),
    ]
    assert table(found) == (
        "ok       files    a, b\n"
        "failed   catalog  no endpoint\n"
        "                  -> make one\n"
        "warning  hosts    1 of 2\n"
        "                  -> see\n"
    )
    assert table([]) == ""


def test_control_characters_do_not_reach_the_terminal():
    assert table([good("a", "x\x1b[2Jy\nz")]) == "ok       a  x [2Jy z\n"


def test_the_worst_counts():
    skipped = Finding("a", Status.SKIPPED, "")
    assert worst([]) is Status.OK
    assert worst([skipped, good("a", "")]) is Status.OK
    assert worst([wrong("a", "", ""), skipped]) is Status.WARNING
    assert worst([failed("a", "", ""), wrong("a", "", "")]) is Status.FAILED


def test_json_has_every_part():
    assert to_json([wrong("a", "b", "c")]) == [
        {"check": "a", "status": "warning", "found": "b", "remedy": "c"}
    ]
