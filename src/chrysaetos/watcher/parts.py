"""Split a cloud that is too large for one query.

A datasource does not have Watcher's model of the cloud; it gets one resource at a time. So the first query
selects all series with the label. Hosts are known from Prometheus' targets and are split by name. Instances
are not known in advance, but their ids are UUIDs, so their first digits split them evenly.
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
_MAX_DIGITS: Final = 3
"""The maximum number of digits of the UUID to split by: 4,096 parts."""


class Part(Protocol):
    """A subset of the hosts or of the instances."""

    def matcher(self, label: str) -> Matcher:
        """Return the matcher of the part's series."""

    def halves(self) -> Sequence[Part]:
        """Return the two halves of the part; empty if it cannot be split further."""


@dataclass(frozen=True, slots=True)
class HostPart:
    """A subset of the hosts.

    Attributes:
        names: the hosts' label values.
        everything: whether these are all hosts, so that the matcher need not name them.
    """

    names: tuple[str, ...]
    everything: bool = True

    def matcher(self, label: str) -> Matcher:
        """Return a matcher for all series with the label, or for those of the hosts by name."""
        return promql.not_equal(label, "") if self.everything else promql.one_of(label, self.names)

    def halves(self) -> Sequence[HostPart]:
        """Return the first and the second half of the names."""
        middle = len(self.names) // 2
        if middle == 0:
            return ()
        return tuple(
            HostPart(names, everything=False) for names in (self.names[:middle], self.names[middle:])
        )


@dataclass(frozen=True, slots=True)
class InstancePart:
    """The instances whose UUID has a given prefix.

    Attributes:
        prefix: the first digits of the UUID.
        digits: the possible values of the next digit.
    """

    prefix: str = ""
    digits: str = _HEX

    def matcher(self, label: str) -> Matcher:
        """Return a matcher for all series with the label, or for those with the prefix."""
        if not self.prefix and self.digits == _HEX:
            return promql.not_equal(label, "")
        return promql.regex(label, f"{self.prefix}[{self.digits}].*")

    def halves(self) -> Sequence[InstancePart]:
        """Return the lower and the upper half of the digits; for a single digit, split by the next one."""
        prefix, digits = self.prefix, self.digits
        if len(digits) == 1:
            prefix, digits = prefix + digits, _HEX
        if len(prefix) >= _MAX_DIGITS:
            return ()
        middle = len(digits) // 2
        return InstancePart(prefix, digits[:middle]), InstancePart(prefix, digits[middle:])
