"""From a request's parameters to the upstream's."""

import pickle
import sys
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from tests.tenancy.binding import MANY, A, bind

from chrysaetos.errors import BadRequest, QueryError
from chrysaetos.promql.parser import DEFAULT_BOUNDS, Bounds
from chrysaetos.tenancy.endpoints import ENDPOINTS, Kind
from chrysaetos.tenancy.parameters import Binder, Text, bind_anew
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import UNRESTRICTED


def test_a_query_is_scoped_and_the_rest_is_passed_on():
    assert bind("/api/v1/query", "query=up&time=12.5&timeout=5s&limit=3&lookback_delta=1m") == [
        ("query", 'up{project="A"}'),
        ("time", "12.5"),
        ("timeout", "5s"),
        ("limit", "3"),
        ("lookback_delta", "1m"),
    ]


def test_a_form_body_is_scoped_like_a_url():
    assert bind("/api/v1/query", "", "query=up") == [("query", 'up{project="A"}')]


def test_parameters_of_the_url_and_the_body_are_combined():
    assert bind("/api/v1/query", "time=1", "query=up") == [("query", 'up{project="A"}'), ("time", "1")]


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("query=a&query=b", None),
        ("query=a", "query=b"),
        ("", "query=a&query=a"),
        ("query=a&time=1&time=1", None),
        ("query=a&q%75ery=secret", None),
    ],
)
def test_a_parameter_that_is_given_twice_is_refused(url, body):
    with pytest.raises(BadRequest, match="more than once"):
        bind("/api/v1/query", url, body)


def test_selectors_may_be_repeated():
    assert bind("/api/v1/series", "match[]=a&match[]=b") == [
        ("match[]", 'a{project="A"}'),
        ("match[]", 'b{project="A"}'),
    ]


@pytest.mark.parametrize("path", ["/api/v1/series", "/api/v1/labels", "/api/v1/search/metric_names"])
def test_selectors_of_the_body_come_before_those_of_the_url(path):
    assert bind(path, "match[]=a&start=1&match[]=b", "match[]=c&match[]=d") == [
        ("match[]", 'c{project="A"}'),
        ("match[]", 'd{project="A"}'),
        ("match[]", 'a{project="A"}'),
        ("start", "1"),
        ("match[]", 'b{project="A"}'),
    ]


def test_search_texts_may_be_in_the_url_and_the_body():
    pairs = bind("/api/v1/search/metric_names", "search[]=a", "search[]=b")
    assert pairs[:2] == [("search[]", "b"), ("search[]", "a")]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (endpoint.path, name)
        for endpoint in ENDPOINTS
        for name, parameter in endpoint.parameters.items()
        if parameter.kind in {Kind.TIME, Kind.DURATION, Kind.COUNT} and not parameter.required
    ],
)
def test_an_empty_value_counts_as_missing(path, name):
    endpoint = find_path(path.replace("{name}", "vm")).endpoint
    required = {"query": "1", "start": "1", "end": "2", "step": "1", "label": "vm", "match[]": "up"}
    text = urlencode({key: required[key] for key, one in endpoint.parameters.items() if one.required})
    empty = f"{text}&{name}="
    assert Binder().bind(endpoint, A, empty.encode(), None) == Binder().bind(endpoint, A, text.encode(), None)
    # It still counts as given: an engine may use the last of two.
    with pytest.raises(BadRequest, match="more than once"):
        Binder().bind(endpoint, A, f"{empty}&{name}=1".encode(), None)


@pytest.mark.parametrize("name", ["start", "end", "step"])
def test_a_required_parameter_must_not_be_empty(name):
    pairs = {"query": "1", "start": "1", "end": "2", "step": "1", name: ""}
    with pytest.raises(BadRequest, match=f'invalid parameter "{name}"'):
        bind("/api/v1/query_range", urlencode(pairs))


@pytest.mark.parametrize("path", ["/api/v1/series", "/api/v1/labels", "/api/v1/label/vm/values", "/federate"])
@pytest.mark.parametrize("url", ["", "match=b", "Match[]=b", "match%5B%5D%00=b"])
def test_without_a_selector_the_scope_is_the_selector(path, url):
    assert bind(path, url) == [("match[]", '{project="A"}')]


def test_an_encoded_parameter_name_is_decoded():
    assert bind("/api/v1/series", "match%5B%5D=secret") == [("match[]", 'secret{project="A"}')]
    assert bind("/api/v1/series", "match%5b%5d=secret") == [("match[]", 'secret{project="A"}')]


@pytest.mark.parametrize("url", ["", "Query=up", "query[]=up", "query%20=up", "stats=all"])
def test_a_missing_query_is_an_error(url):
    with pytest.raises(BadRequest, match='"query" is missing'):
        bind("/api/v1/query", url)


@pytest.mark.parametrize(
    ("path", "times"),
    [
        ("/api/v1/query", "time=1"),
        ("/api/v1/query_cost", "time=1"),
        ("/api/v1/query_range", "start=1&end=2&step=1"),
        ("/api/v1/query_range_cost", "start=1&end=2&step=1"),
    ],
)
def test_queries_and_estimates_of_them_take_the_same_parameters(path, times):
    limits = "max_series=5&max_samples_read=100&max_query_duration=5s"
    sent = dict(bind(path, f"query=up&{times}&stats=all&cost=true&{limits}"))
    assert sent.pop("query") == 'up{project="A"}'
    assert sent == dict(pair.split("=") for pair in f"{times}&stats=all&cost=true&{limits}".split("&"))
    for bad in ("max_series=-1", "max_samples_read=x", "max_query_duration=x"):
        with pytest.raises(BadRequest):
            bind(path, f"query=up&{times}&{bad}")


def test_parameters_that_the_endpoint_does_not_have_are_dropped():
    assert bind("/api/v1/query", "query=1&trace=1&debug=1&match[]=x") == [("query", "1")]


def test_an_escape_is_decoded_once():
    assert bind("/api/v1/query", "query=a%7Bb%3D%22%2541%22%7D") == [("query", 'a{project="A",b="%41"}')]


def test_a_plus_is_a_space_and_an_escaped_plus_is_a_plus():
    assert bind("/api/v1/query", "query=1+%2B+1") == [("query", "1 + 1")]


def test_a_semicolon_is_not_a_separator():
    with pytest.raises(QueryError):
        bind("/api/v1/query", "query=up;query=secret")


@pytest.mark.parametrize(
    "url", ["query=%", "query=%4", "query=%zz", "%=1&query=1", "query=%ff", "query=\xff"]
)
def test_a_malformed_parameter_is_refused(url):
    endpoint = find_path("/api/v1/query").endpoint
    with pytest.raises(BadRequest) as caught:
        Binder().bind(endpoint, A, url.encode("latin-1"), None)
    assert not isinstance(caught.value, QueryError)


@pytest.mark.parametrize(
    "pair",
    [
        "time=now",
        "time=-292273086-05-16T16:47:07Z",
        "time=292277025-08-18T07:12:54Z",
        "time=inf",
        "time=NaN",
        "time=0x10",
        "time=1_000",
        "time=2024-01-01",
        "time=2024-01-01T00:00:00",
        "time=1%0A",
        "time=" + "1" * 65,
        "limit=-1",
        "limit=1.5",
        "limit=" + "1" * 19,
        "timeout=5x",
        "timeout=1m1h",
        "timeout=s",
        "lookback_delta=-",
    ],
)
def test_an_invalid_value_is_rejected(pair):
    name = pair.partition("=")[0]
    with pytest.raises(BadRequest, match=f'invalid parameter "{name}"'):
        bind("/api/v1/query", f"query=1&{pair}")


@pytest.mark.parametrize(
    "time",
    [
        *("0", "-1", "1.5e9", ".5", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.123+01:00"),
        *("-292273086-05-16T16:47:06Z", "292277025-08-18T07:12:54.999999999Z"),
    ],
)
def test_every_form_of_a_time_is_accepted(time):
    assert bind("/api/v1/query", "query=1&" + urlencode({"time": time}))[1] == ("time", time)


@pytest.mark.parametrize("duration", ["5", "0.5", "5s", "1h30m", "1y2w3d4h5m6s7ms"])
def test_every_form_of_a_duration_is_accepted(duration):
    assert bind("/api/v1/query", f"query=1&timeout={duration}")[1] == ("timeout", duration)


@pytest.mark.parametrize("missing", ["start", "end", "step"])
def test_a_range_query_requires_its_range(missing):
    parameters = {"query": "1", "start": "1", "end": "2", "step": "1s"}
    del parameters[missing]
    with pytest.raises(BadRequest, match=f'"{missing}" is missing'):
        bind("/api/v1/query_range", urlencode(parameters))


@pytest.mark.parametrize(
    "pairs",
    [
        {"start": "0", "end": "11001", "step": "1"},
        {"start": "0", "end": "315360000", "step": "1ns"},
        {"start": "0", "end": "10y", "step": "1s"},
        {"start": "2", "end": "1", "step": "1"},
        {"start": "0", "end": "1", "step": "0"},
        {"start": "0", "end": "1", "step": ""},
    ],
)
def test_a_range_of_too_many_points_is_refused(pairs):
    with pytest.raises(BadRequest):
        bind("/api/v1/query_range", urlencode({"query": "1", **pairs}))
    endpoint = find_path("/api/v1/query_range").endpoint
    text = urlencode({"query": "1", **pairs}).encode()
    assert Binder().bind(endpoint, UNRESTRICTED, text, None).url == text


def test_subqueries_of_too_many_points_are_refused():
    binder = Binder()
    few = {"query": "max_over_time(up[1h:1s])", "start": "0", "end": "3600", "step": "60"}
    for _ in range(2):
        bind("/api/v1/query_range", urlencode(few), binder=binder)
        for pairs in (few | {"end": "1e8", "step": "1e6"}, few | {"query": "rate(up[5m])[1y:1ms]"}):
            with pytest.raises(BadRequest, match="points per timeseries"):
                bind("/api/v1/query_range", urlencode(pairs), binder=binder)
        with pytest.raises(BadRequest, match="points per timeseries"):
            bind("/api/v1/query", urlencode({"query": "rate(up[5m])[1y:1ms]"}), binder=binder)


@pytest.mark.parametrize("query", ["up[1y:1ms]", "up[1.5:min_of(-1h,1m)]", "up[1m/step():1m]"])
def test_subqueries_that_are_not_evaluated_are_accepted(query):
    sent = bind("/api/v1/query_exemplars", urlencode({"query": query}))
    assert dict(sent)["query"] == query.replace("up", 'up{project="A"}')
    with pytest.raises(BadRequest, match="subquer"):
        bind("/api/v1/query", urlencode({"query": query}))


@pytest.mark.parametrize("place", ["URL", "body"])
def test_series_to_delete_have_to_be_named(place):
    endpoint = find_path("/api/v1/admin/tsdb/delete_series").endpoint
    with pytest.raises(BadRequest, match="missing"):
        Binder().bind(endpoint, A, b"start=1", b"end=2")
    chosen = b"match[]=up&match[]=cpu&start=1"
    bound = Binder().bind(endpoint, A, *((chosen, None) if place == "URL" else (b"", chosen)))
    assert parse_qsl((bound.body or bound.url).decode()) == [
        ("match[]", 'up{project="A"}'),
        ("match[]", 'cpu{project="A"}'),
        ("start", "1"),
    ]


@pytest.mark.parametrize("name", ["metric_names", "label_names", "label_values"])
def test_a_search_is_scoped(name):
    label = "label=vm&" if name == "label_values" else ""
    more = "search[]=a&search[]=b&limit=5&case_sensitive=false"
    pairs = bind(f"/api/v1/search/{name}", f"{label}{more}&match[]=up&include_metadata=true")
    expected = [("search[]", "a"), ("search[]", "b"), ("limit", "5"), ("case_sensitive", "false")]
    assert pairs == [*([("label", "vm")] if label else []), *expected, ("match[]", 'up{project="A"}')]
    assert ("match[]", '{project="A"}') in bind(f"/api/v1/search/{name}", label)


def test_an_unrestricted_callers_parameters_are_not_changed_or_moved():
    endpoint = find_path("/api/v1/query").endpoint
    bound = Binder().bind(endpoint, UNRESTRICTED, b"stats=all&x=%41+b", b"query=a&query=b%7B")
    assert bound.url == b"stats=all&x=A+b"
    assert bound.body == b"query=a&query=b%7B"
    assert bound.texts == (Text("a", "a"), Text("b{", "b{"))
    assert Binder().bind(endpoint, UNRESTRICTED, b"", None) == (b"", None, ())


def test_texts_are_returned_as_received_and_as_sent():
    series = find_path("/api/v1/series").endpoint
    for _ in range(2):
        bound = Binder().bind(series, A, b"match[]=a&match[]=b%20", None)
        assert bound.texts == (Text("a", 'a{project="A"}'), Text("b ", 'b{project="A"} '))
    assert Binder().bind(series, A, b"", None).texts == (Text("", '{project="A"}'),)


def test_a_query_for_formatting_is_not_scoped():
    assert bind("/api/v1/format_query", "query=a%2Bb") == [("query", "a+b")]


def test_the_limits_on_a_text_are_configurable():
    with pytest.raises(QueryError, match="longer than 8 bytes"):
        bind("/api/v1/query", "query=" + quote_plus("up + up + up"), binder=Binder(Bounds(bytes=8)))


def test_many_selectors_for_many_tenants_are_rejected_before_they_use_memory():
    fine, long = (quote_plus("+".join(["a"] * number)) for number in (60, 70))
    [(_, sent)] = bind("/api/v1/query", f"query={fine}", scope=MANY)
    assert sent.count(MANY.matcher) == 60
    with pytest.raises(BadRequest, match="1000 projects"):
        bind("/api/v1/query", f"query={long}", scope=MANY)
    assert bind("/api/v1/query", f"query={long}")
    with pytest.raises(BadRequest, match="too many selectors"):
        bind("/api/v1/series", "&".join(["match[]=a"] * 70), scope=MANY)


def test_a_checked_parameter_has_one_kind_in_the_whole_table():
    """Because values are checked by the name of the parameter."""
    kinds: dict[str, set[Kind]] = {}
    for endpoint in ENDPOINTS:
        for name, parameter in endpoint.parameters.items():
            kinds.setdefault(name, set()).add(parameter.kind)
    checked = {Kind.TIME, Kind.DURATION, Kind.COUNT}
    assert all(len(each) == 1 for each in kinds.values() if each & checked)


def test_a_request_has_a_thousand_parameters_at_most():
    assert len(bind("/api/v1/series", "&".join(["match[]=a"] * 1000))) == 1000
    for url, body in (("&" * 1000, None), ("&".join(["x"] * 600), "&".join(["x"] * 600))):
        with pytest.raises(BadRequest, match=r"has 1[0-9]+ parameters: send at most 1000"):
            bind("/api/v1/series", f"match[]=a&{url}", body, scope=A)


def test_another_process_keeps_nothing_of_the_endpoint_that_it_was_sent():
    endpoint = pickle.loads(pickle.dumps(find_path("/api/v1/series").endpoint))
    references = sys.getrefcount(endpoint)
    bound, _ = bind_anew(endpoint, A, b"", None, DEFAULT_BOUNDS)
    assert bound.url == b"match%5B%5D=%7Bproject%3D%22A%22%7D"
    assert sys.getrefcount(endpoint) == references
