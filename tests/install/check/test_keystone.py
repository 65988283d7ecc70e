"""The clock of Keystone, and a user with a role in the system. End-to-end tests use a real Keystone."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from tests.fakes.keystone import FakeKeystone

from chrysaetos.findings import Status
from chrysaetos.install.check.keystone import check_keystone


@pytest.fixture
def keystone():
    fake = FakeKeystone()
    yield fake
    fake.stop()


@pytest.fixture
def login(make_setup, keystone):
    def login():
        setup = make_setup(
            keystone=f"[keystone_authtoken]\nauth_type = password\nauth_url = {keystone.url}/v3\n"
            "username = gateway\npassword = service-secret\nproject_name = service\n"
            "user_domain_name = Default\nproject_domain_name = Default\n"
        )
        return check_keystone(setup, setup.keystone)

    return login


def test_everything_is_right(login):
    result = login()
    assert {finding.status for finding in result.findings} == {Status.OK}
    assert result.access is not None


def test_a_clock_that_is_ahead_is_a_warning(login, monkeypatch):
    monkeypatch.setattr(
        "http.server.BaseHTTPRequestHandler.date_time_string",
        lambda *_: formatdate(time.time() + 60, usegmt=True),
    )
    (finding,) = (each for each in login().findings if each.check == "clock")
    assert finding.status is Status.WARNING
    assert "ahead" in finding.found


def test_a_response_without_a_date_says_nothing_of_the_clock(login, monkeypatch):
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.date_time_string", lambda *_: "today")
    assert "clock" not in {each.check for each in login().findings}


def test_a_keystone_that_cannot_validate_is_an_error(login, keystone):
    keystone.can_validate = False
    (finding,) = (each for each in login().findings if each.check == "validation")
    assert finding.status is Status.FAILED
    assert "InternalServerError" in finding.found


def test_a_validation_that_hangs_is_given_up(login, keystone, monkeypatch):
    monkeypatch.setattr("chrysaetos.install.check.probing.SECONDS", 0.5)
    keystone.hold.clear()
    (finding,) = (each for each in login().findings if each.check == "validation")
    assert "does not validate tokens within" in finding.found
    keystone.hold.set()
