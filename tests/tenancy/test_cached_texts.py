"""The texts of parameters that are kept for the next request."""

import pickle
from urllib.parse import quote_plus

import pytest
from tests.tenancy.binding import MANY, A, bind

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import DEFAULT_BOUNDS
from chrysaetos.tenancy.endpoints import ENDPOINTS, Kind
from chrysaetos.tenancy.parameters import Binder, NotCached, bind_anew
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import Scope

B = Scope.of("project", "B")


def test_scoped_texts_are_cached_by_scope_and_kind():
    binder = Binder()
    for _ in range(2):
        assert bind("/api/v1/query", "query=up", binder=binder)[0][1] == 'up{project="A"}'
        assert bind("/api/v1/query", "query=up", scope=B, binder=binder)[0][1] == 'up{project="B"}'
        assert bind("/api/v1/series", "match[]=up", binder=binder)[0][1] == 'up{project="A"}'
        with pytest.raises(QueryError):
            bind("/api/v1/series", "match[]=up%2B1", binder=binder)
        assert bind("/api/v1/query", "query=up%2B1", binder=binder)[0][1] == 'up{project="A"}+1'


def test_no_more_texts_are_kept_than_told():
    binder = Binder(size=3)
    for number in range(10):
        bind("/api/v1/query", f"query=m{number}", binder=binder)
    assert len(binder._scoped) == 3


def test_a_query_of_ten_thousand_projects_stays_cached():
    endpoint, binder = find_path("/api/v1/query").endpoint, Binder()
    url = b"query=" + quote_plus('sum by (vm) (rate(cpu_seconds_total{state="running"}[5m]))').encode()
    scopes = [Scope.of("project", f"{number:032x}") for number in range(10_000)]
    bound = [binder.bind(endpoint, scope, url, None) for scope in scopes]
    assert [binder.bind(endpoint, scope, url, None, cached_only=True) for scope in scopes] == bound


def test_cached_texts_are_bounded_in_bytes():
    binder = Binder()
    for number in range(500):
        bind("/api/v1/query", f"query=up{{name=~'{number}{'x' * 60_000}'}}", binder=binder)
    size = sum(
        len(value or b"") + len(kept.piece) + len(kept.text.original) + len(kept.text.sent)
        for (_, _, value), kept in binder.cached().items()
    )
    assert 31 << 20 < size <= 32 << 20


def test_cached_texts_can_be_bound_alone_and_kept_from_another_process():
    target, binder = find_path("/api/v1/query"), Binder()
    url = b"query=rate(up[5m])&time=1"
    with pytest.raises(NotCached):
        binder.bind(target.endpoint, A, url, None, cached_only=True)
    bound, texts = pickle.loads(pickle.dumps(bind_anew(target.endpoint, A, url, None, DEFAULT_BOUNDS)))
    binder.keep(A, texts)
    assert all(key[0] is A.matcher for key in binder.cached())
    assert binder.bind(target.endpoint, A, url, None, cached_only=True) == bound
    later = binder.bind(target.endpoint, A, b"time=2&" + url[:-7], None, cached_only=True)
    assert later.texts == bound.texts
    with pytest.raises(NotCached):
        binder.bind(target.endpoint, Scope.of("project", "B"), url, None, cached_only=True)


def test_much_beside_cached_texts_is_not_decoded():
    target, binder = find_path("/api/v1/query"), Binder()
    bound = binder.bind(target.endpoint, A, b"query=up", None)
    little, much = b"%41" * 1000, b"%41" * 10_000
    assert binder.bind(target.endpoint, A, b"query=up&x=" + much, None, cached_only=True) == bound
    for parameters in (b"&stats=%b", b"&%b=1"):
        url = b"query=up" + parameters % little
        assert binder.bind(target.endpoint, A, url, None, cached_only=True) == binder.bind(
            target.endpoint, A, url, None
        )
        url = b"query=up" + parameters % much
        assert binder.bind(target.endpoint, A, url, None)
        with pytest.raises(NotCached):
            binder.bind(target.endpoint, A, url, None, cached_only=True)


def test_the_selector_of_a_whole_scope_is_cached():
    target, binder = find_path("/api/v1/labels"), Binder()
    with pytest.raises(NotCached):
        binder.bind(target.endpoint, MANY, b"", None, cached_only=True)
    bound = binder.bind(target.endpoint, MANY, b"", None)
    assert binder.bind(target.endpoint, MANY, b"", None, cached_only=True) == bound
    with pytest.raises(QueryError):
        binder.bind(target.endpoint, MANY, b"match[]=", None)
    with pytest.raises(NotCached):
        binder.bind(target.endpoint, A, b"", None, cached_only=True)


def test_a_cached_text_has_the_name_of_its_parameter():
    """Because the key of the cache has the kind, and not the name."""
    names: dict[Kind, set[str]] = {}
    for endpoint in ENDPOINTS:
        for parameter in endpoint.parameters.values():
            if parameter.kind in {Kind.QUERY, Kind.SELECTOR}:
                names.setdefault(parameter.kind, set()).add(parameter.name)
    assert names == {Kind.QUERY: {"query"}, Kind.SELECTOR: {"match[]"}}
