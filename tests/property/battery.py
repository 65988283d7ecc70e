"""A small battery of checks of the enforcement, which exits with status 1 if a check fails.

It runs in its own process, with the package to check on ``PYTHONPATH``: once unchanged, and once for
each mutation.
"""

import contextlib
import random
import re
import sys

from tests.promql.corpus import ACCEPTED, HOSTILE, REJECTED
from tests.property.grammar import Grammar
from tests.property.invariants import check_scoping, own_reading

from chrysaetos.errors import QueryError
from chrysaetos.promql.strings import unquote
from chrysaetos.tenancy import enforce
from chrysaetos.tenancy.enforce import EnforcementError, scope_query, scope_selector
from chrysaetos.tenancy.scope import Scope

__all__ = ["main"]

A = Scope.of("project", "A")
VALUES = (".*", "A|B", 'A"', 'A"}', "A\\", "A\\n", "A\nB", "\0", "\ufffd", "é", "#", "`", "'", "}", "a.b")


def known_texts():
    for text, expected in HOSTILE:
        try:
            scoped = scope_query(text, A)
        except QueryError:
            scoped = None
        assert scoped == expected, (text, scoped)
    for text in ACCEPTED:
        check_scoping(text, A, reader=lambda _: None)
    for text in REJECTED:
        with contextlib.suppress(QueryError):
            raise AssertionError(f"accepted: {scope_query(text, A)}")


def generated_texts():
    chance = random.Random(11)  # not for secrets
    for _ in range(150):
        with contextlib.suppress(QueryError):
            check_scoping(Grammar(chance).query(), A)


def values():
    for value in VALUES:
        assert check_scoping("a + {b='c'}", Scope.of("project", value))
    for value in VALUES[1:]:
        ((_, ((_, op, pattern),)),) = own_reading(scope_query("a", Scope.of("project", VALUES[0], value)))
        assert op == "=~"
        assert [bool(re.fullmatch(pattern, v)) for v in (VALUES[0], value, "x", "aXb", "")] == [
            True,
            True,
            *[False] * 3,
        ]
    for bad in ("", None):
        with contextlib.suppress(ValueError, TypeError):
            raise AssertionError(f"a scope of {Scope.of('project', bad)}")  # type: ignore[arg-type]


def match_parameters():
    assert scope_selector("{}", A) == '{project="A"}'
    assert scope_selector("a", A) == 'a{project="A"}'
    assert unquote('"A"') == "A"
    for text in ("a or b", "a[5m]"):
        with contextlib.suppress(QueryError):
            raise AssertionError(f"accepted: {scope_selector(text, A)}")


def mistakes_are_seen():
    """The second pass detects errors of the first."""
    splice = enforce._splice

    def mistaken(old, new):
        return lambda query, matcher: splice(query, matcher).replace(old, new)

    for text, old, new in (
        ("a + b", 'b{project="A"}', "b"),
        ("a + b", 'b{project="A"}', 'b{project="B"}'),
        ("a + b", 'b{project="A"}', 'b{project!="A"}'),
        ("a + b", ' + b{project="A"}', ""),
        ("a + b", ' + b{project="A"}', ' + b{project="A"} + c'),
        ("a + b", " + b", " $ + b"),
        ("info(a)", ',{project="A"}', ""),
        ("info(a)", ',{project="A"})', ') + b{project="A"}'),
    ):
        enforce._splice = mistaken(old, new)
        with contextlib.suppress(EnforcementError):
            raise AssertionError(f"not seen: {scope_query(text, A)}")
    enforce._splice = splice
    two = Scope.of("project", "A")
    for name in ("matcher", "regex_matcher"):
        object.__setattr__(two, name, 'project="A",x="B"')
    with contextlib.suppress(EnforcementError):
        raise AssertionError(f"not seen: {scope_query('a', two)}")


def main():
    for check in (known_texts, generated_texts, values, match_parameters, mistakes_are_seen):
        check()


if __name__ == "__main__":
    main()
    sys.stdout.write(f"{enforce.__file__}\n")
