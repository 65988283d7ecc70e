"""Remote read messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.remote_read import EQ, NEQ, NRE, RE, Matcher, field, fields, query, read_queries

from chrysaetos.errors import ApiError, BadRequest, ContentTooLarge
from chrysaetos.tenancy.labels import LabelTable
from chrysaetos.tenancy.remote_read import MAX_QUERIES, scope_read_request
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope
from chrysaetos.tenancy.snappy import compress, decompress

A = Scope.of("project", "A")
LIMIT = 1 << 20
OWN = Matcher(RE, "project", "A")
CPU = Matcher(EQ, "__name__", "cpu")


def scoped(message, scope=A):
    return decompress(scope_read_request(compress(message), scope, LIMIT).body, LIMIT)


@pytest.mark.parametrize(
    "matchers",
    [
        [],
        [CPU],
        [CPU, Matcher(EQ, "project", "B")],
        [Matcher(NEQ, "project", "A")],
        [Matcher(RE, "project", ".*"), Matcher(NRE, "vm", "x|y")],
        [Matcher(EQ, "vm", "")],
    ],
)
def test_the_scope_is_added_and_nothing_is_removed(matchers):
    assert read_queries(scoped(query(matchers, 1, 2))) == [[*matchers, OWN]]


def test_each_query_is_scoped():
    message = query([CPU], 1, 2) + field(2, 1) + query([], 3, 4) + field(2, b"\x01\x00")
    assert read_queries(scoped(message)) == [[CPU, OWN], [OWN]]


def test_a_message_without_queries_is_accepted():
    assert scoped(b"") == b""
    assert scoped(field(1, b"")) == field(1, field(3, OWN.encode()))


def test_the_rest_of_a_query_stays():
    texts = field(2, b"rate") + field(5, b"vm") + field(5, b"zone")
    hints = field(1, 60) + texts + field(3, 2**64 - 1) + field(4, 9) + field(6, 1) + field(7, 300)
    message = query([CPU], 2**64 - 1000, 12345, field(4, hints)) + field(2, 1) + field(2, 0)
    (_, content), *rest = fields(scoped(message))
    assert rest == [(2, 1), (2, 0)]
    got = list(fields(content))
    assert got[:2] == [(1, 2**64 - 1000), (2, 12345)]
    assert got[3] == (4, hints)


def test_several_values_are_a_quoted_alternation():
    scope = Scope.of("tenant.id", "a.b", "c|d", "ä")
    assert read_queries(scoped(query([], 1, 2), scope)) == [[Matcher(RE, "tenant.id", r"a\.b|c\|d|ä")]]


def test_the_label_is_the_metrics_own_if_the_metric_is_fixed():
    table = LabelTable.of({"cpu": "tenant", "disk_*": "tenant"}, ["up"])
    scope = Scope("project", ("A",), table)
    tenant = Matcher(RE, "tenant", "A")

    def named(*matchers):
        ((*got, last),) = read_queries(scoped(query(matchers, 1, 2), scope))
        return last if got == list(matchers) else [*got, last]

    assert named(CPU) == tenant
    assert named(Matcher(EQ, "vm", "x"), Matcher(EQ, "__name__", "disk_io")) == tenant
    assert named(Matcher(EQ, "__name__", "memory")) == OWN
    assert named(Matcher(RE, "__name__", "cpu")) == OWN
    assert named(Matcher(NEQ, "__name__", "cpu")) == OWN
    assert named(CPU, Matcher(EQ, "__name__", "up")) == OWN
    assert named() == OWN
    up = Matcher(EQ, "__name__", "up")
    assert read_queries(scoped(query([up], 1, 2), scope)) == [[up]]


def test_a_duplicate_field_is_sent_once():
    twice = (
        field(2, b"x")
        + field(2, b"__name__")
        + field(1, 2)
        + field(1, 0)
        + field(3, b"up")
        + field(3, b"cpu")
    )
    assert read_queries(scoped(field(1, field(3, twice)))) == [[CPU, OWN]]
    assert scoped(field(1, field(3, twice))).count(b"__name__") == 1


def test_an_unrestricted_callers_message_is_not_changed():
    for body in (b"whatever", compress(field(9, 1)), compress(query([CPU], 1, 2) * 3)):
        assert scope_read_request(body, UNRESTRICTED, LIMIT).body == body


def test_matchers_are_returned_as_selectors():
    matchers = [CPU, Matcher(NEQ, "vm", 'a"\n'), Matcher(NRE, "k.v", "x|y")]
    given = r'{__name__="cpu",vm!="a\"\n","k.v"!~"x|y"}'
    body = compress(query(matchers, 1, 2) + query([], 1, 2))
    _, texts = scope_read_request(body, A, LIMIT)
    assert texts == ((given, given[:-1] + ',project=~"A"}'), ("{}", '{project=~"A"}'))
    _, texts = scope_read_request(body, UNRESTRICTED, LIMIT)
    assert texts == ((given, given), ("{}", "{}"))
    table = Scope("project", ("A",), LabelTable.of({}, ["cpu"]))
    assert scope_read_request(body, table, LIMIT).texts[0] == (given, given)


@pytest.mark.parametrize("body", [b"whatever", compress(field(9, 1)), compress(bytes(LIMIT + 1))])
def test_an_invalid_unrestricted_message_has_no_texts(body):
    assert scope_read_request(body, UNRESTRICTED, LIMIT).texts == ()


def test_the_scope_is_not_an_equality_which_external_labels_would_invert():
    ((matcher,),) = read_queries(scoped(query([], 1, 2)))
    assert matcher.type == RE


def test_packed_response_types_are_taken():
    assert list(fields(scoped(field(2, b"\x01\x00")))) == [(2, 1), (2, 0)]


@pytest.mark.parametrize(
    "message",
    [
        field(3, 1),  # ReadRequest
        field(3, b"x"),
        field(1, 1),
        field(2, 2),
        field(2, b"\x00\x02"),
        field(2, b"\x80"),
        field(0, 1),
        field(1, field(5, b"x")),  # Query
        field(1, field(1, b"x")),
        field(1, field(3, 1)),
        field(1, field(4, 1)),
        field(1, field(536870911, 1)),
        field(1, field(3, field(1, 4))),  # LabelMatcher
        field(1, field(3, field(1, b"x"))),
        field(1, field(3, field(2, 1))),
        field(1, field(3, field(3, b"\xff"))),
        field(1, field(3, field(4, b"x"))),
        field(1, field(4, field(8, 1))),  # ReadHints
        field(1, field(4, field(2, 1))),
        field(1, field(4, field(5, b"\xff"))),
        field(1, field(4, field(1, b"x"))),
        b"\x0b\x0c",  # a group
        b"\x0d\x00\x00\x00\x00",  # fixed32
        b"\x09" + bytes(8),  # fixed64
        b"\x0e\x00",  # no wire type at all
        b"\x0a",  # cut
        b"\x0a\x05abc",
        b"\x0a\xff\xff\xff\xff\x0f",
        field(1, b"\x1a\x05"),
        b"\x80" * 11 + b"\x00",
        b"\xff" * 9 + b"\x02",
        field(1, b"\x08" + b"\xff" * 9 + b"\x02"),
    ],
    ids=lambda message: message[:20].hex(),
)
def test_unknown_fields_are_rejected(message):
    with pytest.raises(BadRequest):
        scoped(message)
    with pytest.raises(BadRequest):
        scoped(query([CPU], 1, 2) + message)


@pytest.mark.parametrize("kind", [EQ, NEQ, RE, NRE])
def test_a_matcher_without_a_label_is_rejected_because_its_error_depends_on_other_tenants(kind):
    for value in ("", "x"):
        with pytest.raises(BadRequest, match="has no label"):
            scoped(query([CPU, Matcher(kind, "", value)], 1, 2))


def test_too_many_queries_are_rejected():
    assert len(read_queries(scoped(field(1, b"") * MAX_QUERIES))) == MAX_QUERIES
    with pytest.raises(BadRequest, match="100 queries"):
        scoped(field(1, b"") * (MAX_QUERIES + 1))


def test_many_queries_for_many_tenants_are_refused():
    many = Scope("project", tuple(f"{number:032x}" for number in range(1000)))
    assert len(scope_read_request(compress(field(1, b"") * 60), many, LIMIT).texts) == 60
    with pytest.raises(BadRequest, match="too many selectors"):
        scoped(field(1, b"") * 70, many)


def test_a_message_is_bounded():
    body = compress(query([Matcher(EQ, "a", "x" * 1000)], 1, 2))
    with pytest.raises(ContentTooLarge):
        scope_read_request(body, A, 1000)


def test_every_cut_of_a_message_is_refused_or_scoped():
    message = query([CPU, Matcher(RE, "vm", "a.*")], 1000, 2000, field(4, field(2, b"rate"))) + field(2, 1)
    for length in range(len(message)):
        try:
            queries = read_queries(scoped(message[:length]))
        except BadRequest:
            continue
        assert all(matchers[-1] == OWN for matchers in queries)


@given(st.binary(max_size=80) | st.lists(st.sampled_from(range(40)), max_size=40).map(bytes))
def test_whatever_passes_is_scoped(message):
    try:
        result = scoped(message)
    except ApiError:
        return
    queries = read_queries(result)
    assert all(matchers and matchers[-1] == OWN for matchers in queries)
    # It has only one meaning: a second pass adds the same and changes nothing else.
    assert [matchers[:-1] for matchers in read_queries(scoped(result))] == queries
