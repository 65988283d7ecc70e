"""HAProxy and memcached of the demo; ``test_engines.py`` runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chrysaetos.demo.balanced import HAProxy, Memcached
from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.processes import DemoError, wait_for

if TYPE_CHECKING:
    from pathlib import Path


def gateway(directory: Path, port: int) -> Gateway:
    return Gateway(directory, keystone_url="", prometheus_url="", user="", password="", port=port)


def test_haproxy_balances_all_gateways(tmp_path: Path) -> None:
    gateways = [gateway(tmp_path / str(port), port) for port in (1001, 1002)]
    haproxy = HAProxy(tmp_path / "haproxy", gateways, port=1003)
    haproxy.prepare()
    text = (tmp_path / "haproxy" / "haproxy.cfg").read_text()
    for line in (
        "bind 127.0.0.1:1003",
        "server gateway1 127.0.0.1:1001 check inter 1s",
        "server gateway2 127.0.0.1:1002 check inter 1s",
        "option httpchk GET /healthcheck",
        "tune.bufsize 204800",
    ):
        assert f"    {line}\n" in text


def test_memcached_is_ready_when_it_accepts_connections(tmp_path: Path) -> None:
    with Memcached(tmp_path) as server:
        assert server.address == f"127.0.0.1:{server.port}"
        assert server._ready()
        server.stop()
        with pytest.raises(DemoError, match="memcached is not started"):
            wait_for(server._ready, timeout=10)


@pytest.mark.parametrize("program", ["memcached", "haproxy"])
def test_a_missing_program_is_named(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    server = Memcached(tmp_path) if program == "memcached" else HAProxy(tmp_path, [], port=1)
    with pytest.raises(DemoError, match=f"^{program} is not on PATH; "):
        server.command()
