from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from chrysaetos.client import errors
from chrysaetos.watcher.bulk import BulkReader
from chrysaetos.watcher.parts import HostPart, InstancePart
from chrysaetos.watcher.queries import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CPU = Reading.create("instance_cpu_usage", "ceilometer_cpu", "mean", 300, None)
RAM = Reading.create("instance_ram_usage", "ceilometer_memory_usage", "mean", 300, None)
HOSTS = Reading.create("host_cpu_usage", "node_cpu_seconds_total", "mean", 300, None)


@dataclass
class Series:
    labels: Mapping[str, str]
    value: float


@dataclass
class Server:
    """Hosts by name, and a limit above which a query fails."""

    names: tuple[str, ...]
    limit: int = 1000
    error: type[errors.MetricsError] = errors.TooLarge
    queries: list[str] = field(default_factory=list)

    def query(self, query: str) -> Sequence[Series]:
        self.queries.append(query)
        found = [name for name in self.names if 'fqdn!=""' in query or name in query]
        if len(found) > self.limit:
            raise self.error("too much")
        return [Series({"fqdn": name}, number) for number, name in enumerate(self.names) if name in found]


NAMES = ("alpha", "beta", "gamma", "delta")
WHOLE = HostPart(NAMES)
EXPECTED = {"alpha": 0.0, "beta": 1.0, "gamma": 2.0, "delta": 3.0}


def test_a_reading_is_queried_once() -> None:
    server = Server(NAMES)
    bulk = BulkReader(server.query, limit=10)
    assert bulk.values(HOSTS, "fqdn", WHOLE) == EXPECTED
    assert bulk.values(HOSTS, "fqdn", WHOLE) == EXPECTED
    assert len(server.queries) == bulk.query_count == 1


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_result_that_is_too_large_is_read_in_parts(limit: int) -> None:
    server = Server(NAMES, limit)
    bulk = BulkReader(server.query, limit=10)
    assert bulk.values(HOSTS, "fqdn", WHOLE) == EXPECTED


def test_the_next_reading_starts_with_the_same_parts() -> None:
    server = Server(NAMES, 2)
    bulk = BulkReader(server.query, limit=10)
    bulk.values(HOSTS, "fqdn", WHOLE)
    assert len(server.queries) == 3
    memory = Reading.create("host_ram_usage", "node_memory_MemAvailable_bytes", "mean", 300, None)
    assert bulk.values(memory, "fqdn", WHOLE) == EXPECTED
    assert len(server.queries) == 5


def test_a_result_at_the_limit_is_read_in_parts() -> None:
    server = Server(NAMES)
    bulk = BulkReader(server.query, limit=4)
    assert bulk.values(HOSTS, "fqdn", WHOLE) == EXPECTED
    assert len(server.queries) == 3


def test_a_part_that_cannot_be_split_fails() -> None:
    server = Server(NAMES, 0)
    with pytest.raises(errors.TooLarge):
        BulkReader(server.query, limit=10).values(HOSTS, "fqdn", WHOLE)


def test_the_number_of_timeouts_is_limited() -> None:
    server = Server(NAMES * 50, 0, errors.Timeout)
    with pytest.raises(errors.Timeout):
        BulkReader(server.query, limit=999).values(HOSTS, "fqdn", HostPart(NAMES * 50))
    assert len(server.queries) == 3


def test_other_errors_are_not_retried_in_parts() -> None:
    server = Server(NAMES, 0, errors.Forbidden)
    with pytest.raises(errors.Forbidden):
        BulkReader(server.query, limit=10).values(HOSTS, "fqdn", WHOLE)
    assert len(server.queries) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_left_out(value: float) -> None:
    def query(_: str) -> Sequence[Series]:
        return [Series({"resource": "a"}, value), Series({"resource": "b"}, 0.0)]

    assert BulkReader(query, limit=10).values(CPU, "resource", InstancePart()) == {"b": 0.0}


def test_each_reading_has_its_own_values() -> None:
    def query(query: str) -> Sequence[Series]:
        return [Series({"resource": "a"}, 1.0 if "ceilometer_cpu" in query else 2.0)]

    bulk = BulkReader(query, limit=10)
    assert bulk.values(CPU, "resource", InstancePart()) == {"a": 1.0}
    assert bulk.values(RAM, "resource", InstancePart()) == {"a": 2.0}
