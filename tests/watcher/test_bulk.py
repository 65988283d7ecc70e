from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from chrysaetos.client import errors
from chrysaetos.watcher.bulk import Bulk
from chrysaetos.watcher.parts import HostPart, InstancePart
from chrysaetos.watcher.queries import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

CPU = Reading.of("instance_cpu_usage", "ceilometer_cpu", "mean", 300, None)
RAM = Reading.of("instance_ram_usage", "ceilometer_memory_usage", "mean", 300, None)
HOSTS = Reading.of("host_cpu_usage", "node_cpu_seconds_total", "mean", 300, None)


@dataclass
class Series:
    labels: dict[str, str]
    value: float


@dataclass
class Server:
    """Hosts by name, and a limit above which it refuses a query."""

    names: tuple[str, ...]
    most: int = 1000
    error: type[errors.MetricsError] = errors.TooLarge
    queries: list[str] = field(default_factory=list)

    def ask(self, query: str) -> Sequence[Series]:
        self.queries.append(query)
        found = [name for name in self.names if 'fqdn!=""' in query or name in query]
        if len(found) > self.most:
            raise self.error("too much")
        return [Series({"fqdn": name}, number) for number, name in enumerate(self.names) if name in found]


NAMES = ("alpha", "beta", "gamma", "delta")
WHOLE = HostPart(NAMES)
EXPECTED = {"alpha": 0.0, "beta": 1.0, "gamma": 2.0, "delta": 3.0}


def test_a_reading_is_asked_for_once() -> None:
    server = Server(NAMES)
    bulk = Bulk(server.ask, limit=10)
    assert bulk.values(HOSTS, "fqdn", WHOLE) == EXPECTED
    assert bulk.values(HOSTS, "fqdn", WHOLE) == EXPECTED
    assert len(server.queries) == bulk.queries == 1


@pytest.mark.parametrize("most", [1, 2, 3])
def test_what_is_too_large_is_asked_for_in_parts(most: int) -> None:
    server = Server(NAMES, most)
    bulk = Bulk(server.ask, limit=10)
    assert bulk.values(HOSTS, "fqdn", WHOLE) == EXPECTED


def test_the_next_reading_starts_with_the_parts_of_the_last() -> None:
    server = Server(NAMES, 2)
    bulk = Bulk(server.ask, limit=10)
    bulk.values(HOSTS, "fqdn", WHOLE)
    assert len(server.queries) == 3
    memory = Reading.of("host_ram_usage", "node_memory_MemAvailable_bytes", "mean", 300, None)
    assert bulk.values(memory, "fqdn", WHOLE) == EXPECTED
    assert len(server.queries) == 5


def test_an_answer_at_the_limit_may_have_been_cut_off() -> None:
    server = Server(NAMES)
    bulk = Bulk(server.ask, limit=4)
    assert bulk.values(HOSTS, "fqdn", WHOLE) == EXPECTED
    assert len(server.queries) == 3


def test_what_cannot_be_cut_any_further_is_refused() -> None:
    server = Server(NAMES, 0)
    with pytest.raises(errors.TooLarge):
        Bulk(server.ask, limit=10).values(HOSTS, "fqdn", WHOLE)


def test_only_a_few_timeouts_are_waited_for() -> None:
    server = Server(NAMES * 50, 0, errors.Timeout)
    with pytest.raises(errors.Timeout):
        Bulk(server.ask, limit=999).values(HOSTS, "fqdn", HostPart(NAMES * 50))
    assert len(server.queries) == 3


def test_another_error_is_not_asked_about_in_parts() -> None:
    server = Server(NAMES, 0, errors.Forbidden)
    with pytest.raises(errors.Forbidden):
        Bulk(server.ask, limit=10).values(HOSTS, "fqdn", WHOLE)
    assert len(server.queries) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_left_out(value: float) -> None:
    def ask(_: str) -> Sequence[Series]:
        return [Series({"resource": "a"}, value), Series({"resource": "b"}, 0.0)]

    assert Bulk(ask, limit=10).values(CPU, "resource", InstancePart()) == {"b": 0.0}


def test_readings_have_their_own_answers() -> None:
    def ask(query: str) -> Sequence[Series]:
        return [Series({"resource": "a"}, 1.0 if "ceilometer_cpu" in query else 2.0)]

    bulk = Bulk(ask, limit=10)
    assert bulk.values(CPU, "resource", InstancePart()) == {"a": 1.0}
    assert bulk.values(RAM, "resource", InstancePart()) == {"a": 2.0}
