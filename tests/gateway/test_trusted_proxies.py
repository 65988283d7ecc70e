"""The options of the proxies in front of the gateway."""

from ipaddress import ip_network

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.options import load_conf
from chrysaetos.gateway.settings import load_options
from chrysaetos.gateway.trusted_proxies import load_trusted_proxies
from chrysaetos.http.server.client_address import TrustedProxies


@pytest.fixture
def configured(tmp_path):
    """Call it with options of ``[gateway]``; it returns the configuration."""

    def load(text):
        file = tmp_path / "aetos.conf"
        file.write_text(f"[gateway]\n{text}\n")
        return load_conf(["--config-file", str(file)])

    return load


def test_no_proxy_is_trusted_by_default(configured):
    assert load_trusted_proxies(configured("")) is None


def test_proxies_are_addresses_networks_and_unix_sockets(configured):
    networks = (ip_network("192.0.2.10"), ip_network("2001:db8::/64"))
    conf = configured("trusted_proxies = 192.0.2.10, 2001:db8::/64, unix")
    assert load_trusted_proxies(conf) == TrustedProxies(networks, unix=True)
    conf = configured("trusted_proxies = unix\nforwarded_header = forwarded\nproxy_protocol = true")
    assert load_trusted_proxies(conf) == TrustedProxies(unix=True, forwarded=True, proxy_protocol=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trusted_proxies = lb.example", r"\[gateway\] trusted_proxies: 'lb.example' "),
        ("trusted_proxies = 192.0.2.1/24", r"\[gateway\] trusted_proxies: 192.0.2.1/24 has host bits set"),
        ("proxy_protocol = true", r"\[gateway\] proxy_protocol requires trusted_proxies"),
        ("forwarded_header = x-real-ip", r"\[gateway\] forwarded_header"),
    ],
)
def test_an_invalid_value_fails_the_start(configured, text, message):
    with pytest.raises(ConfigError, match=message):
        load_options(configured(text))
