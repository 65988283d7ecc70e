"""``chrysaetos gateway``: configuration → parts → server."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from typing import TYPE_CHECKING

import uvicorn
from oslo_log import log

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.errors import ConfigError
from chrysaetos.gateway.app import Application, create_app
from chrysaetos.gateway.options import load_conf, load_options
from chrysaetos.gateway.replicas import Replicas
from chrysaetos.gateway.upstream import Upstream
from chrysaetos.identity.authenticator import create_authenticator
from chrysaetos.identity.noauth import NoAuthenticator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oslo_config import cfg

    from chrysaetos.gateway.app import FullIdentity

__all__ = ["build", "run"]

_log = logging.getLogger(__name__)

_ARGUMENTS = "CHRYSAETOS_GATEWAY_ARGUMENTS"
"""How the arguments reach a worker, which is a process of its own."""


def run(arguments: Sequence[str]) -> int:
    """Serve until a signal ends it.

    Args:
        arguments: those of ``chrysaetos gateway``.

    Returns:
        The process' exit status.
    """
    try:
        conf = load_conf(arguments)
        log.setup(conf, "chrysaetos")
        # Built once here, so that a mistake ends the start with one line and not a worker again and again.
        application = build(conf)
    except ConfigError as error:
        print(f"chrysaetos gateway: {error}", file=sys.stderr)  # noqa: T201  # the log may be what failed
        return 2
    options = conf.gateway
    _log.info("listening on %s port %d", options.host, options.port)
    os.environ[_ARGUMENTS] = shlex.join(arguments)
    uvicorn.run(
        application if options.workers == 1 else "chrysaetos.gateway.main:worker",
        factory=options.workers > 1,
        host=options.host,
        port=options.port,
        workers=options.workers,
        http="httptools",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    return 0


def worker() -> Application:
    """The application of one worker."""
    conf = load_conf(shlex.split(os.environ[_ARGUMENTS]))
    log.setup(conf, "chrysaetos")
    return build(conf)


def build(conf: cfg.ConfigOpts) -> Application:
    """The application that a configuration describes.

    Raises:
        ConfigError: a value cannot be used.
    """
    application, upstreams = load_options(conf)
    pools = [Upstream(options) for options in upstreams]
    return create_app(
        application,
        identity=_identity(conf),
        access=PolicyAccess(conf, conf.prometheus.project_label_name),
        upstream=pools[0] if len(pools) == 1 else Replicas(pools),
    )


def _identity(conf: cfg.ConfigOpts) -> FullIdentity:
    if conf.auth_mode == "noauth":
        return NoAuthenticator()
    return create_authenticator(conf, cache_seconds=conf.gateway.token_cache_seconds)
