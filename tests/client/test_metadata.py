"""Series, labels and metadata, and label names in paths."""

import pytest
from tests.client.calling import run
from tests.fakes.metrics_server import success

from chrysaetos.client import errors
from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.metadata import escape_label_name


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("job", "job"),
        ("__name__", "__name__"),
        ("service.name", "U__service_2e_name"),
        ("a_b.c", "U__a__b_2e_c"),
        ("é/☃", "U___e9__2f__2603_"),
        ("9lives", "U___39_lives"),
        # A server would unescape it.
        ("U__job", "U__U____job"),
    ],
)
def test_a_label_name_is_escaped(label, written):
    assert escape_label_name(label) == written


@pytest.mark.parametrize("label", ["", "\ud800", None, 5])
def test_an_invalid_label_name_is_rejected(label):
    with pytest.raises(InvalidArgument, match="not a label name"):
        escape_label_name(label)


@pytest.mark.parametrize(
    ("call", "path", "pairs"),
    [
        (lambda c: c.series("up"), "series", [("match[]", "up")]),
        (
            lambda c: c.series(["a", "b"], start=1, end=2, limit=3),
            "series",
            [("match[]", "a"), ("match[]", "b"), ("start", "1"), ("end", "2"), ("limit", "3")],
        ),
        (lambda c: c.labels(), "labels", []),
        (lambda c: c.labels("up", start=1), "labels", [("match[]", "up"), ("start", "1")]),
        (lambda c: c.label_values("job"), "label/job/values", []),
        (lambda c: c.label_values("a.b", "up"), "label/U__a_2e_b/values", [("match[]", "up")]),
    ],
)
def test_listings(call, path, pairs):
    found, (request,) = run(call, success(["x"], warnings=["cut"]))
    assert (found, found.warnings) == (["x"], ["cut"])
    assert (request.method, request.path, request.pairs) == ("GET", f"/api/v1/{path}", pairs)


def test_a_server_may_ignore_the_limit():
    for call in (
        lambda c: c.series("up", limit=2),
        lambda c: c.labels(limit=2),
        lambda c: c.label_values("job", limit=2),
    ):
        found, _ = run(call, success(["a", "b", "c"]))
        assert (found, found.warnings) == (["a", "b"], ["results truncated due to limit"])
    found, _ = run(lambda c: c.metadata(limit=1), success({"a": [], "b": []}))
    assert found == {"a": []}


@pytest.mark.parametrize("match", [None, 5, ["up", 5]])
def test_an_invalid_selector_is_rejected(match):
    with pytest.raises(InvalidArgument, match="match"):
        run(lambda c: c.series(match))


def test_a_listing_may_be_null_but_not_an_object():
    assert run(lambda c: c.labels(), success(None))[0] == []
    with pytest.raises(errors.NotPrometheus, match="does not contain a list"):
        run(lambda c: c.labels(), success({}))
