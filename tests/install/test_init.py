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


def test_an_invalid_answer_is_an_error(tmp_path, capsys):
    assert main(["gateway", "init", str(tmp_path), *URLS, "--listen", "nowhere"]) == 1
    assert "--listen 'nowhere' is not an address" in capsys.readouterr().err


def test_the_serving_command_keeps_its_own_arguments(capsys):
    with pytest.raises(SystemExit):
        main(["gateway", "--help"])
    assert "--config-file" in capsys.readouterr().out
