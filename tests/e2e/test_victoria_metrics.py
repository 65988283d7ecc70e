"""The oracle for isolation before VictoriaMetrics, whose language is another one that looks like PromQL.

What both engines know is answered alike over the store of A and B and over that of A alone. What only
VictoriaMetrics knows does not reach it.
"""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import requests
from tests.e2e.asking import Asker, basic, close, meaning
from tests.e2e.hostile import HOSTILE, REFUSED, SELECTORS, shared
from tests.e2e.oracle import Oracle
from tests.e2e.stack import store_text
from tests.e2e.test_generated import NAMES, SEED
from tests.property.strategies import Grammar

from chrysaetos.demo.processes import LOOPBACK, DemoError, Server, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from tests.e2e.stack import GatewayFor, People, Window

    from chrysaetos.demo.gateway import Gateway

METHODS = ("GET", "POST")
TRIES = 3
GENERATED = 150
NAME = re.compile(rf"(?<![\w.\\\"'`])(?:{'|'.join(NAMES)})(?![\w\"'`])")

# How long an answer took and how much was read for it is VictoriaMetrics' own matter.
OWN_NOTES = ("stats", "trace", "executionTimeMsec")

OTHERWISE_READ = (
    'secret #\r{vm!="x"}',
    'cpu #\r{vm!="x"}',
    'cpu{vm!="x"} or secret #\r{vm!="x"}',
    "cpu{vm!=`\\`} or cpu{vm!=`} or secret # `}",
    "cpu{vm!=`x`} or cpu{vm!=`\\`} or secret #`}",
    "cpu{vm!=`\\`} or secret or cpu{vm!=`\\`}",
    "{vm!=`\\`,k!=`} or secret #`}",
    "{vm!=`\\`,k!=`} or {project!=`x` #`}",
    "cpu{vm!='\\''} or cpu{vm!='} or secret # '}",
    'cpu{vm!="\\\\"} or cpu{vm!="} or secret # "}',
    "cpu{vm!='\"'} or secret or cpu{vm!='\"'}",
    'cpu{vm!="# "} or secret',
    "cpu{vm!=`\r`} or cpu{vm!=`# `}",
    'cpu{vm!="x"} # \n or secret',
    'cpu{#\rvm!="x"\n}',
    'sum by (vm #\r) (secret{vm!="x"}\n) (secret)',
    "sec\\x72et",
    "c\\pu",
    'cpu{v\\m!="x"}',
    '{__name__="cpu",__name__!="x"}',
    '{__name__=~"secret|cpu"}',
    'cpu{__graphite__="*"}',
    '{__graphite__="secret"}',
    '{project="B",project!~"A"}',
    'cpu{project=~"A|B",project!="A"}',
    "sum(secret) by (project)",
    "count_values without (vm) ('project', secret)",
)
"""Expressions of both that the two may read in different ways: ends of strings and of comments, escapes."""

ONLY_METRICSQL = (
    "WITH (x = secret) x",
    'with (f(m) = sum(m{project="B"})) f(cpu)',
    '{vm="a1" or project="B"}',
    'cpu{vm="a1" or vm="b1",project="B"}',
    "secret default 0",
    "cpu if secret",
    "cpu ifnot secret",
    "sum(secret) limit 5",
    "rate(secret_total[5m]) keep_metric_names",
    "union(cpu, secret)",
    "(cpu, secret)",
    'label_set(secret, "project", "A")',
    'label_del(secret, "project")',
    'alias(secret, "cpu")',
    "default_rollup(secret[5m])",
    "rollup(secret)",
    "rate(secret_total)",
    "secret[5i]",
    "cpu offset 1i",
    'label_match(secret, "project", ".*")',
)
"""Expressions that VictoriaMetrics takes and Prometheus does not."""


class VictoriaMetrics(Server):
    """VictoriaMetrics, one process.

    Args:
        directory: its folder; the store is `data` in it.

    Raises:
        DemoError: `victoria-metrics` is not on PATH.
    """

    name: ClassVar[str] = "VictoriaMetrics"
    ready_path: ClassVar[str] = "/health"

    def __init__(self, directory: Path) -> None:
        program = shutil.which("victoria-metrics")
        if program is None:
            raise DemoError(
                "victoria-metrics is not on PATH; on Debian and Ubuntu: "
                "sudo apt-get install --no-install-recommends victoria-metrics"
            )
        self._program = program
        super().__init__(directory)

    @property
    def url(self) -> str:
        """The root of its HTTP API."""
        return self.root_url

    def prepare(self) -> None:
        """It makes its folder itself."""

    def command(self) -> list[str]:
        """The program, with nothing between a query and the store."""
        return [
            self._program,
            f"-httpListenAddr={LOOPBACK}:{self.port}",
            f"-storageDataPath={self.directory / 'data'}",
            "-retentionPeriod=1y",
            "-memory.allowedBytes=256MiB",
            "-search.disableCache",
            "-search.latencyOffset=0s",
        ]

    def fill(self, text: Iterable[str], window: Window) -> None:
        """Import OpenMetrics text, and wait until every series of it is found."""
        lines = [
            f"{sample} {moment}000"
            for piece in text
            for sample, _, moment in (line.rpartition(" ") for line in piece.splitlines())
            if not sample.startswith("#") and not sample.endswith(" nan")  # which it would not store
        ]
        expected = len({line[: line.rindex("}")] for line in lines})
        url, body = f"{self.url}/api/v1/import/prometheus", "\n".join(lines) + "\n"
        requests.post(url, data=body.encode(), timeout=60).raise_for_status()

        def found() -> bool:
            requests.get(f"{self.url}/internal/force_flush", timeout=30).raise_for_status()
            times = {"start": str(window.start), "end": str(window.end)}
            pairs = {"match[]": '{__name__=~".+"}', **times}
            answer = requests.get(f"{self.url}/api/v1/series", params=pairs, timeout=30)
            return len(answer.json()["data"]) == expected

        assert wait_for(found, timeout=30), f"VictoriaMetrics does not show {expected} series"


def content_of(response: requests.Response) -> tuple[int, Any]:
    """Status and content, without what VictoriaMetrics notes about its work."""
    if response.content.startswith(b'{"status":'):
        # An answer to a bare range selector has another type there.
        response.headers["content-type"] = "application/json"
    status, content = meaning(response)
    for place in (content, content.get("data")) if isinstance(content, dict) else ():
        if isinstance(place, dict):
            for note in OWN_NOTES:
                place.pop(note, None)
    return status, content


class VictoriaOracle(Oracle):
    """The oracle for an engine that sums in no certain order, and tells what a query cost."""

    def ask(
        self, path: str, pairs: Sequence[tuple[str, str | bytes]], method: str = "GET"
    ) -> tuple[int, Any]:
        for _ in range(TRIES):
            ab, a = (content_of(asker(path, pairs, method=method)) for asker in (self._ab, self._a))
            if ab[0] == a[0] and close(ab[1], a[1]):
                break
        else:
            pytest.fail(f"{method} {path} {pairs!r}:\n  {ab}\n  {a}")
        status, content = ab
        assert status < 500, (path, pairs, content)
        if status == 200:
            self.nothing_of_b(content["data"] if isinstance(content, dict) else content, pairs)
        return status, content


@pytest.fixture(scope="module")
def gateways(
    servers: ExitStack,
    gateway_for: GatewayFor,
    people: People,
    window: Window,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Gateway, Gateway]:
    """Gateways before a VictoriaMetrics with the series of A and B, and before one with A's."""
    made = []
    for projects in ((people.a.project_id, people.b.project_id), (people.a.project_id,)):
        try:
            server = VictoriaMetrics(tmp_path_factory.mktemp("victoria"))
            servers.enter_context(server)
        except DemoError as error:
            pytest.fail(str(error), pytrace=False)
        server.fill(store_text(window, *map(str, projects)), window)
        made.append(gateway_for(server))  # type: ignore[arg-type]  # it has an address as a Prometheus has
    return made[0], made[1]


@pytest.fixture(scope="module")
def oracle(gateways: tuple[Gateway, Gateway], people: People, window: Window) -> Iterator[Oracle]:
    oracle = VictoriaOracle(*gateways, people, window)
    yield oracle
    oracle.close()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("query", [*HOSTILE, *REFUSED, *shared()], ids=lambda query: ascii(query[:50]))
def test_every_query_sees_the_own_project_alone(oracle: Oracle, query: str, method: str):
    oracle.instant(query, method)
    oracle.range(query, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("query", OTHERWISE_READ, ids=ascii)
def test_what_the_engines_read_otherwise_sees_the_own_project_alone(oracle: Oracle, query: str, method: str):
    oracle.instant(query, method)
    oracle.range(query, method)


@pytest.mark.parametrize("selector", [*SELECTORS, *OTHERWISE_READ], ids=ascii)
def test_every_selector_sees_the_own_project_alone(oracle: Oracle, selector: str):
    for method in METHODS:
        oracle.selecting("/api/v1/series", selector, method=method)
        oracle.selecting("/api/v1/labels", selector, method=method)
    for label in ("__name__", "project", "vm", "operator", "nothing", "__graphite__"):
        oracle.selecting(f"/api/v1/label/{label}/values", selector)
    oracle.selecting("/federate", selector)


@pytest.mark.parametrize(
    "path", ["/api/v1/series", "/api/v1/labels", "/api/v1/label/__name__/values", "/federate"]
)
def test_several_selectors_or_none_see_the_own_project_alone(oracle: Oracle, path: str):
    for selectors in ((), ("cpu", "secret"), ("secret", '{project="B"}', "cpu"), ('{__name__=~".+"}',) * 3):
        status, content = oracle.selecting(path, *selectors)
        assert status == 200
        assert content["data"] if isinstance(content, dict) else content


@pytest.mark.parametrize("query", ONLY_METRICSQL)
def test_what_only_victoria_metrics_knows_is_refused(oracle: Oracle, query: str):
    for method in METHODS:
        status, content = oracle.instant(query, method)
        assert (status, content["errorType"]) == (400, "bad_data")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "parameter",
    [
        ("extra_label", "project=B"),
        ("extra_filters", '{project="B"}'),
        ("extra_filters[]", '{project="B"}'),
        ("trace", "1"),
    ],
    ids=lambda parameter: parameter[0],
)
def test_parameters_that_only_victoria_metrics_knows_change_nothing(
    oracle: Oracle, window: Window, parameter: tuple[str, str], method: str
):
    asked = [("query", "cpu"), ("time", str(window.now))]
    _, plain = oracle.ask("/api/v1/query", asked, method)
    name, value = parameter
    status, content = oracle.ask("/api/v1/query", [*asked, (name, oracle.text(value))], method)
    assert status == 400 or content == plain


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/export",
        "/api/v1/export/csv",
        "/api/v1/export/native",
        "/api/v1/import/prometheus",
        "/api/v1/series/count",
        "/api/v1/status/active_queries",
        "/api/v1/status/top_queries",
        "/api/v1/status/tsdb",
        "/flags",
        "/graphite/metrics/find",
        "/internal/force_flush",
        "/metrics",
        "/prometheus/api/v1/query",
        "/render",
        "/snapshot/create",
        "/vmui/",
        "/write",
    ],
)
def test_endpoints_that_only_victoria_metrics_has_are_closed(
    gateways: tuple[Gateway, Gateway], people: People, path: str
):
    asker = Asker(gateways[0], basic(people.a))
    for method in METHODS:
        answer = asker(path, [("match[]", '{__name__=~".+"}'), ("query", "cpu")], method=method)
        assert answer.status_code in {403, 404, 405}, answer.text
    asker.close()


def test_the_tenants_own_data_are_there(oracle: Oracle, people: People):
    _, content = oracle.instant("cpu")
    assert [series["metric"]["vm"] for series in content["data"]["result"]] == ["a1", "a2"]
    _, content = oracle.range("rate(requests_total[5m])", "POST")
    assert [len(series["values"]) for series in content["data"]["result"]] == [7] * 4
    _, content = oracle.selecting("/api/v1/label/project/values")
    assert content["data"] == [people.a.project_id]
    _, lines = oracle.selecting("/federate", "cpu")
    assert len(lines) == 2


def test_the_store_of_both_would_show_more(gateways: tuple[Gateway, Gateway], people: People, window: Window):
    admin = Asker(gateways[0], basic(people.admin))
    content = admin("/api/v1/query", [("query", "cpu"), ("time", str(window.now))]).json()
    vms = {series["metric"]["vm"] for series in content["data"]["result"]}
    assert vms == {"a1", "a2", "b1", "b2", "host"}
    admin.close()


UNSOUND = ('{vm=~"a{2000}{2000}"}', '{vm=~"(?i)["}', '{vm=~"[[:none:]]"}')
"""Selectors with regular expressions that no engine takes; the gateway leaves judging them to the engine."""


def test_an_error_tells_nothing_of_what_stands_behind_the_gateway(
    gateways: tuple[Gateway, Gateway], people: People
):
    tenant, admin = (Asker(gateways[0], basic(account)) for account in (people.a, people.admin))
    for selector in (*SELECTORS, *OTHERWISE_READ, *UNSOUND):
        for path in ("/federate", "/api/v1/series", "/api/v1/query"):
            pairs = [("query" if path == "/api/v1/query" else "match[]", selector)]
            answer = tenant(path, pairs)
            for inner in ("remoteAddr", "requestURI", "127.0.0.1"):
                assert inner not in answer.text
            if answer.status_code >= 400:
                assert answer.json()["status"] == "error"
    for selector in UNSOUND:
        answer = tenant("/federate", [("match[]", selector)])
        assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
        assert "Prometheus refused the request" in answer.json()["error"]
    # To those who run the cloud it is told as it is.
    shown = admin("/federate", [("match[]", UNSOUND[0])])
    assert (shown.status_code, "remoteAddr" in shown.text) == (400, True)
    for asker in (tenant, admin):
        asker.close()


def test_generated_queries_see_the_own_project_alone(oracle: Oracle):
    chance = random.Random(SEED)  # noqa: S311  # the same queries each time
    grammar = Grammar(chance, modern=False, depth=3)
    seen: Counter[int] = Counter()
    with_data = 0
    for _ in range(GENERATED):
        query = NAME.sub(lambda match: NAMES[match[0]], grammar.query())
        ask = chance.choice((oracle.instant, oracle.range))
        status, content = ask(query, chance.choice(METHODS))
        seen[status] += 1
        assert isinstance(content, dict), (query, status, content)
        with_data += status == 200 and bool(content["data"]["result"])
    # An oracle that compares nothing but errors and empty answers says nothing.
    assert seen[200] > GENERATED / 2, seen
    assert with_data > GENERATED / 5, (with_data, seen)
