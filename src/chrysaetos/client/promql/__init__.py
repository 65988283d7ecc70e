r"""Build PromQL from parts, without pasting values into a query.

    >>> selector("ceilometer_cpu", {"resource": 'a"b'}, range=300)
    'ceilometer_cpu{resource="a\\"b"}[300s]'
    >>> aggregate("avg", call("rate", selector("ceilometer_cpu", range=300)), by=["resource"])
    'avg by (resource) (rate(ceilometer_cpu[300s]))'

A plain ``str`` is data and is quoted; an ``Expression`` is PromQL and is used unchanged. So a value can never
become syntax by mistake. Text that is already PromQL, such as an operator's setting, is passed to ``raw``.
"""

from __future__ import annotations

from chrysaetos.client.promql.expressions import (
    Expression,
    aggregate,
    binary,
    call,
    negate,
    raw,
    selector,
    subquery,
    with_offset,
)
from chrysaetos.client.promql.literals import duration, label_name, number, regex_literal, string
from chrysaetos.client.promql.matchers import (
    Matcher,
    equal,
    none_of,
    not_equal,
    not_regex,
    one_of,
    regex,
    starts_with,
)

__all__ = [
    "Expression",
    "Matcher",
    "aggregate",
    "binary",
    "call",
    "duration",
    "equal",
    "label_name",
    "negate",
    "none_of",
    "not_equal",
    "not_regex",
    "number",
    "one_of",
    "raw",
    "regex",
    "regex_literal",
    "selector",
    "starts_with",
    "string",
    "subquery",
    "with_offset",
]
