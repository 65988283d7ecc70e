"""``chrysaetos federate``: run the gate of a site without a gateway, and manage its tokens."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.arguments import PORT, number
from chrysaetos.errors import ConfigError
from chrysaetos.federation import token_command
from chrysaetos.federation.alone import MAX_URL_BYTES, Settings, build, upstream_options
from chrysaetos.federation.token_command import DEFAULT_FILE
from chrysaetos.gateway.federate.handler import GateLimits
from chrysaetos.gateway.federate.limits import LIMITS
from chrysaetos.http.server.limits import FramingLimits, ServerLimits
from chrysaetos.http.server.runner import Process
from chrysaetos.http.server.sockets import describe, inherited, listen_tcp, load_certificate, tls_context
from chrysaetos.http.server.systemd import Notifier
from chrysaetos.promql.selftest import InterpreterError, check_interpreter
from chrysaetos.queued_log import queue_handlers
from chrysaetos.regular_file import regular_file

if TYPE_CHECKING:
    import argparse
    import ssl

__all__ = ["add_arguments", "run"]

_LOG = logging.getLogger(__name__)

_SERVER_LIMITS = ServerLimits(
    # Read URLs that are slightly too long, and bodies, so that the response can explain the error.
    framing=FramingLimits(line=MAX_URL_BYTES + 64, fields=16 * 1024, body=4 * 1024),
    connections=200,
    unfinished_bytes=4 * 1024 * 1024,
)
_DRAIN_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    actions = parser.add_subparsers(dest="action", metavar="[token]")
    token_command.add_arguments(
        actions.add_parser("token", help="generate, list, revoke and rotate the tokens of portals")
    )
    parser.add_argument(
        "--tokens",
        type=Path,
        default=DEFAULT_FILE,
        metavar="FILE",
        help="the token file, which is reloaded when it changes (default: %(default)s)",
    )
    parser.add_argument(
        "--upstream",
        default="http://127.0.0.1:9090",
        metavar="URL",
        help="URL of the site's Prometheus, with its path prefix if it has one (default: %(default)s)",
    )
    parser.add_argument(
        "--upstream-ca", type=Path, metavar="FILE", help="CA certificates for Prometheus' certificate"
    )
    parser.add_argument("--upstream-user", metavar="NAME", help="user for Basic authentication to Prometheus")
    parser.add_argument(
        "--upstream-password-file", type=Path, metavar="FILE", help="file with the password of that user"
    )
    parser.add_argument(
        "--bind", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=PORT, default=9091, metavar="PORT", help="port to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="certificate with its chain; enables HTTPS"
    )
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="key of the certificate")
    _add_limits(parser)
    parser.add_argument("--audit-file", metavar="FILE", help="file for the audit log (default: the log)")
    parser.add_argument(
        "--audit-format",
        choices=("text", "json"),
        default="text",
        help="format of the audit log (default: text)",
    )
    parser.add_argument(
        "--metrics-port",
        type=PORT,
        default=0,
        metavar="PORT",
        help="port for the gate's own /metrics and /-/healthy (default: none)",
    )
    parser.add_argument(
        "--metrics-bind",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address for --metrics-port (default: %(default)s)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    notes = {"timeout": "; the whole request may take twice as long"}
    for limit in LIMITS:
        if limit.argument is None:
            continue
        default = getattr(GateLimits(), limit.field)
        note = notes.get(limit.field, "") if limit.minimum else "; 0 for no limit"
        parser.add_argument(
            limit.argument,
            dest=limit.field,
            type=number(type(default), limit.minimum),
            default=default,
            metavar=limit.metavar,
            help=f"{limit.text}{note} (default: {str(default).removesuffix('.0')})",
        )


def run(options: argparse.Namespace) -> int:
    """Serve the gate, or manage tokens.

    Returns:
        The exit status: 0, 1 for an error, 2 for an invalid setting.
    """
    if options.action == "token":
        return token_command.run(options)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        check_interpreter()
        return _serve(options)
    except (ConfigError, InterpreterError) as error:
        print(f"chrysaetos federate: {error}", file=sys.stderr)
        return 2


def _serve(options: argparse.Namespace) -> int:
    if bool(options.tls_cert) != bool(options.tls_key):
        raise ConfigError("--tls-cert and --tls-key: give both or neither")
    tls = tls_context(options.tls_cert, options.tls_key) if options.tls_cert else None
    service = build(_settings(options))
    sockets = inherited() or listen_tcp(options.bind, options.port, ("--bind", "--port"))
    queue_handlers()
    for sock in sockets:
        _LOG.info("listening on %s%s", describe(sock), "" if tls is None else " (TLS)")
    if tls is None and options.bind not in ("127.0.0.1", "::1", "localhost"):
        _LOG.warning("without --tls-cert, tokens and responses are sent unencrypted")
    notifier = Notifier()

    def reload() -> None:
        service.reload()
        if tls is not None:
            _reload_certificate(tls, options)

    return Process(
        app=service.application,
        sockets=sockets,
        limits=_SERVER_LIMITS,
        drain_seconds=_DRAIN_SECONDS,
        reload=notifier.around(reload),
        ready=notifier.ready,
        stopping=notifier.stopping,
        watch=service.telemetry.watch,
        on_refused=service.on_refused,
        tls=tls,
    ).run()


def _settings(options: argparse.Namespace) -> Settings:
    password = None
    if options.upstream_password_file:
        try:
            with open(options.upstream_password_file, encoding="utf-8", opener=regular_file) as file:
                password = file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--upstream-password-file: {error}") from error
    return Settings(
        tokens=options.tokens,
        upstream=upstream_options(
            options.upstream, ca=options.upstream_ca, user=options.upstream_user, password=password
        ),
        limits=GateLimits(
            total_seconds=2 * options.timeout,
            **{limit.field: getattr(options, limit.field) for limit in LIMITS if limit.argument},
        ),
        audit_file=options.audit_file,
        audit_json=options.audit_format == "json",
        metrics=(options.metrics_bind, options.metrics_port) if options.metrics_port else None,
    )


def _reload_certificate(tls: ssl.SSLContext, options: argparse.Namespace) -> None:
    """Reload the certificate. Keep the current certificate if the files are invalid."""
    try:
        load_certificate(tls, options.tls_cert, options.tls_key)
    except ConfigError as error:
        _LOG.error("%s; the previous certificate stays in force", error)
