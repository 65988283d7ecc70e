"""The oracle for isolation on what OpenTelemetry sends: native histograms, names in UTF-8, types and units.

Both tenants send the same metrics of a service of the same name, with other buckets, types and units. So only
the project tells their series apart.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.e2e.engines import Prometheus3
from tests.e2e.oracle import Oracle
from tests.e2e.stack import STEP, Stores
from tests.engines import PROMETHEUS3_FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from tests.e2e.stack import GatewayFor, People, Window

FEATURES = (
    *PROMETHEUS3_FEATURES,
    *("created-timestamp-zero-ingestion", "otlp-native-delta-ingestion", "st-storage"),
    *("type-and-unit-labels", "use-start-timestamps"),
)
CUMULATIVE = {"aggregationTemporality": 2}
DELTA = {"aggregationTemporality": 1}

NAMES = (
    *("{'http.latency'}", "{'delta.latency'}", "{'rpc.size'}", "requests_total", "kind", "mixed", "xedim"),
    *("target_info", "build_info", "{'secret.latency'}", "secret_total"),
    *('{__type__="counter"}', '{__unit__=~".+"}', '{__name__=~".+"}'),
)
OF_VECTORS = (
    *("histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev", "histogram_stdvar"),
    *("absent", "timestamp", "start_timestamp", "scalar"),
)
OF_RANGES = (
    *("rate", "increase", "irate", "delta", "resets", "changes", "sum_over_time", "avg_over_time"),
    *("count_over_time", "first_over_time", "last_over_time", "absent_over_time", "ts_of_max_over_time"),
)
OF_MODIFIED_RANGES = ("rate", "increase", "delta", "resets", "changes")
OF_EACH = (
    "{0}",
    *(f"{name}({{0}})" for name in OF_VECTORS),
    *(f"{name}({{0}}[max_of(5m, range() / 2) + step()] offset -(1m * 2))" for name in OF_RANGES),
    *(f"{name}({{0}}[10m] anchored)" for name in OF_MODIFIED_RANGES),
    *(f"{name}({{0}}[10m] smoothed)" for name in OF_MODIFIED_RANGES),
    *(f"{name} by (__name__, __type__, {{0.label}}) ({{0}})" for name in ("sum", "avg", "count", "group")),
    "histogram_quantile(0.9, sum(rate({0}[10m])))",
    'histogram_quantiles({0}, "q", 0.1, 0.9)',
    "histogram_fraction(0, 4, {0})",
    'count_values("v", {0})',
    "limitk(2, {0})",
    "limit_ratio(-0.5, {0})",
    "{0} </ scalar(secret_total)",
    "{0} + on (path) {0}",
    "{0} + on (vm) fill_left (1) fill_right (2) {{'secret.latency'}}",
    "{0} unless on () secret_total",
    'label_replace({0}, "__name__", "secret_total", "", "")',
    "info({0})",
    'info({0}, {{"k8s.cluster.name"=~".+"}})',
    "info({0}, {{\"k8s.cluster.name\"='cluster-b1'}})",
    'count(info({0} @ end(), {{__name__=~".+_info", only_b=~".*"}}))',
)


class Otlp(Prometheus3):
    """Prometheus that receives OpenTelemetry's metrics and keeps their names."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, FEATURES)

    def command(self) -> list[str]:
        """Return the command line."""
        return [*super().command(), "--web.enable-otlp-receiver"]

    def prepare(self) -> None:
        """Write prometheus.yml with its section ``otlp``."""
        super().prepare()
        file = self.directory / "prometheus.yml"
        otlp = {
            "promote_resource_attributes": ["project", "vm"],
            "translation_strategy": "NoTranslation",
            "convert_histograms_to_nhcb": True,
        }
        file.write_text(json.dumps(json.loads(file.read_text()) | {"otlp": otlp}))

    def receive(self, message: dict[str, Any]) -> None:
        """Send it metrics."""
        sent = requests.post(f"{self.url}/api/v1/otlp/v1/metrics", json=message, timeout=30)
        assert sent.status_code == 200, sent.text


def attributes(pairs: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in pairs.items()]


class Sender:
    """A tenant's service.

    Args:
        window: the time range; the samples end at its ``now``.
        letter: the tenant's letter.
    """

    def __init__(self, window: Window, letter: str) -> None:
        self._times = range(window.now - 3000, window.now + 1, STEP)
        self._letter = letter
        self._first = 1 if letter == "a" else 1000

    def metrics(self) -> list[dict[str, Any]]:
        numbers: dict[str, Any] = {
            "dataPoints": [self._point(at, {"asDouble": self._count(at)}) for at in self._times]
        }
        counter = {"sum": CUMULATIVE | {"isMonotonic": True} | numbers}
        gauge = {"gauge": numbers}
        native = {"exponentialHistogram": CUMULATIVE | self._histograms(self._native)}
        metrics: list[dict[str, Any]] = [
            {"name": "http.latency", "unit": "s"} | native,
            {"name": "delta.latency", "exponentialHistogram": DELTA | self._histograms(self._native)},
            {"name": "rpc.size", "unit": "By", "histogram": CUMULATIVE | self._histograms(self._custom)},
            {"name": "requests_total", "unit": "1"} | counter,
            {"name": "build_info", "gauge": {"dataPoints": [self._info(at) for at in self._times]}},
        ]
        # A counter of one tenant is a gauge of the other, and a number is a histogram.
        if self._letter == "a":
            return [
                *metrics,
                self._named("kind", gauge),
                self._named("mixed", gauge),
                self._named("xedim", native),
            ]
        metrics += [self._named("kind", counter), self._named("mixed", native), self._named("xedim", gauge)]
        return [*metrics, self._named("secret_total", counter), self._named("secret.latency", native)]

    def message(self, project: str) -> dict[str, Any]:
        resource = {
            "service.name": "shop",
            "service.instance.id": "i",
            "project": project,
            "vm": f"{self._letter}1",
            "k8s.cluster.name": f"cluster-{self._letter}1",
        }
        scope = {"scope": {}, "metrics": self.metrics()}
        return {
            "resourceMetrics": [{"resource": {"attributes": attributes(resource)}, "scopeMetrics": [scope]}]
        }

    def _named(self, name: str, content: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "unit": "s" if self._letter == "a" else "By"} | content

    def _count(self, at: int) -> int:
        """Return a number that falls once."""
        return (at - self._times.start) // STEP % 40 + self._first

    def _point(self, at: int, content: dict[str, Any], **labels: str) -> dict[str, Any]:
        times = {"timeUnixNano": str(at * 10**9), "startTimeUnixNano": str((at - STEP) * 10**9)}
        return times | content | {"attributes": attributes({"path": "/x"} | labels)}

    def _info(self, at: int) -> dict[str, Any]:
        only = {f"only_{self._letter}": f"{self._letter}1"}
        return self._point(at, {"asDouble": 1}, job="shop", instance="i", **only)

    def _histograms(self, content: Any) -> dict[str, Any]:
        return {"dataPoints": [self._point(at, content(self._count(at))) for at in self._times]}

    def _native(self, count: int) -> dict[str, Any]:
        buckets = {"offset": self._first % 7, "bucketCounts": [str(count), "0", str(count)]}
        trace = {"asDouble": 1.5, "filteredAttributes": attributes({"trace": f"trace-of-{self._letter}1"})}
        return {
            "count": str(5 * count),
            "sum": 3.5 * count,
            "scale": self._first % 3,
            "zeroCount": str(count),
            "positive": buckets,
            "negative": buckets,
            "exemplars": [trace | {"timeUnixNano": str((self._times.start + count % 40 * STEP) * 10**9)}],
        }

    def _custom(self, count: int) -> dict[str, Any]:
        bounds: Sequence[float] = (1, 2, 5) if self._letter == "a" else (1, 3, 9, 27)
        counts = [str(count)] * (len(bounds) + 1)
        total = str(count * len(counts))
        return {"count": total, "sum": 7.25 * count, "explicitBounds": bounds, "bucketCounts": counts}


@pytest.fixture(scope="module")
def stores(
    servers: ExitStack, people: People, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> Stores:
    """Store AB and store A, which receive metrics."""
    tenants = {"a": str(people.a.project_id), "b": str(people.b.project_id)}
    made = []
    for letters in ("ab", "a"):
        server = Otlp(tmp_path_factory.mktemp("otlp"))
        servers.enter_context(server)
        for letter in letters:
            server.receive(Sender(window, letter).message(tenants[letter]))
        made.append(server)
    return Stores(*made)


@pytest.fixture(scope="module")
def oracle(gateway_for: GatewayFor, stores: Stores, people: People, window: Window) -> Iterator[Oracle]:
    oracle = Oracle(gateway_for(stores.ab), stores.a, people, window)
    yield oracle
    oracle.close()


@pytest.mark.parametrize("name", NAMES)
def test_queries_see_only_the_own_project(oracle: Oracle, name: str):
    found = 0
    for form in OF_EACH:
        query = form.replace("{0.label}", '"k8s.cluster.name"').format(name)
        for ask in (oracle.instant, oracle.range):
            status, content = ask(query)
            found += status == 200 and bool(content["data"]["result"])
        if not form.startswith(("info", "count(info")):
            oracle.exemplars(query)
    assert found > 5


def test_exemplars_of_native_histograms_are_found(oracle: Oracle):
    _, content = oracle.exemplars("{'http.latency'}")
    assert {one["labels"]["trace"] for series in content["data"] for one in series["exemplars"]} == {
        "trace-of-a1"
    }


@pytest.mark.parametrize("name", NAMES)
def test_selectors_see_only_the_own_project(oracle: Oracle, name: str, window: Window):
    oracle.select_everywhere(name)
    for label in ("__type__", "__unit__", "k8s.cluster.name", "U__k8s_2e_cluster_2e_name"):
        oracle.selecting(f"/api/v1/label/{label}/values", name)
        oracle.ask("/api/v1/search/label_values", [("label", label), ("match[]", name)])
    for path in ("/api/v1/search/metric_names", "/api/v1/search/label_names"):
        fuzzy = [("search[]", "secr"), ("fuzz_threshold", "1"), ("include_score", "true")]
        oracle.ask(path, [("match[]", name), *fuzzy])
    for pair in (("stats", "all"), ("cost", "true"), ("max_series", "1"), ("limit", "1")):
        for path in ("/api/v1/query", "/api/v1/query_cost"):
            oracle.ask(path, [("query", name), ("time", str(window.now)), pair])
