"""The difference between this machine's clock and that of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.findings import ok, warning

if TYPE_CHECKING:
    from chrysaetos.findings import Finding

__all__ = ["compare_clock"]

_MAX_SKEW = 5.0


def compare_clock(server: str, theirs: float, *, before: float, after: float, step: float = 0.0) -> Finding:
    """Compare a server's clock with this machine's.

    Args:
        server: its name.
        theirs: its time when it responded, in seconds since the epoch.
        before: this machine's time before the request.
        after: this machine's time after the response.
        step: the resolution of ``theirs``.
    """
    ahead = theirs - after if theirs > after else min(0.0, theirs + step - before)
    if abs(ahead) <= _MAX_SKEW:
        return ok("clock", f"the clock of {server} agrees with this machine's")
    return warning(
        "clock",
        f"the clock of {server} is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's",
        "synchronize the clocks of both machines with NTP: tokens expire, and queries without a time are "
        "evaluated, by these clocks",
    )
