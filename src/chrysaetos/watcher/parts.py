"""How a cloud that is too large for one query is cut into parts.

A datasource never sees Watcher's model of the cloud, only one resource after the other. So the first query is
about everything that has the label. Hosts are known from Prometheus' targets and can be cut by name.
Instances are not known beforehand, but their ids are UUIDs, which their first digits cut evenly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from chrysaetos.client import promql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrysaetos.client.promql import Matcher

__all__ = ["HostPart", "InstancePart", "Part"]

_HEX: Final = "0123456789abcdef"
_DEPTH: Final = 3
"""Digits of the UUID that are used at most: 4,096 parts."""


class Part(Protocol):
    """A part of all hosts or of all instances."""

    def matcher(self, label: str) -> Matcher:
        """The matcher that selects it."""

    def halves(self) -> Sequence[Part]:
        """Two parts that make it up; empty when it cannot be cut any further."""


@dataclass(frozen=True, slots=True)
class HostPart:
    """Some hosts.

    Attributes:
        names: their values of the label.
        everything: whether these are all, so that they need not be named.
    """

    names: tuple[str, ...]
    everything: bool = True

    def matcher(self, label: str) -> Matcher:
        """All series with the label, or those of the hosts by name."""
        return promql.not_equal(label, "") if self.everything else promql.one_of(label, self.names)

    def halves(self) -> Sequence[HostPart]:
        """The first half of the names, and the second."""
        middle = len(self.names) // 2
        if middle == 0:
            return ()
        return tuple(HostPart(some, everything=False) for some in (self.names[:middle], self.names[middle:]))


@dataclass(frozen=True, slots=True)
class InstancePart:
    """The instances whose UUID starts in one way.

    Attributes:
        prefix: the first digits of the UUID.
        digits: what the next one may be.
    """

    prefix: str = ""
    digits: str = _HEX

    def matcher(self, label: str) -> Matcher:
        """All series with the label, or those whose id starts so."""
        if not self.prefix and self.digits == _HEX:
            return promql.not_equal(label, "")
        return promql.regex(label, f"{self.prefix}[{self.digits}].*")

    def halves(self) -> Sequence[InstancePart]:
        """The lower half of the digits, and the upper; below one digit, those of the next."""
        prefix, digits = self.prefix, self.digits
        if len(digits) == 1:
            prefix, digits = prefix + digits, _HEX
        if len(prefix) >= _DEPTH:
            return ()
        middle = len(digits) // 2
        return InstancePart(prefix, digits[:middle]), InstancePart(prefix, digits[middle:])
