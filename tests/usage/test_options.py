"""Options, and the environment variables with their defaults."""

from pathlib import Path

import pytest

from chrysaetos.usage.options import parse_options, read_credentials, state_directory
from chrysaetos.usage.records import UsageError


def test_defaults():
    options = parse_options([], {})
    assert options.action == "serve"
    assert (options.bind, options.port) == ("127.0.0.1", 8080)
    assert options.update_interval == 300
    assert options.max_age == 900
    assert options.simple_vm_tag == "project_name"
    assert options.weight_update_frequency == 10
    assert not options.compat_gib
    assert options.domain is None
    assert options.sources == ("servers",)
    assert not options.own_project


VARIABLES = {
    "DUMMY_FILE": ("dummy_data", "/a.toml", Path("/a.toml")),
    "DUMMY_WEIGHTS_FILE": ("dummy_weights", "/w.toml", Path("/w.toml")),
    "PROJECT_DOMAINS": ("domain", "a, b,", ["a", "b"]),
    "PROJECT_DOMAIN_ID": ("domain_id", "x", "x"),
    "SIMPLE_VM_PROJECT_ID": ("simple_vm_id", "x", "x"),
    "SIMPLE_VM_PROJECT_TAG": ("simple_vm_tag", "tag", "tag"),
    "WEIGHT_UPDATE_FREQUENCY": ("weight_update_frequency", "3", 3),
    "WEIGHTS_UPDATE_ENDPOINT": ("weight_update_endpoint", "http://w/", "http://w/"),
    "START_DATE_ENDPOINT": ("start_date_endpoint", "http://s/", "http://s/"),
    "START_DATE": ("start", "2026-01-01", "2026-01-01"),
    "UPDATE_INTERVAL": ("update_interval", "60", 60.0),
    "VERBOSE_MODE": ("verbose", "True", True),
    "VCPU_WEIGHTS": ("vcpu_weights", "{2: 1, 4: 1.5}", {2: 1, 4: 1.5}),
    "COMPAT_GIB": ("compat_gib", "1", True),
    "SOURCES": ("sources", "network-quotas, servers", ("servers", "network-quotas")),
    "OWN_PROJECT": ("own_project", "1", True),
    "PORT": ("port", "9000", 9000),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_variables(name):
    attribute, text, expected = VARIABLES[name]
    assert getattr(parse_options([], {f"USAGE_EXPORTER_{name}": text}), attribute) == expected


@pytest.mark.parametrize("name", ["START_DATE", "DUMMY_FILE", "VERBOSE_MODE", "UPDATE_INTERVAL"])
def test_an_empty_variable_is_ignored(name):
    assert parse_options([], {f"USAGE_EXPORTER_{name}": ""}) == parse_options([], {})


def test_an_empty_list_of_domains_is_kept():
    assert parse_options([], {"USAGE_EXPORTER_PROJECT_DOMAINS": ""}).domain == []


def test_options_override_variables():
    environ = {"USAGE_EXPORTER_PORT": "9000", "USAGE_EXPORTER_PROJECT_DOMAINS": "a"}
    options = parse_options(["-p", "9001", "--domain", "b", "c"], environ)
    assert (options.port, options.domain) == (9001, ["b", "c"])


def test_max_age_depends_on_the_interval():
    assert parse_options(["-i", "600"], {}).max_age == 1800
    assert parse_options(["-i", "600", "--max-age", "60"], {}).max_age == 60


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["-i", "0"], {}, "greater than 0"),
        (["-i", "nan"], {}, "greater than 0"),
        (["-p", "70000"], {}, "not an integer from 0 to 65535"),
        (["--weight-update-frequency", "0"], {}, "not an integer of at least 1"),
        (["--vcpu-weights", "__import__('os')"], {}, "does not have the form"),
        (["--vcpu-weights", "{2: -1}"], {}, "weight is -1, expected a number of at least 0"),
        (["--mb-weights", "{1024: 1e999}"], {}, "weight is inf, expected a number of at least 0"),
        ([], {"USAGE_EXPORTER_VCPU_WEIGHTS": "{-1: 2}"}, "value is -1, expected a number of at least 0"),
        (["--tls-cert", "x"], {}, "give both or neither"),
        ([], {"USAGE_EXPORTER_UPDATE_INTERVAL": "soon"}, "USAGE_EXPORTER_UPDATE_INTERVAL"),
        ([], {"USAGE_EXPORTER_VERBOSE_MODE": "perhaps"}, "USAGE_EXPORTER_VERBOSE_MODE"),
        (["other"], {}, "invalid choice"),
        (["--sources", "servers,images"], {}, "'images' is not one of servers, volumes"),
        ([], {"USAGE_EXPORTER_SOURCES": "images"}, "USAGE_EXPORTER_SOURCES is 'images'"),
        (["-d", "x", "--sources", "volumes"], {}, "has only servers"),
    ],
)
def test_invalid_options_are_rejected(arguments, environ, message, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_options(arguments, environ)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("text", "expected"), [("u:p\n", ("u", "p")), ("u:p:q", ("u", "p:q"))])
def test_credentials(tmp_path, text, expected):
    file = tmp_path / "credentials"
    file.write_text(text)
    assert read_credentials(file) == expected


@pytest.mark.parametrize("text", ["", "user", ":p", "u:", "u:p\nv:q\n"])
def test_invalid_credentials_are_rejected(tmp_path, text):
    file = tmp_path / "credentials"
    file.write_text(text)
    with pytest.raises(UsageError, match="user:password"):
        read_credentials(file)


def test_the_directory_of_the_ledger():
    both = {"STATE_DIRECTORY": "/var/lib/usage:/x", "XDG_STATE_HOME": "/xdg"}
    assert state_directory(Path("/given"), both) == Path("/given")
    assert state_directory(None, both) == Path("/var/lib/usage")
    assert state_directory(None, {"XDG_STATE_HOME": "/xdg"}) == Path("/xdg/chrysaetos")
