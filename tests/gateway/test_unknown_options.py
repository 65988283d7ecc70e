"""Warnings of options and sections that nothing reads."""

import logging
from pathlib import Path

import pytest

from chrysaetos.gateway.build import build
from chrysaetos.gateway.options import load_conf
from chrysaetos.gateway.unknown_options import warn_of_unknown_options

KEYSTONE = """
[keystone_authtoken]
www_authenticate_uri = http://127.0.0.1:5000
auth_url = http://127.0.0.1:5000/v3
auth_type = password
username = aetos
user_domain_name = Default
password = secret
project_name = service
project_domain_name = Default
"""


@pytest.fixture
def warnings(tmp_path, caplog):
    """Return the warnings for a configuration, without the name of its file."""

    def warnings(text: str) -> list[str]:
        file = tmp_path / "aetos.conf"
        file.write_text(text)
        (tmp_path / "policy.yaml").write_text("{}")
        conf = load_conf(["--config-file", str(file)])
        build(conf)
        caplog.clear()
        warn_of_unknown_options(conf)
        return [
            record.getMessage().removeprefix(f"{file}: ")
            for record in caplog.records
            if record.levelno >= logging.WARNING
        ]

    return warnings


def test_misspelt_options_and_sections_are_named_with_the_closest_known_one(warnings):
    text = f"""
[DEFAULT]
lgo_file = x
[prometheus]
pot = 9090
zzz = 1
[gatway]
workers = 2
{KEYSTONE}
usrname = x
"""
    assert warnings(text) == [
        "nothing reads [DEFAULT] lgo_file: did you mean log_file?",
        "nothing reads [prometheus] pot: did you mean port?",
        "nothing reads [prometheus] zzz",
        "nothing reads the section [gatway]: did you mean [gateway]?",
        "nothing reads [keystone_authtoken] usrname: did you mean username?",
    ]


def test_options_of_aetos_and_of_the_libraries_are_known(warnings):
    text = f"""
[DEFAULT]
debug = false
paste_config = api-paste.ini
auth_mode = keystone
log_dir = /tmp
[prometheus]
host = localhost
port = 9090
use_tls = false
project_label_name = project
[oslo_policy]
policy_file = policy.yaml
enforce_scope = true
[cors]
allowed_origin = https://dashboard.example
[oslo_messaging_rabbit]
ssl = true
{KEYSTONE}
memcache_servers = 127.0.0.1:11211
service_token_roles_required = true
"""
    assert warnings(text) == []


def test_the_sample_has_no_unknown_option(warnings):
    sample = (Path(__file__).parents[2] / "etc" / "aetos.conf.sample").read_text()
    lines = [line.removeprefix("#") for line in sample.splitlines() if not line.startswith("# ")]
    shown = [line for line in lines if line.startswith("[") or "<None>" not in line]
    text = "\n".join(line for line in shown if not line.startswith(("log_config_append", "audit_file")))
    assert warnings(text.replace("\nauth_mode = keystone", "\nauth_mode = noauth")) == []
