"""PromQL's keywords: words that cannot be names everywhere. Case does not matter.

Source: Prometheus 3.16, ``promql/parser/lex.go``, ``key``.
"""

from __future__ import annotations

__all__ = ["AGGREGATORS", "DURATION_WORDS", "FILLS", "KEYWORDS", "NUMBERS"]

AGGREGATORS = frozenset(
    {
        *("avg", "bottomk", "count", "count_values", "group", "limit_ratio", "limitk", "max", "min"),
        *("quantile", "stddev", "stdvar", "sum", "topk"),
    }
)
FILLS = frozenset({"fill", "fill_left", "fill_right"})
DURATION_WORDS = frozenset({"step", "range", "max_of", "min_of"})
KEYWORDS = frozenset(
    {
        *("and", "or", "unless", "atan2", "offset", "smoothed", "anchored"),
        *("by", "without", "on", "ignoring", "group_left", "group_right", "bool", "start", "end"),
        *AGGREGATORS,
        *FILLS,
        *DURATION_WORDS,
    }
)
NUMBERS = frozenset({"inf", "nan"})
