from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from chrysaetos.watcher.parts import HostPart, InstancePart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.watcher.parts import Part


def cut(part: Part, depth: int) -> Iterator[Part]:
    halves = part.halves() if depth else ()
    if not halves:
        yield part
    for half in halves:
        yield from cut(half, depth - 1)


def matches(part: Part, value: str) -> bool:
    matcher = part.matcher("label")
    if matcher.operator == "!=":
        return value != matcher.value
    if matcher.operator == "=":
        return value == matcher.value
    return re.fullmatch(matcher.value.removeprefix("(?s)"), value) is not None


def test_the_whole_matches_all_series_with_the_label() -> None:
    for whole in (HostPart(("a", "b")), InstancePart()):
        assert matches(whole, "anything")
        assert not matches(whole, "")


def test_each_instance_is_in_exactly_one_part() -> None:
    ids = [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number))) for number in range(300)]
    for depth in range(1, 7):
        parts = list(cut(InstancePart(), depth))
        assert len(parts) == 2**depth
        assert all(sum(matches(part, one) for part in parts) == 1 for one in ids)


def test_splitting_instances_ends() -> None:
    assert len(list(cut(InstancePart(), 99))) == 16**3


def test_each_host_is_in_exactly_one_part() -> None:
    names = tuple(f"host-{number}.cloud.example" for number in range(7))
    for depth in range(1, 5):
        parts = list(cut(HostPart(names), depth))
        assert all(sum(matches(part, name) for part in parts) == 1 for name in names)
    assert len(list(cut(HostPart(names), 99))) == len(names)


def test_names_are_not_patterns() -> None:
    first, _ = HostPart(("a.b", "c", "d", "e")).halves()
    assert not matches(first, "axb")


def test_a_single_host_cannot_be_split() -> None:
    assert HostPart(("a",)).halves() == ()
    assert HostPart(()).halves() == ()
