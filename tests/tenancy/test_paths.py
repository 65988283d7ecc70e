"""The endpoint table."""

import time

import pytest

from chrysaetos.errors import MethodNotAllowed, NotFound
from chrysaetos.tenancy.endpoints import ENDPOINTS
from chrysaetos.tenancy.paths import find_path


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_each_row_is_found_by_its_path_and_methods(endpoint):
    path = endpoint.path.replace("{name}", "vm")
    target = find_path(path)
    assert target.endpoint is endpoint
    assert target.path == path
    for method in endpoint.methods:
        endpoint.check_method(method)
    with pytest.raises(MethodNotAllowed):
        endpoint.check_method("PATCH")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "api/v1/query",
        "//api/v1/query",
        "/api/v1/query//",
        "/api/v1/../v1/query",
        "/api/v1/./query",
        "/api/v1/%71uery",
        "/api/v1/query%2f",
        "/api/v1/query%00",
        "/api/v1/query;x",
        "/api/v1/query\n",
        "/API/v1/query",
        "/api/v1/Query",
        "/api/v2/query",
        "/api/v1",
        "/api/v1/",
        "/federate/",
        "/metrics",
        "/api/v1/write",
        "/api/v1/otlp/v1/metrics",
        "/-/reload",
        "/-/quit",
        "/debug/pprof/",
        "/graph",
        "/api/v1/status/nothing",
        "/api/v1/status/",
        "/api/v1/admin/tsdb/",
        "/api/v1/search/",
        "/api/v1/label//values",
        "/api/v1/label/values",
        "/api/v1/label/a/b/values",
        "/api/v1/label/../query%3Fquery=secret/values",
        "/api/v1/label/..%2fquery/values",
        "/api/v1/label/a%2Fb/values",
        "/api/v1/label/%2f/values",
        "/api/v1/label/./values",
        "/api/v1/label/../values",
        "/api/v1/label/%/values",
        "/api/v1/label/a%2/values",
        "/api/v1/label/a%zz/values",
        "/api/v1/label/%ff/values",
        "/api/v1/label/%ed%a0%80/values",
        "/api/v1/label/a?b/values",
        "/api/v1/label/a#b/values",
        "/api/v1/label/a b/values",
        "/api/v1/label/a\n/values",
        "/api/v1/label/a%2fvalues",
        "/api/v1/label%2fa/values",
        "/api/v1/label/ä/values",
        "/api/v1/label/٣/values",
        "/api/v1/label/vm/values?x",
        "/api/v1/label/vm/values//",
        f"/api/v1/label/{'a' * 1025}/values",
        f"/api/v1/label/{'%C3%A4' * 513}/values",
    ],
)
def test_other_paths_are_not_found(path):
    with pytest.raises(NotFound):
        find_path(path)


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("http.status_code", "http.status_code"),
        ("http%2Estatus_code", "http.status_code"),
        ("http%2estatus%5Fcode", "http.status_code"),
        ("%61", "a"),
        ("a-b", "a-b"),
        ("1a", "1a"),
        ("...", "..."),
        ("%2e", "U___2e_"),
        ("%2e%2E", "U___2e__2e_"),
        (".%2e", "U___2e__2e_"),
        ("..a", "..a"),
        ("a+b", "a%2Bb"),
        ("a%20b", "a%20b"),
        ("na%C3%AFve", "na%C3%AFve"),
        ("%e6%97%a5%e6%9c%ac", "%E6%97%A5%E6%9C%AC"),
        ("%252e", "%252e"),
        ("%252F", "%252F"),
        ("..;", "..%3B"),
        ("%5c..%5C", "%5C..%5C"),
        ("%3Fquery=secret%26x", "%3Fquery%3Dsecret%26x"),
        ("%00%0d%0aX:%20y", "%00%0D%0AX%3A%20y"),
        ("U__http_2e_status_code", "U__http_2e_status_code"),
        ("U___2e__2e_", "U___2e__2e_"),
        ("a" * 1024, "a" * 1024),
        ("%C3%A4" * 512, "%C3%A4" * 512),
    ],
)
def test_a_label_name_is_one_segment_and_is_encoded_again(segment, name):
    target = find_path(f"/api/v1/label/{segment}/values")
    assert target.endpoint.name == "label"
    assert target.path == f"/api/v1/label/{name}/values"


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/api/v1/query/", "/api/v1/query"),
        ("/api/v1/label/vm/values/", "/api/v1/label/vm/values"),
        ("/api/v1/label/U__service_2e_name/values", "/api/v1/label/U__service_2e_name/values"),
        ("/api/v1/label/__name__/values", "/api/v1/label/__name__/values"),
    ],
)
def test_a_trailing_slash_is_ignored(path, upstream):
    assert find_path(path).path == upstream


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE", "get", ""])
def test_an_unsupported_method_is_rejected_with_the_supported_ones(method):
    with pytest.raises(MethodNotAllowed) as caught:
        find_path("/api/v1/query").endpoint.check_method(method)
    assert caught.value.headers() == [(b"allow", b"GET, POST")]


def test_the_values_of_a_label_are_not_posted():
    with pytest.raises(MethodNotAllowed):
        find_path("/api/v1/label/vm/values").endpoint.check_method("POST")


def test_a_long_name_of_a_label_is_rejected_before_it_is_decoded():
    assert find_path(f"/api/v1/label/{'%C3%A4' * 512}/values").endpoint.name == "label"
    began = time.thread_time()
    for _ in range(10):
        with pytest.raises(NotFound):
            find_path(f"/api/v1/label/{'%41' * 40_000}/values")
    assert time.thread_time() - began < 0.05
