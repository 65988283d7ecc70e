"""What a diff shows."""

from __future__ import annotations

from chrysaetos.install.review import show_diff
from chrysaetos.scaffold import Change, File

BEFORE = """\
# written by the operator: the old password was hunter1
[prometheus]
host = old.example
headers = Authorization:Bearer hunter2
password = hunter3
unknown_secret = hunter4
max_connections = 7
[keystone_authtoken]
memcache_secret_key=hunter5
password: hunter6 = x
auth_url = http://old.example
username = multi
 hunter7
www_authenticate_uri = https://name:hunter9@old.example
"""
AFTER = """\
# From the template.
[prometheus]
host = new.example
[keystone_authtoken]
password = hunter8
auth_url = http://new.example
"""


def diff(mode):
    return show_diff(Change(File("f", AFTER, mode=mode), BEFORE.encode(), edited=True, new=True), "f")


def test_the_diff_of_a_file_with_secrets_shows_no_secret():
    text = diff(0o640)
    assert "hunter" not in text
    assert "-password = (not shown)" in text
    assert "+password = (not shown)" in text
    assert "-headers = (not shown)" in text
    assert "-unknown_secret = (not shown)" in text


def test_the_diff_of_a_file_with_secrets_shows_the_rest():
    lines = diff(0o640).splitlines()
    for line in (
        "-host = old.example",
        "+host = new.example",
        "-max_connections = 7",
        "-auth_url = http://old.example",
        "+# From the template.",
        " [prometheus]",
    ):
        assert line in lines


def test_the_diff_of_another_file_is_complete():
    assert "-headers = Authorization:Bearer hunter2" in diff(None)
