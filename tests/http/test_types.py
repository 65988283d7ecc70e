"""What a server and its application are to each other."""

from chrysaetos.http.types import HttpRequest


def test_the_query_begins_at_the_first_question_mark():
    request = HttpRequest("GET", b"/a?b?c", [])
    assert (request.path, request.query) == (b"/a", b"b?c")
    assert (HttpRequest("GET", b"/a", []).query, request.body, request.client) == (b"", b"", "")
