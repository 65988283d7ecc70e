"""The programs that tests run beside those on PATH: what ``tools/engines.py`` built, or a variable names."""

from __future__ import annotations

import pytest
from tools.engines import ENGINES, built, missing

__all__ = ["PROMETHEUS3_FEATURES", "UNQUOTED_NAMES", "program_of"]

PROMETHEUS3_FEATURES = (
    *("promql-binop-fill-modifiers", "promql-delayed-name-removal", "promql-experimental-functions"),
    *("promql-per-step-stats", "query-cost", "search-api"),
)
"""What Prometheus 3.16 has behind ``--enable-feature`` and a query can tell, but for the next one."""

UNQUOTED_NAMES = "promql-unquoted-utf8-names"
"""With this feature, ``a.b`` and ``é`` are names. The gateway does not know that language."""


def program_of(name: str) -> str:
    """Return an engine's program, or skip the test where there is none.

    Args:
        name: its name in ``tools/engines.py``.
    """
    program = built(ENGINES[name])
    if program is None:
        pytest.skip(missing(ENGINES[name]))
    return str(program)
