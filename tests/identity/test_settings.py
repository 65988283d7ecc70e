from __future__ import annotations

import io
import pickle
import socketserver
import sys
import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import memcache
import pytest
from oslo_config import cfg

from chrysaetos.errors import ConfigError
from chrysaetos.identity.keystone import KeystoneTokens
from chrysaetos.identity.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_the_gateways_defaults_apply(make_conf):
    conf = make_conf(http_request_max_retries=None)
    settings = load_settings(conf)
    section = conf.keystone_authtoken
    assert section.service_type == "metric-storage"
    assert section.service_token_roles_required is True
    assert section.http_request_max_retries == 1
    assert settings.timeout == 10.0
    assert settings.verify is True
    assert settings.cert is None
    assert settings.shared_cache is False


def test_the_operators_values_take_precedence(make_conf, tmp_path):
    for name in ("ca.pem", "crt.pem", "key.pem"):
        (tmp_path / name).write_text("")
    conf = make_conf(
        service_type="prometheus",
        service_token_roles_required="false",
        http_connect_timeout="3",
        cafile=str(tmp_path / "ca.pem"),
        certfile=str(tmp_path / "crt.pem"),
        keyfile=str(tmp_path / "key.pem"),
    )
    settings = load_settings(conf)
    assert conf.keystone_authtoken.service_type == "prometheus"
    assert conf.keystone_authtoken.service_token_roles_required is False
    assert settings.timeout == 3.0
    assert settings.verify == str(tmp_path / "ca.pem")
    assert settings.cert == (str(tmp_path / "crt.pem"), str(tmp_path / "key.pem"))


def test_insecure_disables_certificate_checks(make_conf):
    assert load_settings(make_conf(insecure="true")).verify is False


def test_the_middleware_gets_the_defaults(make_conf):
    conf = make_conf()
    tokens = KeystoneTokens(conf)
    tokens.close()
    assert conf.keystone_authtoken.service_type == "metric-storage"
    assert conf.keystone_authtoken.http_connect_timeout == 10


def test_credentials_are_exchanged_at_the_services_own_auth_url(make_conf, keystone):
    settings = load_settings(make_conf())
    assert settings.auth_url == keystone.url
    assert settings.www_authenticate_uri == "https://public.example/identity"


def test_each_url_defaults_to_the_other(make_conf, keystone):
    conf = make_conf(www_authenticate_uri=None)
    assert load_settings(conf).www_authenticate_uri == keystone.url
    assert conf.keystone_authtoken.www_authenticate_uri == keystone.url
    changes = dict.fromkeys(("auth_url", "username", "password"))
    settings = load_settings(make_conf(**changes, auth_type="admin_token", endpoint="http://x", token="t"))
    assert settings.auth_url == "https://public.example/identity"


def test_the_auth_plugin_may_have_its_own_section(make_conf, keystone, tmp_path):
    options = dict.fromkeys(("auth_url", "auth_type"))
    make_conf(**options, auth_section="service_auth", www_authenticate_uri=None)
    file = tmp_path / "aetos.conf"
    section = f"[service_auth]\nauth_type = password\nauth_url = {keystone.url}\n"
    file.write_text(file.read_text() + section)
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(file)])
    assert load_settings(conf).auth_url == keystone.url


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"auth_type": None}, "auth_type"),
        ({"auth_type": "no-such-plugin"}, "no-such-plugin"),
        ({"auth_url": None, "www_authenticate_uri": None}, "www_authenticate_uri"),
        ({"www_authenticate_uri": "public.example"}, "www_authenticate_uri"),
        ({"www_authenticate_uri": 'http://x/", Basic realm="y'}, "www_authenticate_uri"),
        ({"auth_url": "keystone:5000"}, "auth_url"),
        ({"insecure": "perhaps"}, "insecure"),
        ({"http_connect_timeout": "soon"}, "http_connect_timeout"),
        ({"cafile": "no-such-file.pem"}, "cafile"),
        # Unlike a directory without permissions, this is an error for root as well.
        ({"cafile": f"/{'x' * 300}/ca.pem"}, "cafile"),
        ({"memcache_tls_cafile": "no-such-file.pem"}, "memcache_tls_cafile"),
    ],
)
def test_an_invalid_setting_is_named(make_conf, changes, named):
    with pytest.raises(ConfigError, match=named) as caught:
        load_settings(make_conf(**changes))
    assert "service-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_errors_of_the_middleware_name_the_option(make_conf):
    with pytest.raises(ConfigError, match="memcache_secret_key"):
        KeystoneTokens(make_conf(memcache_security_strategy="ENCRYPT"))


def test_errors_of_tls_end_the_start(make_conf):
    conf = make_conf(memcache_tls_enabled="true", memcache_tls_allowed_ciphers="none-of-these")
    with pytest.raises(ConfigError, match="cipher"):
        KeystoneTokens(conf)


@pytest.mark.parametrize(
    ("changes", "module", "package"),
    [
        ({}, "memcache", "python-memcached"),
        ({"memcache_sasl_enabled": "true"}, "bmemcached", "python-binary-memcached"),
        ({"memcache_tls_enabled": "true"}, "bmemcached", "python-binary-memcached"),
    ],
)
def test_a_missing_memcached_driver_fails_the_start(make_conf, monkeypatch, changes, module, package):
    conf = make_conf(memcached_servers="127.0.0.1:11211", **changes)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=package):
        load_settings(conf)
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(Client=type("Client", (), {})))
    assert load_settings(conf).shared_cache is True


def test_memcached_over_tls_requires_the_pool_that_connects_with_tls(make_conf):
    conf = make_conf(
        memcached_servers="127.0.0.1:11211", memcache_tls_enabled="true", memcache_use_advanced_pool="false"
    )
    with pytest.raises(ConfigError, match="memcache_use_advanced_pool"):
        load_settings(conf)


ran: list[bool] = []


def run() -> None:
    ran.append(True)


class Payload:
    """Its pickle calls ``run``."""

    def __reduce__(self) -> tuple[Any, ...]:
        return run, ()


@contextmanager
def memcached_with(flags: int, value: bytes) -> Iterator[str]:
    """Run a server that answers each command with an entry, and yield its address."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                key = line.split()[1]
                self.wfile.write(b"VALUE %b %d %d\r\n%b\r\nEND\r\n" % (key, flags, len(value), value))

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield "{}:{}".format(*server.server_address)
        server.shutdown()
        thread.join()


def test_no_pickle_of_memcached_is_loaded(make_conf):
    with memcached_with(memcache.Client._FLAG_PICKLE, pickle.dumps(Payload())) as address:
        load_settings(make_conf(memcached_servers=address))
        client = memcache.Client([address])
        assert client.get("tokens/x") is None
        client.disconnect_all()
    assert ran == []
    with memcached_with(0, b"{}") as address:
        client = memcache.Client([address])
        assert client.get("tokens/x") == b"{}"
        client.disconnect_all()


def test_the_other_driver_loads_no_pickle_either(make_conf, monkeypatch):
    class Client:
        def __init__(self, servers: list[str], unpickler: Any = pickle.Unpickler) -> None:
            self.loaded = unpickler(io.BytesIO(pickle.dumps(servers))).load()

    monkeypatch.setitem(sys.modules, "bmemcached", SimpleNamespace(Client=Client))
    conf = make_conf(memcached_servers="127.0.0.1:11211", memcache_tls_enabled="true")
    for _ in range(2):
        load_settings(conf)
        assert Client(["x"]).loaded is None
