"""The service that a configuration describes."""

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.build import build
from chrysaetos.gateway.options import load_conf


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("host = my host", "host"),
        ("host =", "host"),
        ("host = [::1]", "host"),
        ("replicas = [::1]x:9090", "host"),
        ("headers = Host:metrics.example", "header 'Host'"),
        ("headers = X-A:b\x07", "header 'X-A'"),
        ("headers = X-Ä:b", "header 'X-Ä'"),
    ],
)
def test_what_cannot_be_sent_to_prometheus_is_rejected_naming_the_options(tmp_path, options, message):
    config = tmp_path / "aetos.conf"
    config.write_text(f"[DEFAULT]\nauth_mode = noauth\n[prometheus]\n{options}\n")
    with pytest.raises(ConfigError, match=rf"^\[prometheus\] host, replicas or headers: .*{message}"):
        build(load_conf(["--config-file", str(config)]))
