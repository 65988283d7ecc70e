"""``chrysaetos gateway init``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from tools.deploy import FOLDER

from chrysaetos.cli.main import main
from chrysaetos.gateway.options import load_conf
from chrysaetos.install import answers
from chrysaetos.install import init as module
from chrysaetos.install.files import CONFIG, EXAMPLE_PASSWORD, REGISTRATION
from chrysaetos.web.sessions import format_key, new_key, read_keys

SECRET = "a-password-with-$-in-it"


@pytest.fixture
def answer(monkeypatch):
    """A function that puts answers on a terminal; an answer too few ends the input."""

    def put(*answers):
        remaining = iter(answers)
        asked = []

        def ask(question):
            asked.append(question)
            try:
                return next(remaining)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", ask)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        return asked

    return put


def password_in(config):
    (password,) = re.findall(r"(?m)^password = (.+)$", config.read_text())
    return password


def test_the_gateway_can_read_the_configuration(init, tmp_path):
    assert init().status == 0
    config = tmp_path / "new" / "aetos.conf"
    assert config.stat().st_mode & 0o777 == 0o640
    conf = load_conf(["--config-file", str(config)])
    assert conf.gateway.path_prefix == "/metrics"
    assert conf.gateway.unix_socket == "/run/chrysaetos/gateway.sock"
    assert conf.gateway.trusted_proxies == ["unix"]
    assert f"policy_file = {tmp_path / 'new' / 'policy.yaml'}" in config.read_text()


@pytest.mark.parametrize(
    ("options", "trusted"),
    [
        (["--proxy", "nginx"], ["unix"]),
        (["--proxy", "none"], []),
        (["--listen", "127.0.0.1:8042"], []),
        (["--listen", "127.0.0.1:8042", "--trusted-proxy", "192.0.2.10"], ["192.0.2.10"]),
        (["--trusted-proxy", "192.0.2.10", "--trusted-proxy", "::1"], ["unix", "192.0.2.10", "::1"]),
    ],
)
def test_only_named_proxies_and_those_on_the_socket_are_trusted(init, tmp_path, options, trusted):
    assert init(*options).status == 0
    conf = load_conf(["--config-file", str(tmp_path / "new" / "aetos.conf")])
    assert conf.gateway.trusted_proxies == trusted


def test_the_output_has_the_next_commands_and_no_password(init, tmp_path):
    done = init()
    assert "openstack endpoint create --region RegionOne metric-storage" in done.out
    assert "systemctl enable --now chrysaetos-gateway.socket" in done.out
    assert f"haproxy -c -f {tmp_path / 'new' / 'haproxy' / 'haproxy.cfg'}" in done.out
    password = password_in(tmp_path / "new" / "aetos.conf")
    assert len(password) == 24
    assert password not in done.printed + done.err
    others = [path for path in (tmp_path / "new").rglob("*") if path.is_file() and path.name != "aetos.conf"]
    assert not any(password in path.read_text() for path in others)


def test_a_group_that_does_not_exist_is_named(init):
    assert "Install haproxy: the group nobodys in" in init("--proxy-group", "nobodys").out
    assert "nobodys" not in init("--listen", "127.0.0.1:8042", "--force", "--yes").out.partition("Next:")[2]


def test_a_second_run_changes_nothing(init, tmp_path):
    init()
    before = {path: path.read_bytes() for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert init("--yes").out == "All files are current.\n"
    assert {path: path.read_bytes() for path in before} == before


def test_a_further_run_keeps_the_answers_and_the_password(init, tmp_path, capsys):
    init("--region", "North", "--workers", "2", "--gateway", "192.0.2.9:8042")
    password = password_in(tmp_path / "new" / "aetos.conf")
    assert main(["gateway", "init", str(tmp_path / "new"), "--yes", "--workers", "3"]) == 0
    conf = load_conf(["--config-file", str(tmp_path / "new" / "aetos.conf")])
    assert (conf.gateway.workers, conf.gateway.path_prefix) == (3, "/metrics")
    assert password_in(tmp_path / "new" / "aetos.conf") == password
    printed = capsys.readouterr().out
    assert "-workers = 2\n+workers = 3" in printed
    assert password not in printed
    assert json.loads((tmp_path / "new" / "init.json").read_text())["gateways"] == ["192.0.2.9:8042"]


def test_a_password_comes_from_a_file(init, tmp_path):
    (tmp_path / "password").write_text(f"{SECRET}\n")
    done = init("--password-file", str(tmp_path / "password"))
    assert SECRET not in done.out
    assert password_in(tmp_path / "new" / "aetos.conf") == SECRET.replace("$", "$$")
    init("--yes", "--workers", "2")
    assert password_in(tmp_path / "new" / "aetos.conf") == SECRET.replace("$", "$$")


@pytest.mark.parametrize("content", ["", "two\nlines\n", '"quoted"'])
def test_a_file_that_is_no_password_is_an_error(content, init, tmp_path):
    (tmp_path / "password").write_text(content)
    done = init("--password-file", str(tmp_path / "password"))
    assert (done.status, (tmp_path / "new").exists()) == (1, False)
    assert "it should contain one line, the password" in done.err


def test_an_edited_file_is_kept_until_it_is_forced(init, tmp_path):
    init()
    config = tmp_path / "new" / "aetos.conf"
    edited = config.read_text().replace("[prometheus]", "[prometheus]\ntimeout = 7")
    config.write_text(edited)
    # The template and the answers are as before: there is nothing to offer.
    assert "aetos.conf" not in init("--yes").out.partition("Next:")[0]
    done = init("--yes", "--workers", "2")
    assert f"kept as it is: {config}" in done.out
    assert "-timeout = 7" in done.out
    assert config.read_text() == edited
    assert init("--yes", "--workers", "2", "--force").status == 0
    assert "timeout" not in config.read_text()
    assert "workers = 2" in config.read_text()


def test_without_a_terminal_nothing_is_overwritten(init, tmp_path):
    init()
    before = (tmp_path / "new" / "aetos.conf").read_text()
    done = init("--workers", "2")
    assert done.status == 1
    assert "kept as it is" in done.printed
    assert (tmp_path / "new" / "aetos.conf").read_text() == before


def test_on_a_terminal_each_file_is_asked_for(init, answer, tmp_path):
    answer(*[""] * 6)
    assert init().status == 0
    asked = answer(*[""] * 6, "y", "no")
    assert init("--workers", "2").status == 0
    assert [question for question in asked if "Overwrite" in question] == [
        f"Overwrite {tmp_path / 'new' / 'aetos.conf'}? [y/N] ",
        f"Overwrite {tmp_path / 'new' / 'prometheus' / 'scrape.yml'}? [y/N] ",
    ]
    assert "workers = 2" in (tmp_path / "new" / "aetos.conf").read_text()
    assert "9103" not in (tmp_path / "new" / "prometheus" / "scrape.yml").read_text()


def test_the_openrc_file_has_the_url_of_keystone(answer, tmp_path, monkeypatch):
    monkeypatch.setenv("OS_AUTH_URL", "https://cloud.example/identity/v3")
    asked = answer("", "https://cloud.example/metrics", *[""] * 6)
    folder = tmp_path / "new"
    assert main(["gateway", "init", str(folder)]) == 0
    assert asked[0].endswith(" [https://cloud.example/identity/v3]: ")
    assert "\nauth_url = https://cloud.example/identity/v3\n" in (folder / "aetos.conf").read_text()


def test_ending_the_input_writes_nothing(init, answer, tmp_path):
    answer("http://prometheus.example:9090")
    done = init()
    assert (done.status, (tmp_path / "new").exists()) == (1, False)
    assert "interrupted" in done.err


def test_an_invalid_answer_is_an_error(init, tmp_path):
    done = init("--listen", "nowhere")
    assert (done.status, (tmp_path / "new").exists()) == (1, False)
    assert "--listen 'nowhere' is not an address" in done.err


def test_an_option_resets_an_earlier_answer(init, tmp_path):
    config = tmp_path / "new" / "aetos.conf"
    init("--keystone-ca", "/etc/ssl/own.pem")
    assert "cafile = /etc/ssl/own.pem" in config.read_text()
    init("--yes", "--keystone-ca", "")
    assert "cafile" not in config.read_text()
    assert "--workers 0: use at least 1" in init("--workers", "0").err


def test_a_directory_whose_name_needs_quotes_is_an_error(tmp_path, capsys):
    assert main(["gateway", "init", str(tmp_path / "it's here")]) == 1
    assert "is not an absolute path without spaces" in capsys.readouterr().err


def test_a_file_with_a_wrong_mode_is_corrected(init, tmp_path):
    init()
    config = tmp_path / "new" / "aetos.conf"
    config.chmod(0o644)
    assert f"written: {config}" in init("--yes").out
    assert config.stat().st_mode & 0o777 == 0o640


def test_a_configuration_that_cannot_be_read_is_an_error_without_its_text(init, tmp_path):
    init()
    (tmp_path / "new" / "aetos.conf").write_text("[keystone_authtoken]\nsecret\n")
    done = init("--yes")
    assert done.status == 1
    assert "is not a configuration file" in done.err
    assert "secret" not in done.err


def test_without_system_the_steps_create_the_user_and_let_it_read_the_secrets(init, tmp_path):
    steps = init("--system-user", "metrics", "--web").out
    (create,) = re.findall(r"\. Create the gateway's user: (.*)", steps)
    own = tmp_path / "new"
    assert re.fullmatch(
        rf"useradd --system .* metrics && chgrp metrics {own}/aetos.conf {own}/session-keys", create
    )
    assert re.search(r"gateway check --config-file .* --user metrics$", steps, re.MULTILINE)
    assert "chgrp chrysaetos" not in steps


def test_system_requires_root_before_any_question(init, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(answers, "answer", lambda *_: pytest.fail("a question"))
    done = init("--system")
    assert done.status == 1
    assert "run it as root" in done.err


def test_with_system_the_user_gets_the_configuration_and_systemd_the_units(init, tmp_path, monkeypatch):
    created = []

    def create_user(name):
        created.append(name)
        return tmp_path.stat().st_gid

    monkeypatch.setattr(module, "UNIT_DIRECTORY", str(tmp_path / "units"))
    monkeypatch.setattr(module, "create_user", create_user)
    monkeypatch.setattr(module, "check_root", lambda: None)
    before = os.umask(0o077)
    try:
        assert init("--system", "--system-user", "metrics").status == 0
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "prometheus").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "new" / ".written.json").stat().st_mode & 0o777 == 0o600
    unit = (tmp_path / "units" / "chrysaetos-gateway.service").read_text()
    assert "User=metrics" in unit
    assert not (tmp_path / "new" / "systemd").exists()
    # It is remembered, and may be given again.
    for options in (["--yes"], ["--yes", "--system"]):
        printed = init(*options, "--workers", str(len(options) + 1)).out
        assert "Next:" in printed
        assert "Install the units" not in printed
        assert "useradd" not in printed
    assert created == ["metrics"] * 3


def test_the_password_in_the_configuration_is_registered(init, tmp_path, monkeypatch):
    registered = []

    def register(settings, password, *_):
        registered.append((settings.service_user, password))
        return ["created user aetos"]

    monkeypatch.setattr(module, "admin_region", lambda *_: None)
    monkeypatch.setattr(module, "register", register)
    assert "Keystone: created user aetos" in init("--register").out
    config = tmp_path / "new" / "aetos.conf"
    first = password_in(config)
    config.write_text(config.read_text() + "# edited\n")
    (tmp_path / "password").write_text("another")
    done = init("--register", "--yes", "--password-file", str(tmp_path / "password"))
    assert "kept as it is" in done.out
    assert registered == [("aetos", first)] * 2
    assert "Register the gateway" not in init("--yes", "--workers", "2").out


def test_the_password_of_the_example_configuration_is_replaced(init, tmp_path):
    config = tmp_path / "new" / CONFIG
    config.parent.mkdir()
    config.write_text((FOLDER / CONFIG).read_text())
    assert password_in(config) == EXAMPLE_PASSWORD
    assert init("--force").status == 0
    assert len(password_in(config)) == 24


def test_the_password_of_the_example_configuration_is_not_registered(init, answer, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "admin_region", lambda *_: None)
    config = tmp_path / "new" / CONFIG
    config.parent.mkdir()
    config.write_text((FOLDER / CONFIG).read_text())
    answer(*[""] * 6, "n")
    done = init("--register")
    assert done.status == 1
    assert "no password, or that of the example" in done.err
    script = subprocess.run(["sh", config.parent / REGISTRATION], capture_output=True, text=True, check=False)
    assert (script.returncode, script.stdout) == (1, "")
    assert "still has the example password" in script.stderr


def test_registration_without_credentials_is_an_error(init, monkeypatch):
    for name in ("OS_AUTH_URL", "OS_AUTH_TYPE"):
        monkeypatch.delenv(name, raising=False)
    done = init("--register")
    assert done.status == 1
    assert "source an administrator's openrc file, or use --os-cloud" in done.err


def test_the_serving_command_keeps_its_own_arguments(capsys):
    with pytest.raises(SystemExit):
        main(["gateway", "--help"])
    assert "--config-file" in capsys.readouterr().out


def test_the_web_page_has_keys_that_only_the_gateway_reads_and_that_stay(init, tmp_path):
    done = init("--web")
    keys = tmp_path / "new" / "session-keys"
    assert keys.stat().st_mode & 0o777 == 0o640
    assert len(read_keys(keys)) == 1
    config = ["--config-file", str(tmp_path / "new" / "aetos.conf")]
    web = load_conf(config).web
    assert (web.enabled, web.session_key_file) == (True, str(keys))
    assert web.public_url == "https://cloud.example/metrics"
    assert "https://cloud.example/metrics/ui" in done.out
    keys.write_text(f"{format_key(new_key())}\n{keys.read_text()}")
    replaced = keys.read_text()
    assert init("--yes").out == "All files are current.\n"
    assert replaced.strip() not in init("--yes", "--no-web").out
    assert not load_conf(config).web.enabled
    assert keys.read_text() == replaced


def test_the_web_page_is_asked_for(init, answer, tmp_path):
    asked = answer(*[""] * 5, "yes")
    init()
    assert asked[-1].endswith("/ui: yes or no [no]: ")
    assert load_conf(["--config-file", str(tmp_path / "new" / "aetos.conf")]).web.enabled
