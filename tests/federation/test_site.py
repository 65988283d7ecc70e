from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from tests.support.commands import run

from chrysaetos.errors import ConfigError
from chrysaetos.federation import main as gate_command
from chrysaetos.federation.registry import FRESHNESS, USAGE
from chrysaetos.federation.site import USAGE_UNIT, SiteSettings, allowed_urls, next_steps, site_files
from chrysaetos.scaffold import write_files

ROOT = Path(__file__).parents[2]
TLS: dict[str, Any] = {"tls_cert": "/etc/tls/gate.pem", "tls_key": "/etc/tls/gate.key"}


def texts(**settings: Any) -> dict[str, str]:
    return {file.name: file.text for file in site_files(SiteSettings(**{"location": "alpha", **settings}))}


@pytest.mark.parametrize(
    "settings",
    [{}, {"start": "2026-01-01"}, {"bind": "::", "port": 443, **TLS}, {"prometheus": "https://[::1]:9/p"}],
)
def test_all_placeholders_are_filled(settings: dict[str, Any]) -> None:
    for name, text in texts(**settings).items():
        assert "@@" not in text, name
        assert text.endswith("\n"), name


def test_the_exporters_unit_has_the_start_date() -> None:
    assert "START_DATE" not in texts()[USAGE_UNIT]
    started = texts(start="2026-01-01")[USAGE_UNIT]
    assert "\nEnvironment=USAGE_EXPORTER_START_DATE=2026-01-01\nExecStart=" in started


def gate_options(arguments: list[str]) -> Any:
    import argparse  # noqa: PLC0415  # only used here

    parser = argparse.ArgumentParser()
    gate_command.add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_gates_unit_passes_the_settings() -> None:
    unit = texts(bind="::", port=443, prometheus="http://127.0.0.1:9/p", **TLS)[
        "systemd/chrysaetos-federate.service"
    ]
    (line,) = re.findall("(?m)^ExecStart=(.*)$", unit)
    program, command, *arguments = shlex.split(line)
    assert (program, command) == ("/opt/chrysaetos/bin/chrysaetos", "federate")
    options = gate_options(arguments)
    assert (options.bind, options.port, options.upstream) == ("::", 443, "http://127.0.0.1:9/p")
    assert (str(options.tls_cert), str(options.tls_key)) == (TLS["tls_cert"], TLS["tls_key"])


def test_compose_has_exporter_prometheus_and_gate() -> None:
    files = texts(bind="192.0.2.1", port=443, start="2026-01-01", **TLS)
    compose = yaml.safe_load(files["compose/compose.yaml"])
    services = compose["services"]
    assert set(services) == {"exporter", "prometheus", "gate"}
    for name in ("exporter", "gate"):
        image = services[name]["build"]
        assert f" AS {image['target']}\n" in (ROOT / image["dockerfile"]).read_text()
        assert services[name]["read_only"] is True
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert set(service["networks"]) <= set(compose["networks"])
        named = [volume.split(":")[0] for volume in service.get("volumes", ())]
        assert {name for name in named if not name.startswith((".", "/"))} <= set(compose["volumes"])
    assert "outside" not in services["prometheus"]["networks"]
    assert "ports" not in services["prometheus"]
    assert services["exporter"]["environment"] == {"USAGE_EXPORTER_START_DATE": "2026-01-01"}
    assert services["gate"]["ports"] == ["192.0.2.1:443:9091"]
    options = gate_options(services["gate"]["command"])
    assert options.upstream == "http://prometheus:9090"
    assert str(options.tls_cert) == "/tls/cert.pem"
    assert "/etc/tls/gate.pem:/tls/cert.pem:ro" in services["gate"]["volumes"]
    prometheus = yaml.safe_load(files["compose/prometheus.yml"])
    assert prometheus["scrape_configs"][0]["static_configs"] == [{"targets": ["exporter:8080"]}]


def test_compose_without_tls_binds_to_loopback() -> None:
    gate = yaml.safe_load(texts()["compose/compose.yaml"])["services"]["gate"]
    assert gate["ports"] == ["127.0.0.1:9091:9091"]
    assert gate["volumes"] == ["./tokens:/tokens:ro"]


def test_promtool_accepts_the_prometheus_configuration(tmp_path: Path) -> None:
    write_files(tmp_path, site_files(SiteSettings("Überall", exporter="usage.example:80")), force=False)
    for name in ("prometheus.yml", "compose/prometheus.yml"):
        assert "SUCCESS" in run(["promtool", "check", "config", tmp_path / name]).out
    config = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    assert config["global"]["external_labels"] == {"location": "Überall"}
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "project_usages"
    assert job["static_configs"] == [{"targets": ["usage.example:80"]}]
    assert "[::1]:80" in texts(exporter="[::1]:80")["prometheus.yml"]


def test_all_encodings_decode_to_the_same_query() -> None:
    urls = allowed_urls('{job="a b",__name__=~"x|y"}')
    assert len(set(urls)) == len(urls) == 12
    for url in urls:
        parts = urlsplit(url)
        assert parts.path == "/federate"
        assert parse_qsl(parts.query) == [("match[]", '{job="a b",__name__=~"x|y"}')]


def test_haproxy_allows_all_encodings() -> None:
    config = texts()["haproxy/haproxy.cfg"]
    assert re.findall("(?m)^    acl allowed_url url -m str -- (.+)$", config) == allowed_urls(USAGE)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"location": "a b"}, "--location 'a b'"),
        ({"bind": "a b"}, "--bind"),
        ({"port": 0}, "--port 0"),
        ({"port": 65536}, "--port 65536"),
        ({"tls_cert": "/a"}, "give both or neither"),
        ({"tls_cert": "a", "tls_key": "/b"}, "'a' is not an absolute path"),
        ({"tls_cert": "/a", "tls_key": "/b c"}, "'/b c' is not an absolute path"),
        ({"exporter": "8080"}, "--exporter '8080'"),
        ({"exporter": "a:b"}, "--exporter 'a:b'"),
        ({"exporter": "::1:8080"}, "--exporter '::1:8080'"),
        ({"exporter": "a:65536"}, "--exporter 'a:65536'"),
        ({"prometheus": "prometheus:9090"}, "--prometheus"),
        ({"start": "yesterday"}, "--start 'yesterday'"),
        ({"start": "2026-01-01\nExecStart=x"}, "--start"),
        ({"allow": "sum(up)"}, "is not a valid selector"),
    ],
)
def test_invalid_settings_are_rejected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        SiteSettings(**{"location": "alpha", **settings})


def test_the_next_steps_mention_missing_tls() -> None:
    assert "127.0.0.1 without TLS" in next_steps(SiteSettings("alpha"))
    assert "0.0.0.0 without TLS" in next_steps(SiteSettings("alpha", bind="0.0.0.0"))  # noqa: S104  # does not bind
    assert "with TLS" in next_steps(SiteSettings("alpha", **TLS))
    assert "TLS" not in next_steps(SiteSettings("alpha", bind="192.0.2.1", **TLS))


@pytest.mark.parametrize("allow", [USAGE, "{job='project_usages'}"])
def test_the_command_for_a_token_is_read_by_a_shell_as_it_is_meant(allow: str) -> None:
    steps = next_steps(SiteSettings("alpha", allow=allow))
    command = next(line for line in steps.splitlines() if "token new" in line)
    assert shlex.split(command)[-4:] == ["--allow", allow, "--allow", FRESHNESS]


def test_the_next_steps_create_the_user_of_the_unit_and_let_it_read_the_tokens() -> None:
    unit = texts()["systemd/chrysaetos-federate.service"]
    commands = [line.strip() for line in next_steps(SiteSettings("alpha")).splitlines()]
    for start in ("useradd ", "chown ", "chmod "):
        command = next(line for line in commands if line.startswith(start))
        assert f"#   {command}\n" in unit
