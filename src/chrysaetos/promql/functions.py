"""The functions of PromQL and their types.

The table is Prometheus' (``promql/parser/functions.go``, 3.16), experimental functions included, and
``holt_winters``, which Prometheus 3 renamed to ``double_exponential_smoothing``. Whether a function is
enabled is for the server to decide; a function that is not in the table is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FUNCTIONS", "Function", "Type"]

Type = Literal["scalar", "vector", "matrix", "string"]
"""Prometheus' value types, by their short names."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function's signature.

    Attributes:
        name: its name.
        args: types of its arguments; the last one repeats if more are allowed.
        least: the minimum number of arguments.
        most: the maximum number of arguments, None if it is unlimited.
        returns: type of the result.
    """

    name: str
    args: tuple[Type, ...]
    least: int
    most: int | None
    returns: Type


def _signatures() -> Mapping[str, Function]:
    table: dict[str, Function] = {}

    def add(names: str, *args: Type, optional: int | None = 0, returns: Type = "vector") -> None:
        """Add functions. ``optional``: number of arguments after the required ones; None for any number."""
        for name in names.split():
            least = len(args) if optional == 0 else len(args) - 1
            most = None if optional is None else least + optional
            table[name] = Function(name, args, least, most, returns)

    add(
        "abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor histogram_avg"
        " histogram_count histogram_stddev histogram_stdvar histogram_sum ln log10 log2 rad sgn sin sinh sort"
        " sort_desc sqrt start_timestamp tan tanh timestamp",
        "vector",
    )
    add(
        "absent_over_time avg_over_time changes count_over_time delta deriv first_over_time idelta increase"
        " irate last_over_time mad_over_time max_over_time min_over_time present_over_time rate resets"
        " stddev_over_time stdvar_over_time sum_over_time ts_of_first_over_time ts_of_last_over_time"
        " ts_of_max_over_time ts_of_min_over_time",
        "matrix",
    )
    add("day_of_month day_of_week day_of_year days_in_month hour minute month year", "vector", optional=1)
    add("clamp", "vector", "scalar", "scalar")
    add("clamp_max clamp_min", "vector", "scalar")
    add("round", "vector", "scalar", optional=1)
    add("info", "vector", "vector", optional=1)
    add("histogram_fraction", "scalar", "scalar", "vector")
    add("histogram_quantile", "scalar", "vector")
    add("histogram_quantiles", "vector", "string", "scalar", "scalar", optional=9)
    add("label_replace", "vector", "string", "string", "string", "string")
    add("label_join", "vector", "string", "string", "string", optional=None)
    add("sort_by_label sort_by_label_desc", "vector", "string", optional=None)
    add("double_exponential_smoothing holt_winters", "matrix", "scalar", "scalar")
    add("integral", "matrix", "scalar", optional=1)
    add("predict_linear", "matrix", "scalar")
    add("quantile_over_time", "scalar", "matrix")
    add("vector", "scalar")
    add("scalar", "vector", returns="scalar")
    add("end pi range start step time", returns="scalar")
    add("max_of min_of", "scalar", "scalar", returns="scalar")
    return table


FUNCTIONS = _signatures()
