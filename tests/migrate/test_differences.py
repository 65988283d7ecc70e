"""Differences for people: complete, and without secrets."""

import pytest

from chrysaetos.migrate.differences import MASK, mask_secrets, unified_diff


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["password = x"], ["password = ***"]),
        (["# admin_password: x"], ["# admin_password: ***"]),
        (["memcache_secret_key = x", "ssl_key = x"], ["memcache_secret_key = ***", "ssl_key = ***"]),
        (
            ["scope_key = project", "# scope_key = project_id"],
            ["scope_key = project", "# scope_key = project_id"],
        ),
        (["auth_token=x"], ["auth_token=***"]),
        (["transport_url = rabbit://u:p@h/"], ["transport_url = ***"]),
        (["connection = mysql://u:p@h/d"], ["connection = ***"]),
        (["application_credential_secret = x"], ["application_credential_secret = ***"]),
        (["auth_url = http://u:p@h/", "x"], ["auth_url = http://***@h/", "x"]),
        (["url = http://u:p/q@r@h/ more"], ["url = http://***@h/ more"]),
        (["password = ", "  x", "\ty = z", "name = a"], ["password = ***", MASK, MASK, "name = a"]),
        (["# password = x", "#   y", "# other"], ["# password = ***", MASK, "# other"]),
        (["password = x", "", "  y"], ["password = ***", "", "  y"]),
        (
            ["[password]", "fqdn_label = node", "# a note: here"],
            ["[password]", "fqdn_label = node", "# a note: here"],
        ),
    ],
)
def test_secrets_are_masked_and_nothing_else(lines, expected):
    assert [line.rstrip() for line in mask_secrets(lines)] == [line.rstrip() for line in expected]


def test_the_format_is_a_unified_diff():
    old = ["[a]", "k = 1", "password = x"]
    new = ["[a]", "k = 2", "password = x"]
    assert unified_diff("f", old, new) == (
        "--- f\n+++ f (new)\n@@ -1,3 +1,3 @@\n [a]\n-k = 1\n+k = 2\n password = ***\n"
    )
    assert unified_diff("f", old, old) == ""
