"""One description of each limit on portals, from which all ways to configure it are generated.

``[federation]`` has an option for each limit (``options``), and ``chrysaetos federate`` has arguments for
those that its operators need (``chrysaetos.federation.main``).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LIMITS", "Limit"]


class Limit(NamedTuple):
    """A limit on portals.

    Attributes:
        field: name of the attribute of ``GateLimits``, which has the default.
        option: name of the option in ``[federation]``.
        argument: the argument of ``chrysaetos federate``; None for no argument.
        metavar: the placeholder of the argument's value.
        minimum: the smallest value. If it is 0, 0 means no limit.
        per_worker: whether each worker of a gateway applies the limit separately.
        text: what is limited, as the beginning of a sentence without capital letter.
    """

    field: str
    option: str
    argument: str | None
    metavar: str
    minimum: float
    per_worker: bool
    text: str


LIMITS = (
    Limit(
        *("timeout", "timeout", "--timeout", "SECONDS", 0.1, False),
        "seconds to wait for Prometheus' response to a portal",
    ),
    Limit(
        *("total_seconds", "total_seconds", None, "SECONDS", 0.1, False),
        "seconds for a portal's whole request, including sending the response",
    ),
    Limit(
        *("response_bytes", "max_response_bytes", "--max-response-bytes", "BYTES", 0, False),
        "maximum size of a response to a portal, as sent",
    ),
    Limit(
        *("requests", "max_requests_per_portal", "--max-requests", "N", 1, True),
        "maximum number of requests of a portal in progress",
    ),
    Limit(
        *("requests_per_second", "requests_per_second", "--requests-per-second", "N", 0.0, True),
        "maximum number of requests of a portal per second",
    ),
    Limit(
        *("failures", "failures_burst", None, "N", 1, True),
        "maximum number of unknown tokens from an address at once",
    ),
    Limit(
        *("failures_per_second", "failures_per_second", "--failures-per-second", "N", 0.0, True),
        "maximum number of unknown tokens from an address per second, beyond the burst; "
        "valid tokens always work",
    ),
)
