"""The command ``chrysaetos gateway``: what it logs first."""

from __future__ import annotations

import socket

import pytest

from chrysaetos import __version__
from chrysaetos.gateway.build import build
from chrysaetos.gateway.main import _describe
from chrysaetos.gateway.options import load_conf

CONFIG = """
[gateway]
workers = 3
path_prefix = /metric-storage
metrics_port = 9102
[prometheus]
host = store
replicas = other:9091
engine = victoriametrics
username = u
password = store-secret
{more}
[keystone_authtoken]
auth_type = password
auth_url = https://name:keystone-secret@cloud.example/identity
password = user-secret
"""


@pytest.fixture
def described(tmp_path):
    """Return a function that returns the first line of a gateway's log."""

    def describe(more=""):
        config = tmp_path / "aetos.conf"
        config.write_text(CONFIG.format(more=more))
        conf = load_conf(["--config-file", str(config)])
        build(conf)
        with socket.create_server(("127.0.0.1", 0)) as sock:
            return _describe(conf, [sock]).replace(str(sock.getsockname()[1]), "PORT")

    return describe


def test_the_log_starts_with_what_is_served(described, tmp_path):
    (tmp_path / "policy.yaml").write_text("{}")
    line = described()
    assert line == (
        f"chrysaetos {__version__}: listening on 127.0.0.1 port PORT; workers 3; "
        "path prefix /metric-storage; Keystone https://cloud.example/identity; "
        "upstream store:9090, other:9091 (victoriametrics, path prefix none); "
        f"policy file {tmp_path / 'policy.yaml'}; metrics 127.0.0.1 port 9102"
    )
    assert "secret" not in line


def test_the_line_names_what_is_missing(described):
    line = described("[DEFAULT]\nauth_mode = noauth\n")
    assert "Keystone none (auth_mode = noauth)" in line
    assert "policy file policy.yaml does not exist: the defaults are in force" in line
