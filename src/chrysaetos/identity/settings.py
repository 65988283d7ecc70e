"""The section ``[keystone_authtoken]``, as every OpenStack service has it."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keystoneauth1 import exceptions, loading
from keystonemiddleware import auth_token
from oslo_config import cfg

from chrysaetos.errors import ConfigError

if TYPE_CHECKING:
    from oslo_config.cfg import ConfigOpts

__all__ = ["GROUP", "KeystoneSettings", "load_settings"]

GROUP = "keystone_authtoken"

_DEFAULTS = {
    "service_type": "metric-storage",
    "service_token_roles_required": True,
    # Without these a Keystone that accepts connections but does not answer would hold a thread for ever,
    # and one that is down would hold it through three retries.
    "http_connect_timeout": 10,
    "http_request_max_retries": 1,
}
"""What the gateway takes where the operator says nothing."""

# It stands in a quoted string of WWW-Authenticate.
_URL = re.compile(r'https?://[^\x00-\x20"\\\x7f-\U0010ffff]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneSettings:
    """Where Keystone is, and how it is spoken to.

    Attributes:
        auth_url: where credentials are exchanged for tokens.
        www_authenticate_uri: where clients are told to get a token.
        verify: whether the server's certificate is checked, or the file with the authorities for it.
        cert: the client's certificate and key, if Keystone asks for one.
        timeout: seconds to wait for Keystone.
        shared_cache: whether memcached is configured.
    """

    auth_url: str
    www_authenticate_uri: str
    verify: bool | str
    cert: tuple[str, str] | None
    timeout: float
    shared_cache: bool


def load_settings(conf: ConfigOpts) -> KeystoneSettings:
    """Registers the options of the section, sets the gateway's defaults and checks what is there.

    Args:
        conf: the service's configuration; its section gets keystonemiddleware's own options.

    Raises:
        ConfigError: a setting is missing or cannot be used.
    """
    try:
        return _load(conf)
    except (cfg.Error, exceptions.ClientException, ValueError) as error:
        raise ConfigError(f"[{GROUP}]: {error}") from error


def _load(conf: ConfigOpts) -> KeystoneSettings:
    for group, options in auth_token.list_opts():
        conf.register_opts(options, group=group)
    for name, value in _DEFAULTS.items():
        conf.set_default(name, value, group=GROUP)
    auth_url = _plugin_auth_url(conf)
    section = conf[GROUP]
    public = section.www_authenticate_uri or auth_url
    if not public:
        raise ConfigError(f"[{GROUP}] www_authenticate_uri: set it to the public URL of Keystone")
    # The middleware would otherwise look the URL up in the catalog when it refuses a token.
    conf.set_default("www_authenticate_uri", public, group=GROUP)
    for name, url in (("www_authenticate_uri", public), ("auth_url", auth_url or public)):
        if not _URL.fullmatch(url):
            raise ConfigError(f"[{GROUP}] {name}: not a URL that starts with http:// or https://")
    for name in ("cafile", "certfile", "keyfile"):
        if section[name] and not Path(section[name]).is_file():
            raise ConfigError(f"[{GROUP}] {name}: there is no file {section[name]}")
    _check_memcached(conf)
    both = section.certfile and section.keyfile
    return KeystoneSettings(
        auth_url=auth_url or public,
        www_authenticate_uri=public,
        verify=False if section.insecure else section.cafile or True,
        cert=(section.certfile, section.keyfile) if both else None,
        timeout=float(section.http_connect_timeout),
        shared_cache=bool(section.memcached_servers),
    )


def _plugin_auth_url(conf: ConfigOpts) -> str | None:
    """The ``auth_url`` of the service's own auth plugin, which may stand in a section of its own."""
    loading.register_auth_conf_options(conf, GROUP)
    group = conf[GROUP].auth_section or GROUP
    if not conf[group].auth_type:
        raise ConfigError(f"[{group}] auth_type: set it, for example to password; see the documentation")
    options = loading.get_auth_plugin_conf_options(conf[group].auth_type)
    conf.register_opts(options, group=group)
    if not any(option.dest == "auth_url" for option in options):
        return None
    url: str | None = conf[group].auth_url
    return url


def _check_memcached(conf: ConfigOpts) -> None:
    """Finds a missing driver at the start; the middleware would find it at the first request."""
    section = conf[GROUP]
    if not section.memcached_servers:
        return
    binary = section.memcache_sasl_enabled or section.memcache_tls_enabled
    module, package = (
        ("bmemcached", "python-binary-memcached") if binary else ("memcache", "python-memcached")
    )
    if importlib.util.find_spec(module) is None:
        raise ConfigError(f"[{GROUP}] memcached_servers: needs the package {package}, which is not installed")
