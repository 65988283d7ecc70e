"""HAProxy as the gate: it rejects attacks, and some harmless requests that the gate accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
import trustme
from tests.e2e.federation_attacks import ALLOWED, ATTACKS, GOOD, HARMLESS, Case, send, verdict
from tests.e2e.federation_stack import HAProxy, write_tokens
from tests.fakes.wire import Recorder, statuses
from tests.support.commands import run

from chrysaetos.demo.processes import LOOPBACK, wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.demo.sites import PortalPrometheus
from chrysaetos.federation.portal import portal_files
from chrysaetos.federation.registry import USAGE, Registry, Site
from chrysaetos.federation.site import SiteSettings, allowed_urls, site_files
from chrysaetos.scaffold import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "3f1a" * 16

REFUSED = {
    "encoding: hexadecimal digits in lower case",
    "encoding: as little as possible",
    "encoding: all of it",
    "encoding: plus for space",
    "separator: ampersands around",
    "selector: reordered",
    "selector: spaces",
    "selector: trailing comma",
    "selector: comment",
    "selector: raw string",
    "selector: single quotes",
    "selector: escape",
    "selector: less said",
    "selector: less said, name only",
    "selector: the same twice",
    "selector: both metrics",
    "selector: name as a label",
    "selector: project by project",
    "spaces around the token",
    "empty body",
    "HTTP/1.0",
    "absolute form of its own name",
}
"""Harmless requests that HAProxy rejects and the gate accepts, see docs/how-to/federation-site.md."""

LENIENT = "framing: tab in the request line"
"""HAProxy accepts a tab instead of a space, as RFC 9112, 3 allows, and forwards a space."""


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def haproxy(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[HAProxy]:
    with HAProxy(tmp_path_factory.mktemp("haproxy"), recorder.url, TOKEN) as server:
        yield server


@pytest.mark.parametrize(
    "attack", [attack for attack in ATTACKS if attack.name != LENIENT], ids=lambda case: case.name
)
def test_an_attack_is_rejected_and_does_not_reach_prometheus(
    haproxy: HAProxy, recorder: Recorder, attack: Case
) -> None:
    before = len(recorder.received)
    answer = send((LOOPBACK, haproxy.port), attack, TOKEN)
    assert verdict(answer) == "refused", answer
    assert len(recorder.received) == before
    assert TOKEN.encode() not in answer


def test_a_request_parsed_leniently_is_forwarded_as_the_allowed_request(
    haproxy: HAProxy, recorder: Recorder
) -> None:
    (case,) = (attack for attack in ATTACKS if attack.name == LENIENT)
    assert case.request.split(b"\r\n")[0].replace(b"\t", b" ") == f"GET {GOOD} HTTP/1.1".encode()
    begin = len(recorder.received)
    send((LOOPBACK, haproxy.port), case, TOKEN)
    assert bytes(recorder.received[begin:]).startswith(f"GET {GOOD} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("case", HARMLESS, ids=lambda case: case.name)
def test_harmless_requests_are_answered_except_known_rejections(haproxy: HAProxy, case: Case) -> None:
    answer = send((LOOPBACK, haproxy.port), case, TOKEN)
    assert verdict(answer) == ("refused" if case.name in REFUSED else "answered"), answer


def test_the_known_rejections_are_cases() -> None:
    assert {case.name for case in HARMLESS} >= REFUSED


@pytest.mark.parametrize("url", allowed_urls(ALLOWED))
def test_each_common_encoding_is_answered(haproxy: HAProxy, url: str) -> None:
    lines = (f"GET {url} HTTP/1.1", "Host: gate", "Connection: close", "Authorization: Bearer {token}")
    case = Case(url, "\r\n".join((*lines, "", "")).encode())
    assert statuses(send((LOOPBACK, haproxy.port), case, TOKEN)) == [200]


def test_a_portal_scrapes_through_haproxy(tmp_path: Path) -> None:
    with Prometheus(tmp_path / "site") as site, HAProxy(tmp_path / "haproxy", site.url, TOKEN) as haproxy:
        portal = PortalPrometheus(tmp_path / "portal")
        entry = Site("alpha", 1, haproxy.root_url, "token", match=(USAGE,))
        registry = Registry(scrape_interval="1s", sites=(entry,))
        write_files(portal.directory, portal_files(registry), force=False)
        (portal.directory / "token").write_text(TOKEN + "\n")
        with portal:

            def scraped() -> bool:
                parameters = {"query": 'up{job="site-alpha"} == 1'}
                response = requests.get(f"{portal.url}/api/v1/query", params=parameters, timeout=10)
                return len(response.json()["data"]["result"]) == 1

            assert wait_for(scraped, timeout=30)


def test_only_accept_headers_are_forwarded(haproxy: HAProxy, recorder: Recorder) -> None:
    begin = len(recorder.received)
    url = allowed_urls(ALLOWED)[0]
    lines = (
        f"GET {url} HTTP/1.1",
        "Host: gate",
        "Connection: close",
        f"Authorization: Bearer {TOKEN}",
        "Accept: text/plain",
        "Accept-Encoding: gzip",
        "Cookie: a=b",
        "X-Accept: x",
        "X-Forwarded-For: ::1",
    )
    case = Case("headers", "\r\n".join((*lines, "", "")).encode())
    assert statuses(send((LOOPBACK, haproxy.port), case, TOKEN)) == [200]
    first, *headers = bytes(recorder.received[begin:]).decode().lower().strip().split("\r\n")
    assert first == f"GET {url} HTTP/1.1".lower()
    kept = {line for line in headers if not line.startswith("connection:")}
    assert kept == {"host: prometheus", "accept: text/plain", "accept-encoding: gzip"}


def test_the_log_contains_neither_token_nor_query(haproxy: HAProxy) -> None:
    send((LOOPBACK, haproxy.port), HARMLESS[0], TOKEN)
    send((LOOPBACK, haproxy.port), Case("", b"GET /x?token={token} HTTP/1.0\r\n\r\n"), TOKEN)
    log = haproxy.log.read_text()
    assert " portals 200 " in log
    assert TOKEN not in log
    assert "match" not in log


def test_without_valid_tokens_all_requests_are_rejected(tmp_path: Path, recorder: Recorder) -> None:
    server = HAProxy(tmp_path, recorder.url, TOKEN)
    for tokens in ((), ("",), ("short",)):
        write_tokens(tmp_path, *tokens)
        with server:
            before = len(recorder.received)
            for token in ("", "short", TOKEN):
                assert verdict(send((LOOPBACK, server.port), HARMLESS[0], token)) == "refused"
            assert len(recorder.received) == before


@pytest.mark.parametrize(
    ("bind", "prometheus"),
    [
        ("192.0.2.1", "http://127.0.0.1:9090"),
        ("::", "https://localhost"),
        ("::1", "http://[::1]:90"),
    ],
)
def test_haproxy_accepts_the_configuration_with_tls(tmp_path: Path, bind: str, prometheus: str) -> None:
    settings = SiteSettings(
        "alpha", bind=bind, tls_cert="/etc/tls/gate.pem", tls_key="/etc/tls/gate.key", prometheus=prometheus
    )
    (config,) = (file.text for file in site_files(settings) if file.name == "haproxy/haproxy.cfg")
    (tmp_path / "haproxy.cfg").write_text(config)
    write_tokens(tmp_path, TOKEN)
    trustme.CA().issue_cert("gate.example").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "gate.pem"
    )
    done = run(["/usr/sbin/haproxy", "-c", "-f", tmp_path / "haproxy.cfg"])
    assert done.status == 0, done.err
    assert "WARNING" not in done.err
