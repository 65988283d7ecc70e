"""``chrysaetos gateway``: configuration → parts → server."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from oslo_config import cfg
from oslo_log import log

from chrysaetos import __version__
from chrysaetos.errors import ConfigError
from chrysaetos.gateway.build import build
from chrysaetos.gateway.options import command_parser as parser
from chrysaetos.gateway.options import describe_error, load_conf
from chrysaetos.gateway.trusted_proxies import load_trusted_proxies
from chrysaetos.gateway.unknown_options import warn_of_unknown_options
from chrysaetos.http.server.limits import FramingLimits, ServerLimits
from chrysaetos.http.server.runner import Process
from chrysaetos.http.server.sockets import describe, inherited, listen_tcp, listen_unix
from chrysaetos.http.server.systemd import Notifier
from chrysaetos.http.server.workers import Workers
from chrysaetos.identity.settings import load_settings
from chrysaetos.promql.selftest import InterpreterError, check_interpreter
from chrysaetos.queued_log import drop_while_blocked, queue_handlers
from chrysaetos.regular_file import check_fifo

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from chrysaetos.gateway.service import Service

__all__ = ["parser", "run"]

_LOG = logging.getLogger(__name__)

_LINE_OVERHEAD = 64
"""Bytes for the rest of a request line, so that the gateway itself rejects a URL slightly over the limit."""
_KILL_SECONDS = 10.0
"""Time for a worker to exit, in addition to the time for requests in progress."""


def run(arguments: Sequence[str]) -> int:
    """Serve until a signal stops the process.

    Args:
        arguments: the arguments of ``chrysaetos gateway``.

    Returns:
        The process' exit status.
    """
    try:
        check_interpreter()
        conf = load_conf(arguments)
        _set_up_log(conf)
        if conf.gateway.workers == 1:
            queue_handlers()
        else:
            drop_while_blocked()
        # Built even if workers build their own, so that a configuration error is reported once, in one line.
        service = build(conf)
        warn_of_unknown_options(conf)
        sockets, created = _listen(conf)
    except (ConfigError, InterpreterError) as error:
        print(f"chrysaetos gateway: {error}", file=sys.stderr)  # noqa: T201  # the log may be what failed
        return 2
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the handler that reloads is installed
    _LOG.info("%s", _describe(conf, sockets))
    notifier = Notifier()

    def stopping() -> None:
        if created is not None:
            # While this process still listens: after that, the path may be another one's.
            created.unlink(missing_ok=True)
        notifier.stopping()

    if conf.gateway.workers == 1:
        return _serve(
            conf,
            service,
            sockets,
            reload=notifier.around(lambda: _reload(conf, service)),
            ready=notifier.ready,
            stopping=stopping,
        )
    return _serve_with_workers(conf, sockets, notifier, stopping)


def _set_up_log(conf: cfg.ConfigOpts) -> None:
    """Set up the log of the process.

    Raises:
        ConfigError: the log's file cannot be opened for writing, or is a FIFO that nothing reads.
    """
    try:
        if conf.log_file:
            check_fifo(Path(conf.log_dir or "", conf.log_file))
        log.setup(conf, "chrysaetos")
    except OSError as error:
        raise ConfigError(f"[DEFAULT] log_file: {error}") from error


def _listen(conf: cfg.ConfigOpts) -> tuple[list[socket.socket], Path | None]:
    """Return the listening sockets, and the path of a Unix socket that was created.

    Sockets from systemd take precedence over the configuration.
    """
    sockets = inherited()
    if sockets:
        return sockets, None
    if conf.gateway.unix_socket:
        return listen_unix(conf.gateway.unix_socket), Path(conf.gateway.unix_socket)
    return listen_tcp(conf.gateway.host, conf.gateway.port), None


def _describe(conf: cfg.ConfigOpts, sockets: list[socket.socket]) -> str:
    """Return the first line of the log: version, addresses, Keystone, upstream and policy; no secrets."""
    gateway, prometheus = conf.gateway, conf.prometheus
    upstreams = ", ".join((f"{prometheus.host}:{prometheus.port}", *prometheus.replicas))
    keystone = "none (auth_mode = noauth)"
    if conf.auth_mode == "keystone":
        url = urlsplit(load_settings(conf).auth_url)
        keystone = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
    policy = conf.oslo_policy.policy_file
    parts = {
        "listening on": " and ".join(map(describe, sockets)),
        "workers": gateway.workers,
        "path prefix": gateway.path_prefix or "none",
        "Keystone": keystone,
        "upstream": f"{upstreams} ({prometheus.engine}, path prefix {prometheus.path_prefix or 'none'})",
        "policy file": conf.find_file(policy) or f"{policy} does not exist: the defaults are in force",
        "metrics": f"{gateway.metrics_host} port {gateway.metrics_port}" if gateway.metrics_port else "none",
    }
    return f"chrysaetos {__version__}: " + "; ".join(f"{name} {value}" for name, value in parts.items())


def _serve_with_workers(
    conf: cfg.ConfigOpts, sockets: list[socket.socket], notifier: Notifier, on_stop: Callable[[], None]
) -> int:
    def work(ready: Callable[[], None], lifeline: int) -> int:
        # A worker that replaces another one has the options of its siblings, not those of changed files.
        try:
            _set_up_log(conf)
            queue_handlers()
            service = build(conf)
        except ConfigError as error:
            _LOG.error("a worker cannot start: %s", error)
            return 2
        return _serve(
            conf,
            service,
            sockets,
            reload=lambda: _reload(conf, service),
            ready=ready,
            lifeline=lifeline,
        )

    def reloading() -> None:
        notifier.reloading()
        _mutate(conf)
        drop_while_blocked()

    def stopping() -> None:
        on_stop()
        # This process does not accept connections: with its copies open, new clients would wait in vain.
        for sock in sockets:
            sock.close()

    return Workers(
        conf.gateway.workers,
        work,
        grace=conf.gateway.drain_seconds + _KILL_SECONDS,
        ready=notifier.ready,
        reloading=reloading,
        stopping=stopping,
    ).run()


def _serve(conf: cfg.ConfigOpts, service: Service, sockets: list[socket.socket], **process: Any) -> int:
    return Process(
        app=service.application,
        sockets=sockets,
        limits=_limits(conf),
        drain_seconds=conf.gateway.drain_seconds,
        watch=service.telemetry.watch,
        on_refused=service.on_refused,
        proxies=load_trusted_proxies(conf),
        reserved_files=conf.prometheus.max_connections * (1 + len(conf.prometheus.replicas)),
        **process,
    ).run()


def _limits(conf: cfg.ConfigOpts) -> ServerLimits:
    options = conf.gateway
    return ServerLimits(
        framing=FramingLimits(
            line=options.max_url_bytes + _LINE_OVERHEAD,
            fields=options.max_header_bytes,
            body=options.max_body_bytes,
        ),
        connections=options.max_clients,
        unfinished_bytes=options.max_unfinished_bytes,
        head_seconds=options.header_timeout,
        body_seconds=options.body_timeout,
        idle_seconds=options.keep_alive_timeout,
        write_seconds=options.write_timeout,
        write_rate=options.min_write_rate,
    )


def _reload(conf: cfg.ConfigOpts, service: Service) -> None:
    """Reload the log level, and what the service reloads."""
    _mutate(conf)
    queue_handlers()  # a changed log_config_append has replaced the handlers
    service.reload()


def _mutate(conf: cfg.ConfigOpts) -> None:
    try:
        conf.mutate_config_files()
    except (cfg.Error, OSError, ValueError) as error:
        reason = describe_error(error)
        _LOG.error("the changed configuration is invalid, the previous one stays in force: %s", reason)
