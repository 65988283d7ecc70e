"""The settings of an installation are checked before anything is written."""

from __future__ import annotations

from typing import Any

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.install.settings import Settings

URLS: dict[str, Any] = {
    "keystone_url": "https://cloud.example/identity",
    "public_url": "https://cloud.example/metrics/",
}


def test_the_path_of_the_public_url_is_the_prefix():
    assert Settings(**URLS).path_prefix == "/metrics"
    assert Settings(**{**URLS, "public_url": "https://cloud.example:8042"}).path_prefix == ""


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("keystone_url", "cloud.example", "--keystone-url: 'cloud.example' is not a URL such as"),
        ("keystone_url", "https://cloud.example:0/", "is not a URL"),
        ("keystone_url", "https://cloud.example:70000/", "Port out of range"),
        ("keystone_url", "https://cloud.example\nadmin_token = x", "only scheme, host, port and path"),
        ("public_url", "http://cloud.example/metrics", "use https, since clients send tokens to it"),
        ("public_url", "https://cloud.example/a b", "only scheme, host, port and path"),
        ("public_url", "https://cloud.example/%2e", "host and path may have letters"),
        (
            "prometheus_url",
            "http://u:secret@store:9090",
            "must not contain credentials; use the configuration",
        ),
        ("prometheus_url", "http://store:9090/?tenant=1", "only scheme, host, port and path"),
        ("engine", "influx", "--engine 'influx' is not one of"),
        ("proxy", "apache", "--proxy 'apache' is not one of haproxy, nginx, none"),
        ("project_label", "project-id", "is not the name of a label"),
        ("region", "North\nSouth", "--region 'North\\\\nSouth' is not a name"),
        ("service_user", "-x", "--service-user '-x' is not a name"),
        ("system_user", "a b", "--system-user 'a b' is not a name"),
        ("proxy_group", "a b", "--proxy-group 'a b' is not a name"),
        ("certificate", "cert.pem", "--certificate 'cert.pem' is not an absolute path"),
        ("keystone_ca", "/a b", "--keystone-ca '/a b' is not an absolute path"),
        ("program", "chrysaetos", "--program 'chrysaetos' is not an absolute path"),
        ("listen", "/run/a b", "--listen '/run/a b' is not an absolute path"),
        ("listen", "8042", "--listen '8042' is not an address"),
        ("gateways", ("other",), "--gateway 'other' is not an address"),
        ("trusted_proxies", ("lb",), "--trusted-proxy: .*lb"),
        ("metrics", "127.0.0.1:0", "--metrics '127.0.0.1:0' is not an address"),
        ("metrics", "127.0.0.1:\u0663\u0663", "--metrics '127.0.0.1:\u0663\u0663' is not an address"),
        ("metrics", "127.0.0.1:65535", None),
        ("workers", 0, "--workers 0: use at least 1"),
    ],
)
def test_an_invalid_setting_is_named(name, value, error):
    if error is None:
        Settings(**{**URLS, name: value})
        # Each worker has a port.
        error = "is not an address such as 127.0.0.1:8042 with a port of at most 65534"
        values = {**URLS, name: value, "workers": 2}
    else:
        values = {**URLS, name: value}
    with pytest.raises(ConfigError, match=error.replace("'", ".")) as caught:
        Settings(**values)
    assert "secret" not in str(caught.value)
