"""A mapping of limited size that evicts the least recently used entry."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

__all__ = ["Lru", "size_of"]

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


def size_of(*values: object) -> int:
    """Return how many bytes texts and numbers take in memory, also those in tuples."""
    return sum(
        sys.getsizeof(value) + (size_of(*value) if isinstance(value, tuple) else 0) for value in values
    )


class Lru(Generic[K, V]):
    """A bounded mapping. Every operation is O(1).

    Args:
        size: the maximum number of entries.
        weigh: returns the weight of an entry, such as its bytes; always the same for an entry.
        max_weight: the weight of all entries together. A heavier entry is not kept at all.

    Attributes:
        weight: the weight of all entries together; 0 without ``weigh``.
    """

    __slots__ = ("_entries", "_max_weight", "_size", "_weigh", "weight")

    def __init__(
        self, size: int, *, weigh: Callable[[K, V], int] = lambda _key, _value: 0, max_weight: int = 0
    ) -> None:
        self._size = size
        self._weigh = weigh
        self._max_weight = max_weight
        self._entries: OrderedDict[K, V] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the value of a key, None if there is none."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def items(self) -> Iterable[tuple[K, V]]:
        """Return the keys and values, the least recently used first."""
        return self._entries.items()

    def put(self, key: K, value: V) -> None:
        """Keep a value, in place of an earlier one of the same key."""
        self.drop(key)
        weight = self._weigh(key, value)
        if weight > self._max_weight:
            return
        self._entries[key] = value
        self.weight += weight
        while len(self._entries) > self._size or self.weight > self._max_weight:
            self.weight -= self._weigh(*self._entries.popitem(last=False))

    def drop(self, key: K) -> None:
        """Forget a key, if it is there."""
        value = self._entries.pop(key, None)
        if value is not None:
            self.weight -= self._weigh(key, value)

    def clear(self) -> None:
        """Forget every key."""
        self._entries.clear()
        self.weight = 0
