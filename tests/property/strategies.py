"""Hypothesis strategies: queries, scopes, and texts that are not queries.

``CHRYSAETOS_EXAMPLES`` is the number of examples for each property, for long runs.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.property.grammar import PIECES, Grammar

__all__ = ["EXAMPLES", "junk", "queries", "scope_values", "selectors"]

EXAMPLES = settings(
    max_examples=int(os.environ.get("CHRYSAETOS_EXAMPLES", "150")),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def queries(*, modern: bool = True):
    """Queries that Prometheus accepts."""
    return st.randoms(use_true_random=False).map(lambda random: Grammar(random, modern=modern).query())


def selectors(*, modern: bool = True):
    """``match[]`` parameters that Prometheus accepts."""
    return st.randoms(use_true_random=False).map(lambda random: Grammar(random, modern=modern).selector())


def scope_values():
    """Project ids: any valid Unicode text that is not empty, including hostile ones."""
    hostile = (
        *("A", ".*", 'A"}', "A|B", "A\nB", "A\\", "ö", "\ufffd", "\x00", "A#", "`", "'", "𐍈", "}", '"'),
        *("\\n", "$^", "\x7f", "\u2028", "\\"),
    )
    text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
    return st.sampled_from(hostile) | text


def junk():
    """Texts that are mostly invalid: any characters, and PromQL's own tokens in any order."""
    mixed = st.lists(st.sampled_from(PIECES), max_size=25).flatmap(
        lambda parts: st.sampled_from(["", " "]).map(lambda gap: gap.join(parts))
    )
    return mixed | st.text(max_size=60)
