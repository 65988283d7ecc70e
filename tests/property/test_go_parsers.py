"""No scoped text that Prometheus' or VictoriaMetrics' own parser accepts has a selector without the scope.

``CHRYSAETOS_PARSER_TEXTS`` is the number of texts (5,000), ``CHRYSAETOS_SEED`` the seed.
"""

import os
import random
from collections import Counter

import pytest
from tests.e2e.hostile import ONLY_METRICSQL, OTHERWISE_READ
from tests.engines import program_of
from tests.promql.corpus import ACCEPTED, HOSTILE, REJECTED
from tests.property.fuzz import mutate
from tests.property.grammar import PIECES, Grammar
from tests.property.parsers import GoParsers
from tests.shared import shared, shared_hostile

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse
from chrysaetos.tenancy.enforce import scope_query
from chrysaetos.tenancy.portable import portable
from chrysaetos.tenancy.scope import Scope

COUNT = int(os.environ.get("CHRYSAETOS_PARSER_TEXTS", "5000"))
SEED = int(os.environ.get("CHRYSAETOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
BATCH = 1000
A = Scope.of("project", "A")
SCOPED = {("project", "=", "A"), ("project", "=~", "A")}
KNOWN = [
    text
    for text in (
        *(*ACCEPTED, *REJECTED, *(text for text, _ in HOSTILE)),
        *(*shared("accept.jsonl"), *shared("reject.jsonl"), *shared_hostile()),
        *(*OTHERWISE_READ, *ONLY_METRICSQL),
    )
    if len(text) < 1000
]


@pytest.fixture(scope="module")
def go_parsers():
    with GoParsers(program_of("go_parsers")) as parser:
        yield parser


def unscoped(readings):
    """Return whether a reading has a selector without the scope, or a call of info() without a selector."""
    return any(not SCOPED.intersection(matchers) for one in readings for matchers in one.selectors) or any(
        arguments != 2 for one in readings for arguments in one.infos
    )


def selectors(reading):
    """Count the selectors by their matchers, without the scope's."""
    return Counter(tuple(sorted(SCOPED.symmetric_difference({*one, *SCOPED}))) for one in reading.selectors)


def same_but_scoped(before, after):
    """Return whether a scoped text has the selectors of the original, and one more for each bare info()."""
    added = Counter({(): before.infos.count(1)})
    return selectors(before) + added == selectors(after)


def test_readings(go_parsers):
    texts = ["up", "a{b='c'} + info(d)", "1", "up{", "é", "\ud800", "1 < bool.5"]
    prometheus, victoria_metrics = zip(*go_parsers.read(texts), strict=True)
    up, sum_, one, *refused, unquoted, half, bool_ = prometheus
    name = ("__name__", "=", "up")
    assert up == [([[name]], [])]
    assert sum_ == [([[("b", "=", "c"), ("__name__", "=", "a")], [("__name__", "=", "d")]], [1])]
    assert one == [([], [])]
    assert refused == [[]]
    assert unquoted == [([[("__name__", "=", "é")]], [])]
    assert half == []
    assert bool_ == [([], []), ([[("__name__", "=", "bool.5")]], [])]
    assert unscoped(up)
    assert unscoped(bool_)
    # It has no info(), and a name may be anything.
    assert victoria_metrics == (up, [], one, [], unquoted, [], [bool_[1]])
    assert not unscoped(one)
    for readings in go_parsers.read(['up{project="A"}'])[0]:
        assert readings
        assert not unscoped(readings)
    assert unscoped(go_parsers.read(['info(up{project="A"})'])[0].prometheus)
    (several,) = go_parsers.read(['{project="A" or a="b"} + {}'])[0].victoria_metrics
    assert unscoped([several])


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("a{b='c'} + a", 'a{project="A",b="c"} + a{project="A"}', True),
        ("info(a)", 'info(a{project="A"},{project="A"})', True),
        ("info(a,{b='c'})", 'info(a{project="A"},{project="A",b="c"})', True),
        ("a{b='c'} + a", 'a{project="A"} + a{project="A"}', False),
        ("a{b='c'} + a", 'a{project="A",b="c"}', False),
        ("a", 'b{project="A"}', False),
        ("a", 'a{project="A",b="c"}', False),
        ("a", 'a{project="A"} + {project="A"}', False),
        ("info(a)", 'info(a{project="A"})', False),
    ],
)
def test_readings_that_differ_in_the_scope_alone(go_parsers, before, after, same):
    (one,), (other,) = (readings.prometheus for readings in go_parsers.read([before, after]))
    assert same_but_scoped(one, other) is same


def texts(chance):
    """Yield texts without end: known ones, whole queries, mutations of both, and tokens in any order."""
    yield from KNOWN
    corpus = [text.encode("utf-8", "surrogatepass") for text in KNOWN]
    grammars = Grammar(chance), Grammar(chance, depth=2)
    while True:
        kind = chance.randrange(8)
        if kind == 0:
            yield chance.choice(("", " ")).join(chance.choices(PIECES, k=chance.randrange(1, 12)))
            continue
        data = chance.choice(corpus) if kind < 4 else chance.choice(grammars).query().encode()
        for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
            data = mutate(chance, data, corpus)
        if len(data) < 5000:
            yield data.decode("utf-8", "surrogateescape")


def scoped_or_none(text):
    try:
        return scope_query(text, A)
    except QueryError:
        return None


def test_texts_that_the_parsers_accept_are_scoped(go_parsers):
    source = texts(random.Random(SEED))  # not for secrets
    tried = 0
    accepted: Counter[str] = Counter()
    while tried < COUNT:
        batch = [next(source) for _ in range(min(BATCH, COUNT - tried))]
        tried += len(batch)
        pairs = [(text, one) for text in batch if (one := scoped_or_none(text)) is not None]
        before, after = (go_parsers.read([pair[side] for pair in pairs]) for side in (0, 1))
        for (text, scoped), one, other in zip(pairs, before, after, strict=True):
            for name, readings in other._asdict().items():
                assert not unscoped(readings), (SEED, name, scoped, readings)
                accepted[name] += bool(readings)
            # Texts that engines parse differently are rewritten.
            if len(one.prometheus) == len(other.prometheus) == 1 and portable(parse(text)) == text:
                assert same_but_scoped(one.prometheus[0], other.prometheus[0]), (SEED, text, scoped)
    assert len(accepted) == 2, (SEED, accepted)
    assert min(accepted.values()) > COUNT / 6, (SEED, accepted)
