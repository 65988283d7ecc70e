"""Small pages for monitoring."""

import pytest
from tests.fakes.app_client import AppClient

from chrysaetos.http.server.pages import EXPOSITION, Pages
from chrysaetos.http.server.responses import text

APP = Pages({"/metrics": lambda request: (200, [EXPOSITION], request.query), "/": lambda _: text(503, "no")})


@pytest.mark.parametrize(
    ("method", "target", "status", "body"),
    [
        ("GET", "/metrics?a=b", 200, b"a=b"),
        ("HEAD", "/metrics?a=b", 200, b"a=b"),  # the server sends no body
        ("GET", "/", 503, b"no\n"),
        ("GET", "/other", 404, b"the available pages are /metrics and /\n"),
        ("POST", "/metrics", 405, b"use GET or HEAD\n"),
    ],
)
async def test_each_page_has_its_path_and_is_read_only(method, target, status, body):
    answer = await AppClient(APP).request(method, target)
    assert (answer.status, answer.body) == (status, body)
    assert ((b"allow", b"GET, HEAD") in answer.headers) == (status == 405)
