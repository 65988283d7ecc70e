"""The section ``[keystone_authtoken]``, as in every OpenStack service."""

from __future__ import annotations

import importlib
import os
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import partialmethod
from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions, loading
from keystoneauth1.session import Session
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
    # Without these a Keystone that accepts connections but does not respond would block a thread for ever,
    # and a Keystone that is down would block it for three retries.
    "http_connect_timeout": 10,
    "http_request_max_retries": 1,
}
"""The gateway's defaults."""

# It becomes a quoted string in WWW-Authenticate.
_URL = re.compile(r'https?://[^\x00-\x20"\\\x7f-\U0010ffff]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneSettings:
    """How to connect to Keystone.

    Attributes:
        auth_url: URL for exchanging credentials for tokens.
        www_authenticate_uri: URL at which clients should get a token.
        verify: whether to verify the server's certificate, or the file with its authorities.
        cert: the client's certificate and key, if Keystone requires one.
        timeout: seconds to wait for Keystone.
        shared_cache: whether memcached is configured.
    """

    auth_url: str
    www_authenticate_uri: str
    verify: bool | str
    cert: tuple[str, str] | None
    timeout: float
    shared_cache: bool

    def session(self) -> Session:
        """Return a new session without credentials."""
        return Session(verify=self.verify, cert=self.cert, timeout=self.timeout, user_agent="chrysaetos")


def load_settings(conf: ConfigOpts) -> KeystoneSettings:
    """Register the options of the section, set the gateway's defaults and validate the values.

    Args:
        conf: the service's configuration. Its section gets keystonemiddleware's options.

    Raises:
        ConfigError: a setting is missing or invalid.
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
    # Otherwise the middleware would look up the URL in the catalog when it rejects a token.
    conf.set_default("www_authenticate_uri", public, group=GROUP)
    for name, url in (("www_authenticate_uri", public), ("auth_url", auth_url or public)):
        if not _URL.fullmatch(url):
            raise ConfigError(f"[{GROUP}] {name}: not a URL that starts with http:// or https://")
    files = ("cafile", "certfile", "keyfile")
    for name in (*files, *(f"memcache_tls_{each}" for each in files)):
        # Unlike Path.is_file, this is no error for a directory that the user may not enter.
        if section[name] and not os.path.isfile(section[name]):  # noqa: PTH113  # see above
            raise ConfigError(f"[{GROUP}] {name}: there is no file {section[name]}")
    _prepare_memcached(conf)
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
    """Return the ``auth_url`` of the service's auth plugin, which may have its own section."""
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


class _NoUnpickler:
    """Takes the place of ``pickle.Unpickler``. It loads nothing, so the entry is treated as missing."""

    def __init__(self, file: object) -> None:
        pass

    def load(self) -> None:
        """Return None."""


def _load_no_pickles(client: Any) -> None:
    """Make the class of memcached's clients load no pickles.

    To load a pickle runs the code in it, before the middleware verifies anything: whoever can write to
    memcached could run code in the gateway. The middleware stores JSON, and passes its clients no unpickler.
    """
    if not isinstance(vars(client).get("__init__"), partialmethod):
        client.__init__ = partialmethod(client.__init__, unpickler=_NoUnpickler)


def _prepare_memcached(conf: ConfigOpts) -> None:
    """Prepare the drivers. A missing one fails the start; the middleware would fail at the first request."""
    section = conf[GROUP]
    if not section.memcached_servers:
        return
    if section.memcache_tls_enabled and not section.memcache_use_advanced_pool:
        raise ConfigError(
            f"[{GROUP}] memcache_tls_enabled: set memcache_use_advanced_pool = true, because the "
            "middleware's other pool connects without TLS"
        )
    binary = section.memcache_sasl_enabled or section.memcache_tls_enabled
    module, package = (
        ("bmemcached", "python-binary-memcached") if binary else ("memcache", "python-memcached")
    )
    try:
        driver = importlib.import_module(module)
    except ImportError:
        raise ConfigError(
            f"[{GROUP}] memcached_servers: needs the package {package}, which is not installed"
        ) from None
    _load_no_pickles(driver.Client)
    if section.memcache_use_advanced_pool:
        # The middleware would import it in a thread of its pool. It imports eventlet where that is installed,
        # after which the importing thread can never be joined, so the gateway would not stop.
        # (It needs python-memcached, which the binary protocol does not.)
        with warnings.catch_warnings(), suppress(ImportError):
            warnings.simplefilter("ignore")
            importlib.import_module("oslo_cache._memcache_pool")
