"""The files of the page."""

import gzip
import json
from importlib.resources import files as package_files

import pytest

from chrysaetos.errors import NotFound
from chrysaetos.web.files import Files

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
STATIC = package_files("chrysaetos.web") / "static"


@pytest.fixture
def files(tmp_path):
    content = {
        "index.html": b"<!doctype html>",
        "app-0a1b.js.gz": gzip.compress(b"let x = 1;" * 50),
        "app-0a1b.js.br": b"brotli",
        "style-2c.css": b"body{}",
        "icon-3d.svg": b"<svg/>",
        "licences.txt": b"MIT",
    }
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    return Files(tmp_path)


def accepting(value):
    return [(b"accept-encoding", value)]


def headers_of(response):
    headers = dict(response[1])
    assert len(headers) == len(response[1])
    return headers


def test_the_page_is_checked_at_each_visit_and_runs_only_own_scripts(files):
    status, _, body = response = files.page(accepting(b"gzip"))
    headers = headers_of(response)
    assert (status, body) == (200, b"<!doctype html>")
    assert headers[b"content-type"] == b"text/html; charset=utf-8"
    assert headers[b"cache-control"] == b"no-cache"
    assert headers[b"content-security-policy"] == POLICY
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"x-content-type-options"] == b"nosniff"
    status, _, body = again = files.page([(b"if-none-match", headers[b"etag"])])
    assert (status, body) == (304, b"")
    assert b"content-length" not in headers_of(again)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        (b"", None),
        (b"identity", None),
        (b"gzip, deflate, br", b"br"),
        (b"gzip", b"gzip"),
        (b"GZIP;q=0.5", b"gzip"),
        (b"br;q=0, gzip;q=1.0", b"gzip"),
        (b"br; q=0.0, gzip;q=0", None),
        (b"brotli", None),
        (b"br;q=0, *", b"gzip"),
    ],
)
def test_the_smallest_form_that_the_browser_accepts_is_sent(files, accepted, encoding):
    status, _, body = response = files.file("app-0a1b.js", accepting(accepted))
    headers = headers_of(response)
    assert status == 200
    assert headers.get(b"content-encoding") == encoding
    assert headers[b"content-length"] == b"%d" % len(body)
    assert headers[b"vary"] == b"Accept-Encoding"
    assert headers[b"cache-control"] == b"public, max-age=31536000, immutable"
    assert b"javascript" in headers[b"content-type"]
    if encoding == b"gzip":
        assert gzip.decompress(body) == b"let x = 1;" * 50


def test_a_form_of_a_file_has_its_own_tag(files):
    tags = {headers_of(files.file("app-0a1b.js", accepting(one)))[b"etag"] for one in (b"", b"gzip", b"br")}
    assert len(tags) == 3


@pytest.mark.parametrize("name", ["index.html", "app-0a1b.js.gz", "none.js", "", "..", "../index.html"])
def test_other_names_are_not_found(files, name):
    with pytest.raises(NotFound):
        files.file(name, accepting(b"gzip"))


def test_a_package_without_the_page_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Files(tmp_path)


def test_the_javascript_is_small_enough():
    sizes = [len(file.read_bytes()) for file in STATIC.iterdir() if file.name.endswith(".js.gz")]
    assert sizes
    assert sum(sizes) <= 250_000


def test_the_javascript_before_the_first_graph_is_small_enough():
    """In Brotli, which browsers accept over HTTPS and from loopback addresses."""
    manifest = json.loads(gzip.decompress((STATIC / "manifest.json.gz").read_bytes()))
    waiting = ["index.html", "src/editor/editor.ts", "src/graph/graph.tsx"]
    needed = set()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += manifest[name].get("imports", [])
    assert len(needed) > 3
    assert sum(len((STATIC / f"{manifest[name]['file']}.br").read_bytes()) for name in needed) <= 200_000
