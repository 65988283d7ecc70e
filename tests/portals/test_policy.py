"""What a token may see, and how requests are conjoined with it."""

import re

import pytest

from chrysaetos.errors import ConfigError, QueryError
from chrysaetos.portals import policy as policy_module
from chrysaetos.portals.policy import Policy
from chrysaetos.promql.parser import Bounds

USAGE = '{job="project_usages",__name__=~"project_.*_usage"}'
BOTH = 'job="project_usages",__name__=~"project_.*_usage"'


@pytest.mark.parametrize(
    ("asked", "sent"),
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
def test_the_policys_matchers_stand_beside_the_requests(asked, sent):
    assert Policy((USAGE,)).conjoin(asked) == [sent]


def test_each_selector_of_the_policy_is_conjoined():
    policy = Policy((USAGE, 'up{job="x"}'))
    assert policy.conjoin('{a="b"}') == [f'{{{BOTH},a="b"}}', '{__name__="up",job="x",a="b"}']
    assert policy.conjoin("up") == ['{__name__="up",__name__="up",job="x"}']
    assert policy.selectors == (USAGE, 'up{job="x"}')


@pytest.mark.parametrize(
    "asked",
    ["secret", '{job="other"}', '{job=""}', '{__name__="project_usage"}', 'project_mb_usage{job="other"}'],
)
def test_what_has_plainly_nothing_in_common_with_it_is_none(asked):
    assert Policy((USAGE,)).conjoin(asked) == []


@pytest.mark.parametrize(
    ("allowed", "asked", "common"),
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
        # Where Python and Prometheus may read a pattern in two ways, Prometheus decides.
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
def test_only_what_is_certain_is_decided_ahead(allowed, asked, common):
    assert bool(Policy((allowed,)).conjoin(asked)) is common


_READ_DIFFERENTLY = (
    *("(a+)+", "(a|b)*", "a{2}", "[ab]", "\\w", "(?:a)", "a*", ".*+", ".*?", "^a", "a$", "ü", "(?P<n>a)"),
)


def test_what_is_evaluated_ahead_means_the_same_to_both_engines():
    """No sign that RE2 and Python read differently, and no repetition of a group, gets through."""
    plain = policy_module._PLAIN
    for pattern in _READ_DIFFERENTLY:
        assert not plain.fullmatch(pattern), pattern
    for pattern in ("project_.*_usage", "a|b", "project_(vcpu|mb)_usage", "10\\.0\\.0\\..+", "a-b:9100", ""):
        assert plain.fullmatch(pattern), pattern
        re.compile(pattern)


@pytest.mark.parametrize(
    "asked", ["", "a offset 5m", "a @ 0", "a[5m]", "sum(a)", "a or b", '{a="b" or c="d"}']
)
def test_what_is_no_selector_is_refused_at_its_place(asked):
    with pytest.raises(QueryError) as caught:
        Policy((USAGE,)).conjoin(asked)
    assert caught.value.text == asked


def test_the_bounds_are_the_requests():
    policy = Policy((USAGE,))
    with pytest.raises(QueryError):
        policy.conjoin('{a="bcdefgh"}', Bounds(bytes=8))
    assert policy.conjoin('{a="b"}', Bounds(bytes=8))


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        ((), "at least one selector"),
        (("{}",), "would be everything"),
        (("a offset 5m",), "is not a selector"),
        (("sum(a)",), "is not a selector"),
        (("a", "b{"), "is not a selector"),
        (("",), "is not a selector"),
    ],
)
def test_a_policy_is_made_of_selectors_that_say_something(selectors, message):
    with pytest.raises(ConfigError, match=message):
        Policy(selectors)
