"""Certificates that expire soon."""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING

from chrysaetos.findings import ok, warning
from chrysaetos.install.check.probing import FAILURES, SECONDS, within
from chrysaetos.utc import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.findings import Finding
    from chrysaetos.http.upstream.pool import UpstreamOptions

__all__ = ["check_expiry", "check_file"]

_CHECK = "certificates"
_SOON_DAYS = 14


def check_expiry(server: UpstreamOptions, name: str) -> Iterator[Finding]:
    """Check how long the certificate of a server is valid. Certificates that fail verification are skipped.

    Args:
        server: the server; it may have no TLS.
        name: its name in the finding.
    """
    if server.tls is None:
        return
    try:
        ends = within(_end, server, server.tls)
    except FAILURES:
        return  # reported with the request to the server
    if ends is not None:
        yield _judge(f"the certificate of {name}", ends)


def check_file(path: str) -> Finding:
    """Check how long the first certificate of a file is valid."""
    try:
        # The ssl module's only decoder for a certificate that is not a peer's.
        decoded = ssl._ssl._test_decode_cert(path)  # type: ignore[attr-defined]  # noqa: SLF001  # no public function decodes a file
    except OSError as error:
        reason = error.strerror or error.args[0]
        return warning(_CHECK, f"no certificate can be read from {path}: {reason}", "name a PEM file")
    return _judge(f"the certificate in {path}", ssl.cert_time_to_seconds(decoded["notAfter"]))


def _end(server: UpstreamOptions, context: ssl.SSLContext) -> float | None:
    with (
        socket.create_connection((server.host, server.port), SECONDS) as sock,
        context.wrap_socket(sock, server_hostname=server.host) as tls,
    ):
        certificate = tls.getpeercert()
        return ssl.cert_time_to_seconds(str(certificate["notAfter"])) if certificate else None


def _judge(name: str, ends: float) -> Finding:
    days = (ends - time.time()) / DAY
    if days < 0:
        return warning(_CHECK, f"{name} has expired", "renew it")
    if days < _SOON_DAYS:
        return warning(_CHECK, f"{name} expires in {days:.0f} days", "renew it")
    return ok(_CHECK, f"{name} is valid for {days:.0f} days")
