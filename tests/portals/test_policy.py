"""Policies: how a request is combined with the selectors that a token may read."""

import re

import pytest

from chrysaetos.errors import ConfigError, QueryError
from chrysaetos.portals import policy as policy_module
from chrysaetos.portals.policy import Policy
from chrysaetos.promql.parser import DEFAULT_BOUNDS

USAGE = '{job="project_usages",__name__=~"project_.*_usage"}'
BOTH = 'job="project_usages",__name__=~"project_.*_usage"'


@pytest.mark.parametrize(
    ("requested", "sent"),
    [
        (USAGE, f"{{{BOTH},{USAGE[1:]}"),
        ("project_mb_usage", f'{{__name__="project_mb_usage",{BOTH}}}'),
        ('project_mb_usage{a="b"}', f'{{__name__="project_mb_usage",{BOTH},a="b"}}'),
        ('{__name__=~".+"}', f'{{{BOTH},__name__=~".+"}}'),
        ('{job!="other"}', f'{{{BOTH},job!="other"}}'),
        ("{}", f"{{{BOTH}}}"),
        ("{ # c\n}", f"{{{BOTH} # c\n}}"),
    ],
)
def test_the_policys_matchers_are_added_to_the_requests(requested, sent):
    assert Policy((USAGE,)).conjoin(requested) == [sent]


def test_each_selector_of_the_policy_is_combined_with_the_request():
    policy = Policy((USAGE, 'up{job="x"}'))
    assert policy.conjoin('{a="b"}') == [f'{{{BOTH},a="b"}}', '{__name__="up",job="x",a="b"}']
    assert policy.conjoin("up") == ['{__name__="up",__name__="up",job="x"}']
    assert policy.selectors == (USAGE, 'up{job="x"}')


@pytest.mark.parametrize(
    "requested",
    ["secret", '{job="other"}', '{job=""}', '{__name__="project_usage"}', 'project_mb_usage{job="other"}'],
)
def test_requests_with_no_series_in_common_with_the_policy_get_none(requested):
    assert Policy((USAGE,)).conjoin(requested) == []


@pytest.mark.parametrize(
    ("allowed", "requested", "common"),
    [
        ('{a!="b"}', '{a="b"}', False),
        ('{a!="b"}', '{a="c"}', True),
        ('{a!~"b.*"}', '{a="bc"}', False),
        ('{a!~"b.*"}', '{a="cb"}', True),
        ('{a=~"b|c"}', '{a="c"}', True),
        ('{a=~"b|c"}', '{a="bc"}', False),
        ('{a=~"x(b|c)"}', '{a="xc"}', True),
        ('{a=~"x(b|c)"}', '{a="c"}', False),
        ('{a=~"b\\\\.c"}', '{a="b.c"}', True),
        ('{a=~"b\\\\.c"}', '{a="bxc"}', False),
        ('{a=~".+"}', '{a=""}', False),
        ('{a=~".*"}', '{a=""}', True),
        ('{a="b"}', '{a=~"c"}', True),
        ('{a="b"}', '{a!="b"}', True),
        ('{a=~"b"}', '{c="d"}', True),
        # If Python and Prometheus may disagree on a pattern, Prometheus decides.
        ('{a=~"[[:alpha:]]+"}', '{a="1"}', True),
        ('{a=~"(?i)b"}', '{a="c"}', True),
        ('{a=~"\\\\d"}', '{a="x"}', True),
        ('{a=~"b?"}', '{a="c"}', True),
        ('{a=~".*.*.*.*b"}', '{a="c"}', True),
        ('{a=~"(b"}', '{a="c"}', True),
        ('{a=~"b.c"}', '{a="b\\nc"}', True),
        ('{a=~"b.*"}', f'{{a="{"c" * 300}"}}', True),
    ],
)
def test_only_certain_mismatches_are_excluded(allowed, requested, common):
    assert bool(Policy((allowed,)).conjoin(requested)) is common


_READ_DIFFERENTLY = (
    *("(a+)+", "(a|b)*", "a{2}", "[ab]", "\\w", "(?:a)", "a*", ".*+", ".*?", "^a", "a$", "ü", "(?P<n>a)"),
)


def test_patterns_that_the_gate_evaluates_mean_the_same_in_re2():
    """The gate evaluates no syntax that RE2 and Python read differently, and no repeated group."""
    portable = policy_module._PORTABLE_PATTERN
    for pattern in _READ_DIFFERENTLY:
        assert not portable.fullmatch(pattern), pattern
    for pattern in ("project_.*_usage", "a|b", "project_(vcpu|mb)_usage", "10\\.0\\.0\\..+", "a-b:9100", ""):
        assert portable.fullmatch(pattern), pattern
        re.compile(pattern)


@pytest.mark.parametrize(
    "requested", ["", "a offset 5m", "a @ 0", "a[5m]", "sum(a)", "a or b", '{a="b" or c="d"}']
)
def test_invalid_requests_are_rejected_with_their_text(requested):
    with pytest.raises(QueryError) as caught:
        Policy((USAGE,)).conjoin(requested)
    assert caught.value.text == requested


def test_the_bounds_apply_to_the_request():
    policy = Policy((USAGE,))
    with pytest.raises(QueryError):
        policy.conjoin(f'{{a="{"b" * DEFAULT_BOUNDS.bytes}"}}')
    assert policy.conjoin(f'{{a="{"b" * (DEFAULT_BOUNDS.bytes // 2)}"}}')


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        ((), "at least one selector"),
        (("{}",), "selects every series"),
        (("a offset 5m",), "policy is invalid"),
        (("sum(a)",), "policy is invalid"),
        (("a", "b{"), "policy is invalid"),
        (("",), "policy is invalid"),
    ],
)
def test_invalid_policies_are_rejected(selectors, message):
    with pytest.raises(ConfigError, match=message):
        Policy(selectors)
