"""What the check of credentials prints. tests/e2e checks real services."""

import pytest

from chrysaetos.findings import Status
from chrysaetos.usage.api import ForbiddenError
from chrysaetos.usage.options import parse_options
from chrysaetos.usage.records import UsageError

pytest.importorskip("openstack")

from chrysaetos.usage.check import _try, check


def test_a_failed_check_has_what_was_found_and_below_it_the_remedy(monkeypatch, capsys):
    for name, value in {"AUTH_URL": "http://127.0.0.1:1/v3", "USERNAME": "ada", "PASSWORD": "pw"}.items():
        monkeypatch.setenv(f"OS_{name}", value)
    assert check(parse_options(["check"], {})) == 1
    found, remedy = capsys.readouterr().out.splitlines()
    assert found.startswith("failed   credentials  no token from Keystone: ")
    assert remedy.strip() == "-> check the address of Keystone, and user, password and project"


@pytest.mark.parametrize(
    ("error", "status", "remedy"),
    [
        (None, Status.OK, ""),
        (UsageError("down"), Status.FAILED, ""),
        (ForbiddenError("forbidden"), Status.FAILED, "policy volume:get_all"),
    ],
)
def test_the_policy_is_the_remedy_of_what_is_forbidden(error, status, remedy):
    def request():
        if error:
            raise error

    found = _try("volumes (GET /volumes)", "volumes", request)
    assert (found.check, found.status) == ("volumes (GET /volumes)", status)
    assert found.found == str(error or "allowed")
    assert found.remedy.startswith(remedy)
    assert bool(found.remedy) == bool(remedy)
