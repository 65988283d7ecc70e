"""Requests, as bytes, that a gate for portals must reject, and unusual requests that it must answer.

``{token}`` is replaced by the token of a portal that may read only ``ALLOWED``. ``send`` sends the requests
to any gate, given its address.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.fakes.wire import Wire, statuses

__all__ = ["ALLOWED", "ATTACKS", "BROADER", "GOOD", "HARMLESS", "Case", "send", "verdict"]

ALLOWED = '{job="project_usages",__name__=~"project_.*_usage"}'
A = quote(ALLOWED, safe="")
GOOD = f"/federate?match%5B%5D={A}"
"""The request target of the allowed query."""
BEARER = b"Authorization: Bearer {token}"


class Case(NamedTuple):
    """A request.

    Attributes:
        name: what the request attempts.
        request: its bytes.
    """

    name: str
    request: bytes

    def filled(self, token: str) -> bytes:
        """Return the request with a token."""
        secret = token.encode()
        return (
            self.request.replace(b"{token}", secret)
            .replace(b"{basic}", base64.b64encode(b"portal:" + secret))
            .replace(b"{sha256}", hashlib.sha256(secret).hexdigest().encode())
            .replace(b"{shorter}", secret[:-1])
            .replace(b"{swapped}", secret.swapcase())
        )


def send(address: tuple[str, int], case: Case, token: str, timeout: float = 10.0) -> bytes:
    """Send a request and return everything that is received until the connection is closed."""
    with Wire(address, timeout) as client:
        client.send(case.filled(token))
        return client.rest()


def verdict(answer: bytes) -> str:
    """Return ``answered`` if any of the responses is successful, else ``refused``."""
    return "answered" if any(status < 400 for status in statuses(answer)) else "refused"


def _request(
    target: str, *lines: bytes, method: str = "GET", version: str = "HTTP/1.1", body: bytes = b""
) -> bytes:
    head = [f"{method} {target} {version}".encode("latin-1"), b"Host: gate", b"Connection: close", *lines]
    return b"\r\n".join((*head, b"", b"")) + body


def _query(name: str, target: str, **more: Any) -> Case:
    """Return a request with the correct token."""
    return Case(name, _request(target, BEARER, **more))


def _credentials(name: str, *lines: bytes) -> Case:
    """Return the allowed request with other credentials."""
    return Case(f"credentials: {name}", _request(GOOD, *lines))


SPELLINGS = (
    *("match%5B%5D", "match%5b%5d", "match[]", "match[%5D", "match%5B]", "m%61tch[]", "%6Datch%5B%5D"),
    "%6d%61%74%63%68%5b%5d",
)

_SECOND = [
    case
    for spelling in SPELLINGS
    for case in (
        _query(f"second selector: {spelling} after", f"{GOOD}&{spelling}=secret_total"),
        _query(f"second selector: {spelling} before", f"/federate?{spelling}=secret_total&match[]={A}"),
    )
]

_OTHER_NAMES = [
    _query(f"other name: {name}", f"{GOOD}&{name}=secret_total")
    for name in (
        *("match", "match[0]", "match%5B0%5D", "match%255B%255D", "match%25255B%25255D", "Match[]"),
        *("MATCH%5B%5D", "match[]%00", "%00match[]", "match[]+", "+match[]", "match[]%20", "match[][]"),
        *(
            "match[",
            "match%5B",
            "match[]%0D%0A",
            "match[]%3Dx",
            "match.[]",
            "m%EF%BD%81tch[]",
            "%C0%ADmatch[]",
        ),
        *("query", "start", "end", "time", "limit", "debug", "token", "access_token", ""),
    )
]

_SEPARATORS = [
    _query(f"separator: {name}", target)
    for name, target in (
        ("semicolon", f"{GOOD};match[]=secret_total"),
        ("semicolon in front", f"/federate?match[]=secret_total;match[]={A}"),
        ("two ampersands", f"{GOOD}&&match[]=secret_total"),
        ("ampersand, encoded", f"{GOOD}%26match[]=secret_total"),
        ("ampersand, encoded twice", f"{GOOD}%2526match[]=secret_total"),
        ("ampersand of HTML", f"{GOOD}&amp;match[]=secret_total"),
        ("semicolon, encoded", f"{GOOD}%3Bmatch[]=secret_total"),
        ("question mark", f"{GOOD}?match[]=secret_total"),
        ("question mark in front", f"/federate??match[]=secret_total&match[]={A}"),
        ("fragment", f"{GOOD}#&match[]=secret_total"),
        ("comma", f"{GOOD},secret_total"),
        ("NUL", f"{GOOD}%00&match[]=secret_total"),
        ("NUL within", f"/federate?match[]=secret_total%00{A}"),
        ("line's end", f"{GOOD}%0Asecret_total"),
        ("equals sign", f"/federate?match[]=={A}"),
        ("half an escape", f"{GOOD}%2&match[]=secret_total"),
        ("no UTF-8", f"{GOOD}%FF"),
        ("UTF-16 escape", f"{GOOD}%u0026match[]=secret_total"),
    )
]

_SELECTORS = [
    _query(f"selector: {text}", f"/federate?match[]={quote(text, safe='')}")
    for text in (
        *("secret_total", '{__name__="secret_total"}', '{"secret_total"}', '{__name__="\\x73ecret_total"}'),
        *("{__name__=`secret_total`}", '{job="other"}', '{job="other",__name__=~"project_.*_usage"}', "up"),
        *('secret_total{job="project_usages"}', '{job=""}', ""),
        *(f"{ALLOWED} or secret_total", f"{ALLOWED} offset 5m", f"{ALLOWED} @ 0", f"{ALLOWED} @ end()"),
        *(f"{ALLOWED}[5m]", f"sum({ALLOWED})", f"rate({ALLOWED}[5m])", f"({ALLOWED})", f"-{ALLOWED}"),
        *(f"{ALLOWED}{ALLOWED}", f"{ALLOWED},secret_total", f"{ALLOWED} # \n or secret_total"),
        '{job="project_usages" or job="other"}',
        '{job="project_usages",__name__="project_mb_usage" or __name__="secret_total"}',
        *('{job="project_usages"', 'job="project_usages"}', '{job="project_usages}', "{job=project_usages}"),
        *('{job=="project_usages"}', '{job~"project_usages"}', "1", "'secret_total'", "$x"),
        'label_replace({job="other"},"job","project_usages","","")',
    )
]

_NOTHING = [
    _query(f"no selector: {target}", target)
    for target in ("/federate", "/federate?", "/federate?&", "/federate?match[]", "/federate?match[]=")
]

_PATHS = [
    _query(f"path: {path}", f"{path}?match%5B%5D={A}&query=secret_total")
    for path in (
        *("/", "/metrics", "/graph", "/classic/graph", "/targets", "/config", "/flags", "/status"),
        *("/api/v1/query", "/api/v1/query_range", "/api/v1/series", "/api/v1/labels", "/api/v1/rules"),
        *("/api/v1/label/job/values", "/api/v1/alerts", "/api/v1/targets", "/api/v1/metadata"),
        *("/api/v1/status/config", "/api/v1/status/flags", "/api/v1/status/tsdb", "/api/v1/query_exemplars"),
        *("/api/v1/read", "/api/v1/write", "/api/v1/admin/tsdb/snapshot", "/api/v1/admin/tsdb/delete_series"),
        *("/-/reload", "/-/quit", "/-/healthy", "/-/ready", "/debug/pprof/heap", "/debug/pprof/cmdline"),
        *(
            "//federate",
            "/federate/",
            "/federate//",
            "/./federate",
            "/federate/.",
            "/federate/..",
            "/x/../federate",
        ),
        *(
            "/api/../federate",
            "/federate/../api/v1/query",
            "/federate/../metrics",
            "/federate/%2e%2e/metrics",
        ),
        *("/federate%2f..%2fmetrics", "/federate/..;/metrics", "/%66ederate", "/federat%65", "/%2ffederate"),
        *(
            "/federate%2f",
            "/federate;x",
            "/federate;/../metrics",
            "/federate%3b",
            "/federate%00",
            "/federate%20",
        ),
        *("/Federate", "/FEDERATE", "/federate.json", "/federate%3Fx", "/federate/metrics", "/federatex"),
        *("\\federate", "/federate\\..\\metrics", "/prometheus/federate", "/healthcheck", "/-/whoami"),
    )
]

_METHODS = [
    *(
        _query(f"method: {method}", GOOD, method=method)
        for method in (
            *(
                "HEAD",
                "POST",
                "PUT",
                "DELETE",
                "OPTIONS",
                "PATCH",
                "TRACE",
                "PROPFIND",
                "get",
                "GETX",
                "QUERY",
            ),
        )
    ),
    Case("method: CONNECT", _request("gate:80", BEARER, method="CONNECT")),
    Case("method: OPTIONS *", _request("*", BEARER, method="OPTIONS")),
]

_FORM = b"match%5B%5D=secret_total"
_FORM_LINES = (b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: %d" % len(_FORM))


def _bodies() -> list[Case]:
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_FORM), _FORM)
    form, length = _FORM_LINES
    coding = b"Transfer-Encoding: chunked"
    return [
        Case("body: POST", _request(GOOD, BEARER, form, length, method="POST", body=_FORM)),
        Case("body: GET", _request(GOOD, BEARER, form, length, body=_FORM)),
        Case("body: GET, chunked", _request(GOOD, BEARER, form, coding, body=chunked)),
        Case("body: GET, chunked and empty", _request(GOOD, BEARER, coding, body=b"0\r\n\r\n")),
        Case(
            "body: GET without selector in the URL", _request("/federate", BEARER, form, length, body=_FORM)
        ),
        Case(
            "body: POST that says it is a GET",
            _request(GOOD, BEARER, b"X-HTTP-Method-Override: GET", form, length, method="POST", body=_FORM),
        ),
        Case(
            "body: remote read",
            _request(
                "/api/v1/read",
                BEARER,
                b"Content-Type: application/x-protobuf",
                b"Content-Encoding: snappy",
                b"Content-Length: 3",
                method="POST",
                body=b"\x01\x00\x00",
            ),
        ),
        Case(
            "body: delete series",
            _request("/api/v1/admin/tsdb/delete_series", BEARER, form, length, method="POST", body=_FORM),
        ),
    ]


_CREDENTIALS = [
    _credentials("none"),
    _credentials("twice", BEARER, BEARER),
    _credentials("wrong, then right", b"Authorization: Bearer wrong", BEARER),
    _credentials("right, then wrong", BEARER, b"Authorization: Bearer wrong"),
    _credentials("right, then Basic", BEARER, b"Authorization: Basic {basic}"),
    _credentials("empty", b"Authorization:"),
    _credentials("empty, then right", b"Authorization:", BEARER),
    _credentials("scheme alone", b"Authorization: Bearer"),
    _credentials("joined with a comma", b"Authorization: Bearer wrong, Bearer {token}"),
    _credentials("joined with a comma, right one first", b"Authorization: Bearer {token}, Bearer wrong"),
    _credentials("joined, without a space", b"Authorization: Bearer {token},wrong"),
    _credentials("text after the token", b"Authorization: Bearer {token} x"),
    _credentials("a letter more", b"Authorization: Bearer {token}x"),
    _credentials("a letter less", b"Authorization: Bearer {shorter}"),
    _credentials("in the other case", b"Authorization: Bearer {swapped}"),
    _credentials("in quotes", b'Authorization: Bearer "{token}"'),
    _credentials("without scheme", b"Authorization: {token}"),
    _credentials("without space", b"Authorization: Bearer{token}"),
    _credentials("another scheme", b"Authorization: Token {token}"),
    _credentials("Basic", b"Authorization: Basic {basic}"),
    _credentials("its hash", b"Authorization: Bearer {sha256}"),
    _credentials("a prefix of it", b"Authorization: Bearer cft_"),
    _credentials("not ASCII", b"Authorization: Bearer {token}\xc3\xa9"),
    _credentials("in X-Auth-Token", b"X-Auth-Token: {token}"),
    _credentials("in a cookie", b"Cookie: Authorization=Bearer {token}"),
    _credentials("in Proxy-Authorization", b"Proxy-Authorization: Bearer {token}"),
    _credentials("in X-Forwarded-Authorization", b"X-Forwarded-Authorization: Bearer {token}"),
    _credentials("of the exporter's peer", b"X-Forwarded-For: 127.0.0.1", b"X-Real-IP: 127.0.0.1"),
    Case("credentials: in the URL", _request(f"{GOOD}&access_token={{token}}")),
    Case("credentials: in the authority", _request(f"http://portal:{{token}}@gate{GOOD}")),
]

_FORMS = [
    _query("form: absolute, another server", f"http://127.0.0.1:9090{GOOD}"),
    _query("form: absolute, another path", "http://gate/api/v1/query?query=secret_total"),
    _query("form: absolute, TLS, another path", "https://gate/metrics"),
    _query("form: absolute, metadata service", "http://169.254.169.254/latest/meta-data"),
    _query("form: absolute, file", "file:///etc/passwd"),
    _query("form: authority", f"gate{GOOD}"),
    _query("form: no slash", f"federate?match[]={A}"),
    _query("HTTP/1.0: another path", "/metrics", version="HTTP/1.0"),
    _query("HTTP/1.0: second selector", f"{GOOD}&match[]=secret_total", version="HTTP/1.0"),
    Case("HTTP/1.0: without Host, another path", b"GET /metrics HTTP/1.0\r\n" + BEARER + b"\r\n\r\n"),
    Case("HTTP/1.0: without token", b"GET " + GOOD.encode() + b" HTTP/1.0\r\n\r\n"),
    Case("HTTP/0.9", b"GET /metrics\r\n\r\n"),
    _query("HTTP/2 by name", GOOD, version="HTTP/2.0"),
    _query("HTTP/3 by name", GOOD, version="HTTP/3"),
    _query("HTTP/1.9", "/metrics", version="HTTP/1.9"),
    Case("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
]


def _lines(*lines: bytes, end: bytes = b"\r\n", body: bytes = b"") -> bytes:
    return end.join((*lines, b"", b"")) + body


def _framing() -> list[Case]:
    """Return requests whose end or whose lines are ambiguous."""
    good, host = f"GET {GOOD} HTTP/1.1".encode(), b"Host: gate"
    bad = b"GET /metrics HTTP/1.1"
    inner = _lines(b"GET /api/v1/query?query=secret_total HTTP/1.1", host, BEARER)
    both = (b"Content-Length: %d" % (5 + len(inner)), b"Transfer-Encoding: chunked")
    return [
        Case("framing: length and coding", _lines(good, host, BEARER, *both, body=b"0\r\n\r\n" + inner)),
        Case(
            "framing: coding and length", _lines(good, host, BEARER, *both[::-1], body=b"0\r\n\r\n" + inner)
        ),
        Case(
            "framing: two lengths",
            _lines(good, host, BEARER, b"Content-Length: 0", b"Content-Length: %d" % len(inner), body=inner),
        ),
        Case(
            "framing: length with a sign",
            _lines(good, host, BEARER, b"Content-Length: +%d" % len(inner), body=inner),
        ),
        Case(
            "framing: two lengths in one",
            _lines(good, host, BEARER, b"Content-Length: 0, %d" % len(inner), body=inner),
        ),
        Case(
            "framing: coding misspelled",
            _lines(good, host, BEARER, b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + inner),
        ),
        Case(
            "framing: coding with space before the colon",
            _lines(good, host, BEARER, b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + inner),
        ),
        Case(
            "framing: coding with a tab",
            _lines(good, host, BEARER, b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n" + inner),
        ),
        Case("framing: bare LF", _lines(bad, host, BEARER, b"Connection: close", end=b"\n")),
        Case("framing: bare CR", _lines(bad, host, BEARER, b"Connection: close", end=b"\r")),
        Case("framing: LF in a value", _lines(good, host, BEARER, b"X: a\nAuthorization: Bearer wrong")),
        Case("framing: folded token", _lines(good, host, b"Authorization: Bearer", b" {token}")),
        Case("framing: folded after the token", _lines(good, host, BEARER, b" wrong")),
        Case("framing: space before the colon", _lines(good, host, b"Authorization : Bearer {token}")),
        Case("framing: NUL in a value", _lines(good, host, BEARER + b"\x00")),
        Case("framing: NUL in the target", _lines(good.replace(b"?", b"?\x00"), host, BEARER)),
        Case("framing: space in the target", _lines(good.replace(b"?", b" ?"), host, BEARER)),
        Case("framing: tab in the request line", _lines(good.replace(b" /", b"\t/"), host, BEARER)),
        Case("framing: not ASCII in the target", _lines(good.replace(b"?", b"\xc3\xa9?"), host, BEARER)),
        Case("framing: two Hosts", _lines(good, host, b"Host: other", BEARER)),
        Case("framing: no Host", _lines(good, BEARER)),
        Case(
            "framing: Host with a path",
            _lines(good, b"Host: gate/api/v1/query?x=", BEARER, b"Connection: close"),
        ),
        Case("framing: two bad requests at once", _lines(bad, host, BEARER, body=inner + _close(bad))),
        Case(
            "framing: the path in other headers",
            _lines(bad, host, BEARER, b"Connection: close", f"X-Original-URL: {GOOD}".encode()),
        ),
        Case("size: URL", _lines(good.replace(b"%7B", b"%7B" + b"%20" * 20_000, 1), host, BEARER)),
        Case("size: headers", _lines(good, host, BEARER, *(b"X-%d: x" % number for number in range(500)))),
        Case(
            "size: selectors",
            _lines(b"GET /federate?" + b"&".join([b"match[]=up"] * 200) + b" HTTP/1.1", host, BEARER),
        ),
        Case("framing: chunked upgrade", _lines(bad, host, BEARER, b"Connection: Upgrade", b"Upgrade: h2c")),
    ]


def _close(line: bytes) -> bytes:
    return _lines(line, b"Host: gate", BEARER, b"Connection: close")


def _closing(cases: list[Case]) -> list[Case]:
    """Return the cases with a header that closes the connection after the response."""
    return [
        case
        if b"Connection: close" in case.request or case.name in _ENDED
        else Case(case.name, case.request.replace(b"Host: gate", b"Host: gate\r\nConnection: close", 1))
        for case in cases
    ]


_ENDED = ("framing: no Host",)

ATTACKS: tuple[Case, ...] = (
    *_SECOND,
    *_OTHER_NAMES,
    *_SEPARATORS,
    *_SELECTORS,
    *_NOTHING,
    *_PATHS,
    *_METHODS,
    *_bodies(),
    *_CREDENTIALS,
    *_FORMS,
    *_closing(_framing()),
)
"""Requests that a gate must reject without sending anything to Prometheus."""


def _selecting(name: str, *texts: str) -> Case:
    pieces = "&".join(f"match%5B%5D={quote(text, safe='')}" for text in texts)
    return _query(f"selector: {name}", f"/federate?{pieces}")


def _everything(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


_NAME = '__name__=~"project_.*_usage"'

HARMLESS: tuple[Case, ...] = (
    _query("as it is", GOOD),
    _query(
        "encoding: hexadecimal digits in lower case", GOOD.replace("%5B%5D", "%5b%5d").replace("%7B", "%7b")
    ),
    _query("encoding: as little as possible", "/federate?match[]=" + ALLOWED.replace('"', "%22")),
    _query("encoding: all of it", f"/federate?{_everything('match[]')}={_everything(ALLOWED)}"),
    _query("encoding: plus for space", "/federate?match[]=+" + A.replace("%2C", ",+")),
    _query("separator: ampersands around", f"/federate?&match%5B%5D={A}&"),
    _selecting("reordered", f'{{{_NAME},job="project_usages"}}'),
    _selecting("spaces", f'  {{  job = "project_usages" ,\t{_NAME}  }}  '),
    _selecting("trailing comma", f'{{job="project_usages",{_NAME},}}'),
    _selecting("comment", f'{{job="project_usages", # of the exporter\n{_NAME}}}'),
    _selecting("raw string", f"{{job=`project_usages`,{_NAME}}}"),
    _selecting("single quotes", f"{{job='project_usages',{_NAME}}}"),
    _selecting("escape", f'{{job="\\x70roject_usages",{_NAME}}}'),
    _selecting("less said", '{job="project_usages"}'),
    _selecting("less said, name only", f"{{{_NAME}}}"),
    _selecting("the same twice", ALLOWED, ALLOWED),
    _selecting("both metrics", "project_vcpu_usage", 'project_mb_usage{job="project_usages"}'),
    _selecting("name as a label", "{__name__='project_vcpu_usage'}", "{__name__=`project_mb_usage`}"),
    _selecting("project by project", '{project_id=~"p[12]"}', '{project_id!~"p1|p2",job=~"project.*"}'),
    Case("scheme in lower case", _request(GOOD, b"authorization: bearer {token}")),
    Case("scheme in upper case", _request(GOOD, b"AUTHORIZATION: BEARER {token}")),
    Case("spaces around the token", _request(GOOD, b"Authorization:   Bearer   {token}  ")),
    Case(
        "accept: as Prometheus asks",
        _request(GOOD, BEARER, b"Accept: text/plain;version=0.0.4;q=1,*/*;q=0.1"),
    ),
    Case(
        "accept: OpenMetrics", _request(GOOD, BEARER, b"Accept: application/openmetrics-text;version=1.0.0")
    ),
    Case("accept: JSON", _request(GOOD, BEARER, b"Accept: application/json")),
    Case("range", _request(GOOD, BEARER, b"Range: bytes=0-10", b'If-None-Match: "x"')),
    Case("cookie, and who it came through", _request(GOOD, BEARER, b"Cookie: a=b", b"X-Forwarded-For: ::1")),
    Case(
        "identity headers",
        _request(GOOD, BEARER, b"X-Auth-Token: x", b"X-Roles: admin", b"X-Identity-Status: Confirmed"),
    ),
    Case(
        "headers that other servers obey",
        _request(
            GOOD, BEARER, b"X-Original-URL: /metrics", b"X-HTTP-Method-Override: POST", b"Forwarded: host=x"
        ),
    ),
    Case("empty body", _request(GOOD, BEARER, b"Content-Length: 0")),
    Case(
        "no body, with its type", _request(GOOD, BEARER, b"Content-Type: application/x-www-form-urlencoded")
    ),
    Case("empty line in front", b"\r\n" + _request(GOOD, BEARER)),
    _query("HTTP/1.0", GOOD, version="HTTP/1.0"),
    _query("absolute form of its own name", f"http://gate{GOOD}"),
)
"""Requests that are equivalent to the allowed query, and must be answered with all allowed series."""

BROADER: tuple[str, ...] = (
    '{__name__=~".*"}',
    '{job=~".*"}',
    '{__name__=~".+"}',
    '{__name__!=""}',
    '{job=~".+"}',
    '{job!=""}',
    '{job!="other"}',
    '{project_id!=""}',
    '{__name__=~"project_.*|secret_.*"}',
    '{__name__!~"secret_.*"}',
    '{job=~"project_usages|other"}',
    '{__name__=~"project_vcpu_.*",job!="other"}',
    '{__name__=~"secret_.*"}',
    '{__name__=~"project_.*",job!="project_usages"}',
    '{location="elsewhere"}',
    '{job="project_usages",__name__!~"project_.*_usage"}',
)
"""Selectors that select other series; the response must contain only those that are also allowed."""
