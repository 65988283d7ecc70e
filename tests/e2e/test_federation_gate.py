"""The gate alone, in front of a recorder and of a real Prometheus, and inside the gateway."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests
import trustme
from tests.e2e.federation_attacks import ALLOWED, ATTACKS, BROADER, HARMLESS, Case, send, verdict
from tests.e2e.federation_stack import FederationGate, federate_token, new_token, selected, store_text
from tests.fakes.wire import Recorder, Wire, statuses
from tests.support.commands import run

from chrysaetos.demo.processes import LOOPBACK, wait_for
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.stack import GatewayFor, People, Tokens

UNHURRIED = ("--requests-per-second", "0", "--failures-per-second", "0")

SERIES = [
    {"__name__": name, "job": job, "project_id": project, "location": location}
    for name in (
        "project_vcpu_usage",
        "project_mb_usage",
        "project_disk_total",
        "secret_total",
        "secret_usage",
    )
    for job in ("project_usages", "other")
    for project in ("p1", "p2", "p3")
    for location in ("here", "elsewhere")
] + [{"__name__": "up", "job": "project_usages", "instance": "exporter:8080"}]

ALLOWED_SERIES = {
    frozenset(labels.items())
    for labels in SERIES
    if labels["job"] == "project_usages" and labels["__name__"] in {"project_vcpu_usage", "project_mb_usage"}
}


class Site:
    """A gate and its token."""

    def __init__(self, gate: FederationGate, token: str) -> None:
        self.gate = gate
        self.token = token
        self.address = (LOOPBACK, gate.port)

    def request(self, *selectors: str, token: str | None = None) -> requests.Response:
        return requests.get(
            f"{self.gate.root_url}/federate",
            params={"match[]": selectors},
            headers={"Authorization": f"Bearer {token or self.token}", "Accept-Encoding": "identity"},
            timeout=30,
        )

    def metrics(self) -> str:
        return requests.get(f"http://{LOOPBACK}:{self.gate.metrics_port}/metrics", timeout=30).text


def make_site(directory: Path, upstream: str, *arguments: str, allow: tuple[str, ...] = (ALLOWED,)) -> Site:
    gate = FederationGate(directory, upstream, *arguments)
    return Site(gate, new_token(gate.tokens, *allow))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    server = Prometheus(tmp_path_factory.mktemp("site"))
    server.backfill(store_text(SERIES))
    with server:
        yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prometheus: Prometheus) -> Iterator[Site]:
    """A gate in front of a real Prometheus."""
    created = make_site(tmp_path_factory.mktemp("gate"), prometheus.url, *UNHURRIED)
    with created.gate:
        yield created


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Site]:
    """A gate in front of a recorder."""
    created = make_site(tmp_path_factory.mktemp("gate"), recorder.url, *UNHURRIED)
    with created.gate:
        yield created


# rejected requests


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda case: case.name)
def test_an_attack_is_rejected_and_does_not_reach_prometheus(
    guarded: Site, recorder: Recorder, attack: Case
) -> None:
    before = len(recorder.received)
    answer = send(guarded.address, attack, guarded.token)
    assert verdict(answer) == "refused", answer
    assert all(400 <= status < 500 for status in statuses(answer)), answer
    assert statuses(answer) or not answer
    assert len(recorder.received) == before
    assert guarded.token.encode() not in answer


def test_there_are_enough_attacks_and_the_recorder_records(guarded: Site, recorder: Recorder) -> None:
    assert len(ATTACKS) >= 60
    before = len(recorder.received)
    assert verdict(send(guarded.address, HARMLESS[0], guarded.token)) == "answered"
    assert len(recorder.received) > before


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/federate?match%5B%5D={allowed}&match%5B%5D=secret", 403),
        ("/federate?match%5B%5D={allowed}&match[]=secret", 403),
        ("/api/v1/status/config?match%5B%5D={allowed}", 404),
        ("/federate", 403),
        ("/federate?match%5b%5d={reordered}", 200),
    ],
)
def test_known_bypasses_of_gates_that_compare_text(site: Site, target: str, status: int) -> None:
    reordered = quote('{  __name__=~"project_.*_usage" , job = "project_usages" }').replace("%7B", "%7b")
    url = target.format(allowed=quote(ALLOWED, safe=""), reordered=reordered)
    with Wire(site.address) as client:
        client.send(
            f"GET {url} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {site.token}\r\n\r\n".encode()
        )
        assert statuses(client.answer()) == [status]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/-/healthy", 404),
        ("GET", "/metrics", 404),
        ("POST", "/federate/", 404),
        ("HEAD", "/federate", 405),
        ("POST", "/federate", 405),
        ("OPTIONS", "/federate", 405),
        ("GET", "/federate", 401),
    ],
)
def test_without_a_token_only_the_existence_of_the_path_is_revealed(
    site: Site, method: str, path: str, status: int
) -> None:
    answer = requests.request(method, site.gate.root_url + path, timeout=10)
    assert answer.status_code == status
    assert answer.headers.get("Allow") == ("GET" if status == 405 else None)
    assert answer.headers.get("WWW-Authenticate") == ('Bearer realm="federation"' if status == 401 else None)


# accepted requests


@pytest.mark.parametrize("case", HARMLESS, ids=lambda case: case.name)
def test_other_spellings_of_an_allowed_request_are_answered(site: Site, case: Case) -> None:
    answer = send(site.address, case, site.token)
    assert statuses(answer) == [200]
    _, _, body = answer.partition(b"\r\n\r\n")
    assert selected(_unchunked(answer, body)) == ALLOWED_SERIES


def _unchunked(answer: bytes, body: bytes) -> str:
    head = answer.partition(b"\r\n\r\n")[0].lower()
    if b"transfer-encoding: chunked" not in head:
        return body.decode()
    whole = b""
    while True:
        size, _, rest = body.partition(b"\r\n")
        if not int(size, 16):
            return whole.decode()
        whole += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]


def test_gzip_is_passed_through(site: Site) -> None:
    answer = requests.get(
        f"{site.gate.root_url}/federate",
        params={"match[]": ALLOWED},
        headers={"Authorization": f"Bearer {site.token}", "Accept-Encoding": "gzip"},
        timeout=10,
        stream=True,
    )
    assert answer.headers["Content-Encoding"] == "gzip"
    assert selected(gzip.decompress(answer.raw.read(decode_content=False)).decode()) == ALLOWED_SERIES


@pytest.mark.parametrize("selector", BROADER)
def test_a_broader_selector_is_restricted_to_the_policy(
    site: Site, prometheus: Prometheus, selector: str
) -> None:
    everything = requests.get(f"{prometheus.url}/federate", params={"match[]": selector}, timeout=10)
    answer = site.request(selector)
    assert answer.status_code == 200
    assert selected(answer.text) == selected(everything.text) & ALLOWED_SERIES


def test_an_empty_selector_selects_everything_allowed(site: Site) -> None:
    assert selected(site.request("{}").text) == ALLOWED_SERIES


def test_an_error_of_prometheus_is_passed_through(site: Site) -> None:
    answer = site.request('{job=~"("}')
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")


def test_a_policy_of_several_selectors_allows_their_union(tmp_path: Path, prometheus: Prometheus) -> None:
    site = make_site(tmp_path, prometheus.url, allow=(ALLOWED, 'up{job="project_usages"}'))
    up = {frozenset(SERIES[-1].items())}
    with site.gate:
        assert selected(site.request('{__name__!=""}').text) == ALLOWED_SERIES | up
        assert selected(site.request("up").text) == up
        assert selected(site.request("project_vcpu_usage", "up").text) == up | {
            series for series in ALLOWED_SERIES if ("__name__", "project_vcpu_usage") in series
        }
        assert site.request("up", "secret_total").status_code == 403


# limits, audit and metrics


def test_unknown_tokens_are_throttled_and_known_tokens_work(tmp_path: Path, recorder: Recorder) -> None:
    site = make_site(tmp_path, recorder.url, "--requests-per-second", "0", "--failures-per-second", "0.1")
    with site.gate:
        refused = [site.request(ALLOWED, token=f"cft_{number}").status_code for number in range(25)]
        assert refused[:20] == [401] * 20
        assert refused[-1] == 429
        assert site.request(ALLOWED).status_code == 200


def test_the_request_rate_of_a_portal_is_limited(tmp_path: Path, recorder: Recorder) -> None:
    site = make_site(tmp_path, recorder.url, "--requests-per-second", "0.5")
    with site.gate:
        answers = [site.request(ALLOWED) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_a_response_that_is_too_large_is_rejected(tmp_path: Path, prometheus: Prometheus) -> None:
    site = make_site(tmp_path, prometheus.url, "--max-response-bytes", "300")
    with site.gate:
        response = site.request(ALLOWED)
        assert response.status_code == 422
        assert selected(site.request('project_mb_usage{project_id="p1",location="here"}').text)


def test_the_audit_has_all_requests_and_no_secrets(tmp_path: Path, prometheus: Prometheus) -> None:
    audit = tmp_path / "audit.log"
    site = make_site(tmp_path, prometheus.url, "--audit-file", str(audit), "--audit-format", "json")
    with site.gate:
        site.request("project_vcpu_usage")
        site.request("secret_total")
        site.request(ALLOWED, token="cft_guessed")
        requests.get(f"{site.gate.root_url}/x?token={site.token}", timeout=10)
        metrics = site.metrics()
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [(line["user_id"], line["status"]) for line in lines] == [
        ("portal:portal", 200),
        ("portal:portal", 403),
        (None, 401),
        (None, 404),
    ]
    assert lines[0]["queries"] == [
        {
            "query": "project_vcpu_usage",
            "scoped": '{__name__="project_vcpu_usage",job="project_usages",__name__=~"project_.*_usage"}',
        }
    ]
    assert lines[1]["queries"] == [{"query": "secret_total", "scoped": ""}]
    written = audit.read_text() + site.gate.log.read_text() + metrics
    assert site.token not in written
    assert "cft_guessed" not in written
    assert 'chrysaetos_federation_requests_total{code="200",token="portal"} 1.0' in metrics
    assert 'chrysaetos_federation_requests_total{code="403",token="portal"} 1.0' in metrics
    assert 'chrysaetos_federation_answered_timestamp_seconds{token="portal"}' in metrics


# start


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (None, 0o600, "cannot be read"),
        ("", 0o600, "is invalid"),
        ('{"version": 1, "tokens": []}', 0o600, "contains no valid token"),
        ('{"version": 1, "tokens": []}', 0o644, "has unsafe permissions"),
        ('{"version": 1, "tokens": []}', 0o620, "has unsafe permissions"),
    ],
)
def test_the_gate_does_not_start_with_an_invalid_token_file(
    tmp_path: Path, content: str | None, mode: int, expected: str
) -> None:
    gate = FederationGate(tmp_path, "http://127.0.0.1:9")
    if content is not None:
        gate.tokens.write_text(content)
        gate.tokens.chmod(mode)
    done = run(gate.command())
    assert done.status == 2
    assert done.err.startswith("chrysaetos federate: the token file ")
    assert done.err.count("\n") == 1
    assert expected in done.err


def test_the_gate_does_not_start_with_an_expired_token(tmp_path: Path) -> None:
    gate = FederationGate(tmp_path, "http://127.0.0.1:9")
    new_token(gate.tokens, ALLOWED, expires="1s")
    time.sleep(1.1)
    done = run(gate.command())
    assert done.status == 2
    assert "contains no valid token" in done.err


def test_tls(tmp_path: Path, prometheus: Prometheus) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert(LOOPBACK)
    chain, key, ca = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(ca))
    site = make_site(tmp_path, prometheus.url, "--tls-cert", str(chain), "--tls-key", str(key))
    with site.gate:
        url = site.gate.root_url.replace("http:", "https:")
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {site.token}"
            for _ in range(2):
                answer = session.get(
                    f"{url}/federate", params={"match[]": ALLOWED}, verify=str(ca), timeout=10
                )
                assert selected(answer.text) == ALLOWED_SERIES
            assert session.get(f"{url}/metrics", verify=str(ca), timeout=10).status_code == 404
        with Wire(site.address) as client:
            client.send(b"GET /federate HTTP/1.1\r\nHost: gate\r\n\r\n")
            assert statuses(client.rest()) == []
        old = run(["openssl", "s_client", "-connect", f"{LOOPBACK}:{site.gate.port}", "-tls1_1"])
        assert "Cipher is (NONE)" in old.printed
        # SIGHUP reloads a renewed certificate, and ignores an invalid one.
        before = certificate_of(site.address, ca)
        renewed = authority.issue_cert(LOOPBACK)
        renewed.cert_chain_pems[0].write_to_path(str(chain))
        renewed.private_key_pem.write_to_path(str(key))
        assert site.gate.pid is not None
        os.kill(site.gate.pid, signal.SIGHUP)
        assert wait_for(lambda: certificate_of(site.address, ca) != before, timeout=10)
        after = certificate_of(site.address, ca)
        chain.write_text("invalid")
        os.kill(site.gate.pid, signal.SIGHUP)
        assert wait_for(
            lambda: "the previous certificate stays in force" in site.gate.log.read_text(), timeout=10
        )
        assert certificate_of(site.address, ca) == after


def certificate_of(address: tuple[str, int], ca: Path) -> str:
    program = f"import ssl; print(ssl.get_server_certificate({address!r}, ca_certs={str(ca)!r}))"
    return run([sys.executable, "-c", program]).out


# while a portal scrapes


class Portal:
    """A real Prometheus that scrapes a gate every second, and its token file."""

    def __init__(self, directory: Path, site: Site) -> None:
        self.credentials = directory / "token"
        self.use(site.token)
        self.server = Prometheus(
            directory / "portal",
            scrape_configs=[
                {
                    "job_name": "site",
                    "scrape_interval": "1s",
                    "scrape_timeout": "1s",
                    "metrics_path": "/federate",
                    "params": {"match[]": [ALLOWED]},
                    "honor_labels": True,
                    "honor_timestamps": False,
                    "authorization": {"credentials_file": str(self.credentials)},
                    "static_configs": [{"targets": [f"{LOOPBACK}:{site.gate.port}"]}],
                }
            ],
        )

    def use(self, token: str) -> None:
        """Use a token from the next scrape."""
        temporary = self.credentials.with_suffix(".new")
        temporary.write_text(token)
        temporary.replace(self.credentials)

    def value(self, query: str) -> float | None:
        """Return the value of a query with at most one series."""
        url = f"{self.server.url}/api/v1/query"
        result = requests.get(url, params={"query": query}, timeout=10).json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def settles(self, query: str, value: float | None) -> bool:
        return wait_for(lambda: self.value(query) == value, timeout=15)

    def receives_usage(self) -> bool:
        """Wait until Prometheus has exactly the allowed series; return whether it does."""
        return (
            self.settles('count({job="project_usages"})', len(ALLOWED_SERIES))
            and self.value('up{job="site"}') == 1
        )

    def is_shut_out(self) -> bool:
        """Wait until scrapes fail and the series end; return whether they do."""
        return self.settles('up{job="site"}', 0) and self.settles('count({job="project_usages"})', None)


SINCE_THE_START = "min_over_time(up{job='site'}[1h])"


def test_a_token_is_rotated_without_a_failed_scrape_then_revoked(
    tmp_path: Path, prometheus: Prometheus
) -> None:
    site = make_site(tmp_path, prometheus.url, *UNHURRIED)
    portal = Portal(tmp_path, site)
    with site.gate, portal.server:
        assert portal.receives_usage()
        renewed = federate_token("rotate", "portal", "--grace", "4s", tokens=site.gate.tokens).strip()
        scrapes = portal.value("count_over_time(up{job='site'}[1h])") or 0
        assert wait_for(lambda: site.request(ALLOWED, token=renewed).status_code == 200, timeout=10)
        portal.use(renewed)
        assert wait_for(lambda: site.request(ALLOWED).status_code == 401, timeout=15)
        assert wait_for(
            lambda: (portal.value("count_over_time(up{job='site'}[1h])") or 0) > scrapes + 6, timeout=20
        )
        assert portal.value(SINCE_THE_START) == 1
        federate_token("revoke", "portal", tokens=site.gate.tokens)
        assert portal.is_shut_out()
        portal.use(new_token(site.gate.tokens, ALLOWED))
        assert portal.receives_usage()


def test_a_token_expires_while_it_is_used(tmp_path: Path, prometheus: Prometheus) -> None:
    gate = FederationGate(tmp_path, prometheus.url)
    site = Site(gate, new_token(gate.tokens, ALLOWED, expires="8s"))
    expires = time.time() + 8
    portal = Portal(tmp_path, site)
    with gate, portal.server:
        assert portal.receives_usage()
        assert time.time() < expires
        assert portal.is_shut_out()
        assert time.time() >= expires - 1


def test_a_restarted_gate_is_scraped_again(tmp_path: Path, prometheus: Prometheus) -> None:
    site = make_site(tmp_path, prometheus.url)
    portal = Portal(tmp_path, site)
    with site.gate, portal.server:
        assert portal.receives_usage()
        site.gate.stop()
        assert portal.is_shut_out()
        site.gate.start()
        site.gate.wait_ready()
        assert portal.receives_usage()


def test_an_invalid_token_file_is_ignored_and_reported(tmp_path: Path, recorder: Recorder) -> None:
    site = make_site(tmp_path, recorder.url, "--requests-per-second", "0")
    with site.gate:
        kept = site.gate.tokens.read_text()
        site.gate.tokens.write_text(kept[:-20])
        assert wait_for(lambda: "chrysaetos_federation_tokens_current 0.0" in site.metrics(), timeout=10)
        assert site.request(ALLOWED).status_code == 200
        site.gate.tokens.write_text(kept)
        assert wait_for(lambda: "chrysaetos_federation_tokens_current 1.0" in site.metrics(), timeout=10)
        assert site.request(ALLOWED).status_code == 200
    assert "the previous tokens stay in force" in site.gate.log.read_text()


# inside the gateway


def test_the_gateway_serves_portals_and_its_own_users(
    tmp_path: Path, prometheus: Prometheus, gateway_for: GatewayFor, people: People, tokens: Tokens
) -> None:
    file = tmp_path / "tokens.json"
    token = new_token(file, ALLOWED)
    conf = {"tokens_file": str(file), "requests_per_second": "0", "failures_per_second": "0"}
    gateway = gateway_for(prometheus, federation=conf)
    own = {"X-Auth-Token": tokens.project(people.admin)}
    address = (LOOPBACK, gateway.port)
    for case in HARMLESS:
        answer = send(address, case, token)
        assert statuses(answer) == [200], case.name
        assert selected(_unchunked(answer, answer.partition(b"\r\n\r\n")[2])) == ALLOWED_SERIES, case.name
    # The gateway's users can use /federate, and a portal's token works for no other path.
    url = f"{gateway.root_url}/federate"
    everything = requests.get(url, params={"match[]": '{__name__!=""}'}, headers=own, timeout=10)
    assert len(selected(everything.text)) == len(SERIES)
    for path in ("/api/v1/query?query=up", "/-/healthy", "/"):
        portal = {"Authorization": f"Bearer {token}"}
        assert requests.get(gateway.root_url + path, headers=portal, timeout=10).status_code == 404
    unknown = requests.get(url, headers={"Authorization": "Bearer cft_unknown"}, timeout=10)
    assert (unknown.status_code, unknown.headers["WWW-Authenticate"]) == (401, 'Bearer realm="federation"')


def test_the_gateway_rejects_the_attacks(tmp_path: Path, recorder: Recorder, gateway_for: GatewayFor) -> None:
    file = tmp_path / "tokens.json"
    token = new_token(file, ALLOWED)
    conf = {"tokens_file": str(file), "requests_per_second": "0", "failures_per_second": "0"}
    gateway = gateway_for(recorder, federation=conf)
    before = len(recorder.received)
    for attack in ATTACKS:
        answer = send((LOOPBACK, gateway.port), attack, token)
        assert verdict(answer) == "refused", (attack.name, answer)
        assert b"/federate" not in recorder.received[before:], attack.name
    assert federate_token("list", tokens=file).count("portal") == 1
