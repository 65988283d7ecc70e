"""``chrysaetos gateway init``."""

from __future__ import annotations

import pytest

from chrysaetos.cli.main import main
from chrysaetos.gateway.options import load_conf

URLS = ("--keystone-url", "https://cloud.example/identity", "--public-url", "https://cloud.example/metrics")


def test_the_gateway_can_read_the_configuration(tmp_path):
    assert main(["gateway", "init", str(tmp_path / "new"), *URLS]) == 0
    config = tmp_path / "new" / "aetos.conf"
    assert config.stat().st_mode & 0o777 == 0o640
    conf = load_conf(["--config-file", str(config)])
    assert conf.gateway.path_prefix == "/metrics"
    assert conf.gateway.unix_socket == "/run/chrysaetos/gateway.sock"
    assert conf.gateway.trusted_proxies == ["unix"]


@pytest.mark.parametrize(
    "options", [["--proxy", "nginx"], ["--proxy", "none"], ["--listen", "127.0.0.1:8042"]]
)
def test_only_haproxy_on_the_socket_is_trusted(tmp_path, options):
    assert main(["gateway", "init", str(tmp_path / "new"), *URLS, *options]) == 0
    conf = load_conf(["--config-file", str(tmp_path / "new" / "aetos.conf")])
    assert conf.gateway.trusted_proxies == []


def test_an_invalid_answer_is_an_error(tmp_path, capsys):
    assert main(["gateway", "init", str(tmp_path), *URLS, "--listen", "nowhere"]) == 1
    assert "--listen 'nowhere' is not an address" in capsys.readouterr().err


def test_the_serving_command_keeps_its_own_arguments(capsys):
    with pytest.raises(SystemExit):
        main(["gateway", "--help"])
    assert "--config-file" in capsys.readouterr().out
