"""The gate without a gateway: its settings and its application."""

import ssl

import pytest
import trustme
from tests.fakes.app_client import AppClient

from chrysaetos.errors import ConfigError
from chrysaetos.federation.alone import Settings, build, upstream_options
from chrysaetos.gateway.federate.handler import GateLimits
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import new_token, write_tokens


@pytest.mark.parametrize(
    ("url", "host", "port", "prefix"),
    [
        ("http://127.0.0.1:9090", "127.0.0.1", 9090, ""),
        ("http://prometheus/", "prometheus", 80, ""),
        ("http://[::1]:9090/prometheus/", "::1", 9090, "/prometheus"),
        ("HTTP://host/a/b-c", "host", 80, "/a/b-c"),
    ],
)
def test_the_url_of_prometheus(url, host, port, prefix):
    options = upstream_options(url)
    assert (options.host, options.port, options.path_prefix, options.tls) == (host, port, prefix, None)
    assert options.static_headers == ()


def test_prometheus_with_tls_and_basic_authentication(tmp_path):
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(ca))
    options = upstream_options("https://prometheus", ca=ca, user="gate", password="pässword")
    assert options.port == 443
    assert options.tls is not None
    assert options.tls.verify_mode is ssl.CERT_REQUIRED
    assert options.tls.check_hostname
    assert options.static_headers == (("Authorization", "Basic Z2F0ZTpww6Rzc3dvcmQ="),)


@pytest.mark.parametrize(
    ("url", "more", "message"),
    [
        ("127.0.0.1:9090", {}, "is not a URL such as"),
        ("ftp://host", {}, "is not a URL such as"),
        ("http://", {}, "is not a URL such as"),
        ("http://host?x=y", {}, "only scheme, host"),
        ("http://host#x", {}, "only scheme, host"),
        ("http://host/a?", {}, None),
        ("http://host/../x y", {}, "only scheme, host"),
        ("http://host/%2e", {}, "the path may have letters"),
        ("http://host:99999", {}, "is not a URL"),
        ("http://[::1", {}, "is not a URL"),
        ("http://user:secret@host", {}, "must not contain credentials"),
        ("http://host", {"user": "u"}, "both or neither"),
        ("http://host", {"password": "p"}, "both or neither"),
        ("http://host", {"ca": "x"}, "requires an --upstream with https"),
        ("https://host", {"ca": "/nowhere/ca.pem"}, "--upstream-ca"),
    ],
)
def test_invalid_settings_are_rejected(url, more, message):
    if message is None:
        assert upstream_options(url).path_prefix == "/a"
        return
    with pytest.raises(ConfigError, match=message) as caught:
        upstream_options(url, **more)
    assert "secret" not in str(caught.value)


def settings(directory, **more):
    secret, token = new_token("portal", Policy(("up",)), now=0.0, expires=None)
    file = directory / "tokens.json"
    write_tokens(file, [token])
    upstream = upstream_options("http://127.0.0.1:1")
    return secret, Settings(tokens=file, upstream=upstream, limits=GateLimits(), **more)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/-/healthy", 404),
        ("GET", "/-/whoami", 404),
        ("GET", "/api/v1/query?query=up", 404),
        ("POST", "/federate", 405),
        ("GET", "/federate?" + "x" * 34_000, 414),
        ("GET", "/federate", 403),
        ("GET", "/federate?match[]=up", 503),  # Prometheus is not running
    ],
)
async def test_only_the_gate_is_served(tmp_path, method, target, status):
    secret, chosen = settings(tmp_path)
    service = build(chosen)
    credentials = (b"authorization", f"Bearer {secret}".encode())
    answer = await AppClient(service.application).request(method, target, headers=[credentials])
    assert answer.status == status
    assert b'chrysaetos_federation_token_expires_timestamp_seconds{token="portal"} +Inf' in (
        service.telemetry.render()
    )


def test_the_gate_requires_a_token_and_a_writable_audit_file(tmp_path):
    with pytest.raises(ConfigError, match=r"^--audit-file: "):
        build(settings(tmp_path, audit_file=str(tmp_path / "nowhere" / "audit"))[1])
    _, chosen = settings(tmp_path)
    write_tokens(chosen.tokens, [])
    with pytest.raises(ConfigError, match="contains no valid token"):
        build(chosen)
