"""Nothing that is scoped here, and accepted by Prometheus' own parser, has a selector without the scope.

``CHRYSAETOS_PARSER_TEXTS`` says how many texts are tried (5,000), ``CHRYSAETOS_SEED`` which.
"""

import os
import random

import pytest
from tests.engines import program_of
from tests.promql.corpus import ACCEPTED, HOSTILE, REJECTED
from tests.property.fuzz import mutate
from tests.property.go_parser import GoParser
from tests.property.grammar import PIECES, Grammar
from tests.shared import shared, shared_hostile

from chrysaetos.errors import QueryError
from chrysaetos.tenancy.enforce import scope_query
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
    )
    if len(text) < 1000
]


@pytest.fixture(scope="module")
def go_parser():
    with GoParser(program_of("prometheus3_parser")) as parser:
        yield parser


def unscoped(readings):
    """Whether a reading has a selector without the scope, or a call of info() that selects on its own."""
    return any(not SCOPED.intersection(matchers) for one in readings for matchers in one.selectors) or any(
        arguments != 2 for one in readings for arguments in one.infos
    )


def test_readings(go_parser):
    texts = ["up", "a{b='c'} + info(d)", "1", "up{", "é", "\ud800", "1 < bool.5"]
    up, sum_, one, *refused, unquoted, half, bool_ = go_parser.read(texts)
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
    assert not unscoped(one)
    ((scoped,),) = go_parser.read(['up{project="A"}'])
    assert not unscoped([scoped])
    assert unscoped(go_parser.read(['info(up{project="A"})'])[0])


def texts(chance):
    """Texts without end: known ones, whole queries, what mutations make of both, and tokens in any order."""
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


def test_what_both_accept_is_scoped(go_parser):
    source = texts(random.Random(SEED))  # noqa: S311  # not for secrets
    tried = both = 0
    while tried < COUNT:
        batch = [next(source) for _ in range(min(BATCH, COUNT - tried))]
        tried += len(batch)
        scoped = [one for one in map(scoped_or_none, batch) if one is not None]
        for text, readings in zip(scoped, go_parser.read(scoped), strict=True):
            assert not unscoped(readings), (SEED, text, readings)
            both += bool(readings)
    assert both > COUNT / 5, (SEED, both)
