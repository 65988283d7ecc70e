"""Bind the parameters of a request to a scope."""

from urllib.parse import parse_qsl

from chrysaetos.tenancy.parameters import Binder
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import Scope

__all__ = ["MANY", "A", "bind"]

A = Scope.of("project", "A")
MANY = Scope("project", tuple(f"{number:032x}" for number in range(1000)))
"""Its matcher has 33 KB, so 64 selectors are too many."""


def bind(path, url="", body=None, *, scope=A, binder=None):
    endpoint = find_path(path).endpoint
    bound = (binder or Binder()).bind(endpoint, scope, url.encode(), None if body is None else body.encode())
    parameters = bound.url if body is None else bound.body
    assert parameters is not None
    pairs = parse_qsl(parameters.decode(), keep_blank_values=True)
    if body is not None:
        assert bound.url == b""
    else:
        assert bound.body is None
    return pairs
