"""The configuration of the web page, the section ``[web]``."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from oslo_config import cfg

from chrysaetos.errors import ConfigError
from chrysaetos.exporters import EXPORTERS, read_exporters
from chrysaetos.gateway.web.handler import WebPage
from chrysaetos.web.files import Files
from chrysaetos.web.keystone import Keystone
from chrysaetos.web.sessions import Sealer, new_key, read_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.exporters import Exporter
    from chrysaetos.identity.authenticator import KeystoneAuthenticator

__all__ = ["WEB_OPTIONS", "load_web"]

_URL = re.compile(r"https?://[^\s?#\"\\/]+(?:/[^\s?#\"\\]*[^\s?#\"\\/])?")
_PROTOCOL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_START_KEY = new_key()
"""The key of sessions if there is no file. Workers are forked from the process that made it."""

WEB_OPTIONS = [
    cfg.BoolOpt(
        "enabled",
        default=False,
        help="Serve a web page for tenants at /ui. They log in with their Keystone credentials. It requires "
        "HTTPS, except at loopback addresses.",
    ),
    cfg.StrOpt(
        "session_key_file",
        help="File with the keys of sessions, one in each line, as openssl rand -base64 32 prints them. The "
        "first seals sessions, all open them. It is read again on SIGHUP. Gateways behind a load balancer "
        "need the same keys. Unset: a key is made at start, and sessions end when the gateway is restarted.",
    ),
    cfg.DictOpt(
        "websso",
        default={},
        help="Log-ins through Keystone's identity providers: the id of a federation protocol and the text of "
        "the button, such as openid:Company account. Requires public_url.",
    ),
    cfg.StrOpt(
        "public_url",
        help="URL of the gateway for browsers, with the path prefix, such as "
        "https://metrics.example.com/metric-storage. Keystone's [federation] trusted_dashboard must contain "
        "this URL followed by /ui/websso.",
    ),
    cfg.StrOpt(
        "exporters_file",
        help="TOML file with the metrics of servers for other exporters, in the format of chrysaetos top "
        "--exporters. It is read again on SIGHUP. Unset: the page knows Ceilometer, sg-core, "
        "prometheus-libvirt-exporter and openstack-exporter.",
    ),
]


def load_web(conf: cfg.ConfigOpts, keystone: KeystoneAuthenticator | None) -> WebPage | None:
    """Return the web page, None if it is not enabled.

    Args:
        conf: the configuration.
        keystone: the authenticator; None if the gateway serves without Keystone.

    Raises:
        ConfigError: a value is invalid.
    """
    section = conf.web
    if not section.enabled:
        return None
    if keystone is None:
        raise ConfigError("[web] enabled: the page needs Keystone, so auth_mode cannot be noauth")
    if section.public_url and not _URL.fullmatch(section.public_url):
        raise ConfigError(
            f"[web] public_url: {section.public_url!r} should be a URL such as https://metrics.example.com, "
            "without a slash at the end"
        )
    if section.websso and not section.public_url:
        raise ConfigError("[web] websso: set public_url as well, to which the browser returns")
    for protocol in section.websso:
        if not _PROTOCOL.fullmatch(protocol):
            raise ConfigError(f"[web] websso: {protocol!r} is not the id of a federation protocol")
    path = section.session_key_file
    try:
        files = Files()
    except FileNotFoundError as error:
        raise ConfigError(f"[web] enabled: {error} is missing; install the gateway again") from error
    return WebPage(
        files,
        Sealer(read_keys(Path(path)) if path else (_START_KEY,)),
        Keystone(keystone),
        key_file=Path(path) if path else None,
        websso=section.websso,
        public_url=section.public_url or "",
        exporters=partial(_exporters, section.exporters_file),
    )


def _exporters(path: str | None) -> Mapping[str, Exporter]:
    if not path:
        return EXPORTERS
    try:
        return read_exporters(Path(path))
    except ConfigError as error:
        raise ConfigError(f"[web] exporters_file: {error}") from error
