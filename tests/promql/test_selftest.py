"""The self-test of the interpreter, and the kind of expression that it is there for."""

import importlib
import pkgutil
import re

import pytest

import chrysaetos.promql
import chrysaetos.tenancy
from chrysaetos.errors import QueryError
from chrysaetos.promql import durations, parser, selftest
from chrysaetos.promql.parser import parse
from chrysaetos.promql.selftest import InterpreterError, check_interpreter


def test_this_interpreter_passes():
    check_interpreter()


@pytest.mark.parametrize(
    "broken",
    [
        lambda text: parse(text.replace("1e+", "1")),
        lambda text: parse(text.replace(r"\u", "u")),
        lambda text: parse(text.replace('{"x"=}', '{"x"}')),
        lambda text: parse(text.replace("# {", "{")),
    ],
)
def test_an_interpreter_that_parses_incorrectly_is_rejected(monkeypatch, broken):
    monkeypatch.setattr(selftest, "parse", broken)
    with pytest.raises(InterpreterError, match=r"Python 3.* reads PromQL wrongly.*another Python"):
        check_interpreter()


def test_a_conversion_that_fails_is_an_error_of_the_query(monkeypatch):
    monkeypatch.setattr(durations, "number", lambda _: float("1e"))
    for read in (parse, lambda text: parser.parse_selector(f"up{{}} @ {text}")):
        with pytest.raises(QueryError):
            read("1")


def _possessive_groups(parsed):
    """Possessive repetitions of more than a single character, and atomic groups."""
    for op, value in parsed:
        name = str(op)
        if name == "ATOMIC_GROUP":
            yield name
        elif name == "POSSESSIVE_REPEAT":
            (item, *more) = value[2]
            if more or str(item[0]) not in {"LITERAL", "NOT_LITERAL", "IN", "ANY", "CATEGORY"}:
                yield f"{name} {value[2]}"
        for part in value if isinstance(value, tuple | list) else ():
            for nested in part if isinstance(part, list) else [part]:
                if type(nested).__name__ == "SubPattern":
                    yield from _possessive_groups(nested)


def _parse(pattern, flags=0):
    return re._parser.parse(pattern, flags)  # type: ignore[attr-defined]  # typeshed lacks it


@pytest.mark.parametrize("package", [chrysaetos.promql, chrysaetos.tenancy], ids=lambda p: p.__name__)
def test_no_expression_depends_on_a_possessive_group(package):
    """They are wrong up to Python 3.11.4 where the group can fail half-way (CPython issue 106052)."""
    seen = 0
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern):
                seen += 1
                parsed = _parse(value.pattern, value.flags)
                assert not list(_possessive_groups(parsed)), f"{module.name}.{name}"
    assert seen > 5


def test_the_search_for_possessive_groups_finds_them():
    for pattern in ("(?:a+b)?+", "x(?:ab)*+", "(a|(?>b+c))", "[a-z](?:_[0-9]++)++"):
        assert list(_possessive_groups(_parse(pattern))), pattern
    assert not list(_possessive_groups(_parse("[a-z]++b?+(?:c|d*+)*")))
