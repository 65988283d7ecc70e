"""What the gateway itself checks, and the self-test of the lexer."""

from __future__ import annotations

import pytest
from tests.install.check.conftest import KEYSTONE

from chrysaetos.findings import Status
from chrysaetos.install.check import configuration
from chrysaetos.install.check.configuration import check_options, check_python, is_set, load
from chrysaetos.install.files import EXAMPLE_PASSWORD
from chrysaetos.promql.selftest import InterpreterError
from chrysaetos.web.sessions import format_key, new_key


def test_without_a_file_the_command_that_writes_one_is_named(tmp_path):
    setup, findings = load([f"--config-dir={tmp_path}"])
    assert setup is None
    assert "chrysaetos gateway init" in findings[0].remedy


def test_a_missing_file_is_an_error(tmp_path):
    setup, (finding,) = load([f"--config-file={tmp_path}/none.conf"])
    assert setup is None
    assert "none.conf" in finding.found
    assert finding.remedy.startswith("check the path")


def test_only_a_misspelt_name_of_the_error_is_reported_with_it(config):
    config.write_text("[keystone_authtoken]\nauth_typ = password\nusername = aetos\nprojectname = service\n")
    setup, findings = load([f"--config-file={config}"])
    assert setup is None
    assert [finding.status for finding in findings] == [Status.FAILED, Status.WARNING]
    assert findings[1].remedy == "did you mean auth_type?"


def test_the_audit_log_is_not_created(make_setup, tmp_path):
    setup = make_setup(f"[gateway]\naudit_file = {tmp_path}/audit.log\n")
    assert setup.conf.gateway.audit is True
    assert not (tmp_path / "audit.log").exists()


def test_sections_of_other_programs_are_no_mistake(make_setup):
    (finding,) = check_options(make_setup("[oslo_messaging_rabbit]\nssl = true\n"))
    assert finding.status is Status.OK


@pytest.mark.parametrize(
    "keystone",
    [
        KEYSTONE,
        f"{KEYSTONE}insecure = true\n",
        KEYSTONE.replace(
            "[keystone_authtoken]", "[keystone_authtoken]\nauth_section = gateway_user\n[gateway_user]"
        ),
    ],
)
def test_the_password_of_the_example_is_an_error(make_setup, keystone):
    assert "example" not in str(list(check_options(make_setup(keystone=keystone))))
    setup = make_setup(keystone=keystone.replace("not-to-be-shown", EXAMPLE_PASSWORD))
    (finding,) = (each for each in check_options(setup) if each.status is Status.FAILED)
    assert "password is that of the example configuration" in finding.found


def test_a_default_is_not_set(make_setup):
    setup = make_setup("[gateway]\nport = 8042\n")
    assert is_set(setup.conf, "port", "gateway")
    assert not is_set(setup.conf, "host", "gateway")


def test_a_defect_of_the_interpreter_is_an_error(monkeypatch):
    def defect() -> None:
        raise InterpreterError("Python reads PromQL wrongly")

    assert check_python().status is Status.OK
    monkeypatch.setattr(configuration, "check_interpreter", defect)
    assert check_python().status is Status.FAILED


def test_the_web_page_needs_keys_and_the_path_of_the_gateway(make_setup, tmp_path):
    def web(text: str) -> list[str]:
        setup = make_setup(f"[gateway]\npath_prefix = /metrics\n[web]\nenabled = true\n{text}")
        return [each.found for each in check_options(setup) if each.status is Status.WARNING]

    keys = tmp_path / "keys"
    keys.touch(0o640)
    keys.write_text(f"{format_key(new_key())}\n")
    named = f"session_key_file = {keys}\n"
    (no_keys,) = web("")
    assert "session_key_file is unset" in no_keys
    assert web(f"{named}public_url = https://cloud.example/metrics\n") == []
    (mismatch,) = web(f"{named}public_url = https://cloud.example\n")
    assert "is not that of [gateway] (/metrics)" in mismatch


def test_the_keys_of_sessions_are_checked(config):
    config.write_text(f"[web]\nenabled = true\nsession_key_file = {config.parent}/none\n{KEYSTONE}")
    setup, (finding,) = load([f"--config-file={config}"])
    assert setup is None
    assert "[web] session_key_file" in finding.found
    assert finding.remedy.startswith("check the path")
