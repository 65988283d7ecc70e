"""The options of the proxies in front of the gateway, which may name their clients."""

from __future__ import annotations

from oslo_config import cfg

from chrysaetos.errors import ConfigError
from chrysaetos.http.server.client_address import TrustedProxies

__all__ = ["TRUSTED_PROXIES_OPTIONS", "load_trusted_proxies"]

TRUSTED_PROXIES_OPTIONS = [
    cfg.ListOpt(
        "trusted_proxies",
        default=[],
        help="Addresses and networks of the proxies in front of the gateway, such as 192.0.2.10 and "
        "2001:db8::/64, and unix for the peers of a Unix socket. Only these may name the address of their "
        "client, which is then used in the audit log and for the limits on failed logins.",
    ),
    cfg.StrOpt(
        "forwarded_header",
        default="x-forwarded-for",
        choices=[
            ("x-forwarded-for", "X-Forwarded-For"),
            ("forwarded", "Forwarded (RFC 7239)"),
        ],
        help="The header in which trusted proxies name their client. Each of them must set it or append to "
        "it. The client is the last address in it that is not a trusted proxy.",
    ),
    cfg.BoolOpt(
        "proxy_protocol",
        default=False,
        help="Whether each connection of a trusted proxy begins with a header of the PROXY protocol (version "
        "1 or 2, up to 4096 bytes), which names the client. A connection without it is rejected. "
        "forwarded_header is then used only if that client is itself a trusted proxy.",
    ),
]


def load_trusted_proxies(conf: cfg.ConfigOpts) -> TrustedProxies | None:
    """Return the proxies that may name their clients, None for none.

    Raises:
        ConfigError: an entry is invalid, or the PROXY protocol is enabled without any.
    """
    section = conf.gateway
    if not section.trusted_proxies:
        if section.proxy_protocol:
            raise ConfigError("[gateway] proxy_protocol requires trusted_proxies")
        return None
    try:
        return TrustedProxies.parse(
            section.trusted_proxies,
            forwarded=section.forwarded_header == "forwarded",
            proxy_protocol=section.proxy_protocol,
        )
    except ValueError as error:
        raise ConfigError(f"[gateway] trusted_proxies: {error}") from error
