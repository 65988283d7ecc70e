from pathlib import Path

from oslo_config import cfg

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.keystone import render_config


def gateway(directory: Path) -> Gateway:
    return Gateway(
        directory,
        keystone_url="http://127.0.0.1:25000/v3",
        prometheus_url="http://127.0.0.1:25002",
        user="aetos",
        password="a$b",
        port=25001,
        options={"prometheus": {"project_label_name": "tenant"}, "oslo_policy": {"enforce_scope": "false"}},
    )


def options(path: Path, section: str, *names: str) -> dict[str, str]:
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt(name) for name in names], group=section)
    conf(["--config-file", str(path)], project="nothing", default_config_dirs=[])
    return {name: conf[section][name] for name in names}


def test_oslo_config_reads_the_configuration(tmp_path: Path) -> None:
    server = gateway(tmp_path)
    server.prepare()
    path = server.config_file
    assert path.stat().st_mode & 0o777 == 0o600
    assert options(path, "gateway", "host", "port") == {"host": "127.0.0.1", "port": "25001"}
    assert options(path, "prometheus", "host", "port", "project_label_name") == {
        "host": "127.0.0.1",
        "port": "25002",
        "project_label_name": "tenant",
    }
    token = options(path, "keystone_authtoken", "auth_url", "username", "password", "project_name")
    assert token == {
        "auth_url": "http://127.0.0.1:25000/v3",
        "username": "aetos",
        "password": "a$b",
        "project_name": "service",
    }
    assert options(path, "oslo_policy", "enforce_scope", "policy_file") == {
        "enforce_scope": "false",
        "policy_file": str(server.policy_file),
    }


def test_an_existing_policy_is_kept(tmp_path: Path) -> None:
    server = gateway(tmp_path)
    server.prepare()
    server.policy_file.write_text('"telemetry:query": "!"\n')
    server.prepare()
    assert server.policy_file.read_text() == '"telemetry:query": "!"\n'


def test_the_command_runs_the_gateway(tmp_path: Path) -> None:
    assert gateway(tmp_path).command()[1:] == [
        "-m",
        "chrysaetos",
        "gateway",
        "--config-file",
        str(tmp_path / "aetos.conf"),
    ]


def test_sections_are_written_in_order() -> None:
    text = render_config({"a": {"x": "1"}, "b": {"y": "$2"}})
    assert text == "[a]\nx = 1\n\n[b]\ny = $$2\n"
