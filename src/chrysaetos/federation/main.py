"""``chrysaetos federate``: the gate of a site alone, in front of its Prometheus; and its tokens."""

from __future__ import annotations

import argparse
import logging
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.federation import token_command
from chrysaetos.federation.alone import MAX_URL_BYTES, Settings, build, upstream_options
from chrysaetos.federation.token_command import DEFAULT_FILE
from chrysaetos.gateway.federate.handler import GateLimits
from chrysaetos.http.server.limits import FramingLimits, ServerLimits
from chrysaetos.http.server.runner import StartFailed, serve
from chrysaetos.http.server.sockets import describe, inherited, listen_tcp, load_certificate, tls_context
from chrysaetos.http.server.systemd import Notifier
from chrysaetos.promql.selftest import InterpreterError, check_interpreter

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

__all__ = ["add_arguments", "run"]

_log = logging.getLogger(__name__)

_LIMITS = GateLimits()
_SERVER = ServerLimits(
    # A URL that is a little too long, and a body that should not be there, get an answer that says so.
    framing=FramingLimits(line=MAX_URL_BYTES + 64, fields=16 * 1024, body=4 * 1024),
    connections=200,
    unfinished_bytes=4 * 1024 * 1024,
)
_DRAIN_SECONDS = 10.0


def _whole(first: int, last: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not first <= int(text) <= last:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {first} to {last}")
        return int(text)

    return read


_PORT = _whole(0, 65535)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="[token]")
    token_command.add_arguments(
        actions.add_parser("token", help="make, list, revoke and rotate the tokens of portals")
    )
    parser.add_argument(
        "--tokens",
        type=Path,
        default=DEFAULT_FILE,
        metavar="FILE",
        help="the file with the tokens' hashes; it is read again when it changes (default: %(default)s)",
    )
    parser.add_argument(
        "--upstream",
        default="http://127.0.0.1:9090",
        metavar="URL",
        help="the site's Prometheus, with its path prefix if it has one (default: %(default)s)",
    )
    parser.add_argument("--upstream-ca", type=Path, metavar="FILE", help="authorities of its certificate")
    parser.add_argument("--upstream-user", metavar="NAME", help="user for Basic authentication there")
    parser.add_argument(
        "--upstream-password-file", type=Path, metavar="FILE", help="file with that user's password"
    )
    parser.add_argument(
        "--bind", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=_PORT, default=9091, metavar="PORT", help="port to listen on (default: %(default)s)"
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate, with its chain: HTTPS")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key")
    _add_limits(parser)
    parser.add_argument("--audit-file", metavar="FILE", help="file for the audit (default: with the log)")
    parser.add_argument(
        "--audit-format", choices=("text", "json"), default="text", help="how it is written (default: text)"
    )
    parser.add_argument(
        "--metrics-port",
        type=_PORT,
        default=0,
        metavar="PORT",
        help="port for the gate's own /metrics and /-/healthy (default: none)",
    )
    parser.add_argument(
        "--metrics-bind",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address for them (default: %(default)s)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=_LIMITS.timeout,
        metavar="SECONDS",
        help="to wait for Prometheus; a whole request may take twice that (default: %(default)g)",
    )
    parser.add_argument(
        "--max-response-bytes",
        type=_whole(0, 2**62),
        default=_LIMITS.response_bytes,
        metavar="BYTES",
        help="longest answer, as it is sent; 0: any (default: %(default)d)",
    )
    parser.add_argument(
        "--max-requests",
        type=_whole(1, 10_000),
        default=_LIMITS.requests,
        metavar="N",
        help="requests of one portal under way at once (default: %(default)d)",
    )
    parser.add_argument(
        "--requests-per-second",
        type=_number,
        default=_LIMITS.requests_per_second,
        metavar="N",
        help="of one portal; 0: any number (default: %(default)g)",
    )
    parser.add_argument(
        "--failures-per-second",
        type=_number,
        default=_LIMITS.failures_per_second,
        metavar="N",
        help="unknown tokens from one address, before it is told to wait; 0: any number "
        "(default: %(default)g)",
    )


def run(options: argparse.Namespace) -> int:
    """Do what was asked for: serve, or change tokens.

    Returns:
        The exit status: 0, 1 when it failed, 2 for a setting that cannot be used.
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
    for sock in sockets:
        _log.info("listening on %s%s", describe(sock), "" if tls is None else " (TLS)")
    if tls is None and options.bind not in ("127.0.0.1", "::1", "localhost"):
        _log.warning("without --tls-cert, tokens and answers can be read on their way")
    notifier = Notifier()

    def reload() -> None:
        notifier.reloading()
        service.tokens.reload()
        if tls is not None:
            _renew(tls, options)
        notifier.ready()

    try:
        serve(
            service.application,
            sockets,
            limits=_SERVER,
            drain_seconds=_DRAIN_SECONDS,
            reload=reload,
            ready=notifier.ready,
            stopping=notifier.stopping,
            watch=service.watch,
            on_refused=service.on_refused,
            tls=tls,
        )
    except StartFailed as error:
        _log.error("%s", error)
        return 1
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    password = None
    if options.upstream_password_file:
        try:
            password = options.upstream_password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--upstream-password-file: {error}") from error
    return Settings(
        tokens=options.tokens,
        upstream=upstream_options(
            options.upstream, ca=options.upstream_ca, user=options.upstream_user, password=password
        ),
        limits=GateLimits(
            timeout=options.timeout,
            total_seconds=2 * options.timeout,
            response_bytes=options.max_response_bytes,
            requests=options.max_requests,
            requests_per_second=options.requests_per_second,
            failures_per_second=options.failures_per_second,
        ),
        audit_file=options.audit_file,
        audit_json=options.audit_format == "json",
        metrics=(options.metrics_bind, options.metrics_port) if options.metrics_port else None,
    )


def _renew(tls: ssl.SSLContext, options: argparse.Namespace) -> None:
    """Take the certificate that is there now."""
    try:
        load_certificate(tls, options.tls_cert, options.tls_key)
    except ConfigError as error:
        _log.error("%s; the one before stays in force", error)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, 0 or more")
    return number


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not seconds:
        raise argparse.ArgumentTypeError("this has to be more than 0")
    return seconds
