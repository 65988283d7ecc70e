"""The invariants of a text and its scoped text, checked independently of the code that scopes."""

import re

from tests.property.other_reader import read

from chrysaetos.promql.ast import Call, VectorSelector, children, walk
from chrysaetos.promql.parser import Bounds, parse
from chrysaetos.promql.strings import regex_quote, unquote
from chrysaetos.tenancy.enforce import scope_query
from chrysaetos.tenancy.portable import portable

__all__ = ["HIGH_BYTE", "OTHER_READER_LIMIT", "check_scoping", "is_spliced", "own_reading"]

HIGH_BYTE = re.compile(r"\\(?:x[89a-fA-F]|[23][0-7])")
"""An escape of a byte above 127: promql-parser treats it as a code point."""

OTHER_READER_LIMIT = 2000
"""Characters: promql-parser overflows the stack on long chains."""


def own_reading(text):
    """Name and matchers of each selector, as returned by the other parser."""
    return [(s.name, [(m.name, m.op, unquote(m.raw)) for m in s.matchers]) for s in parse(text).selectors]


def check_scoping(text, scope, reader=read):
    """Scope a query, check all invariants of the result, and return it.

    Raises:
        QueryError: the text is rejected.
        AssertionError: the result breaks an invariant.
    """
    scoped = scope_query(text, scope)
    label, (value,) = scope.label, scope.values
    wanted = {(label, "=", value), (label, "=~", regex_quote(value))}  # the second in absent()
    before, after = parse(text), parse_roomy(scoped)
    selectors = [node for node in walk(after.expr) if isinstance(node, VectorSelector)]
    for node in walk(after.expr):
        assert not (isinstance(node, Call) and node.function.name == "info") or len(node.args) == 2, scoped
    for selector in selectors:
        assert wanted.intersection((m.name, m.op, unquote(m.raw)) for m in selector.matchers), scoped
    assert len(selectors) == len(before.selectors) + len(before.infos), scoped
    assert shape(after.expr) == shape(parse_roomy(portable(before)).expr), scoped
    if scope.matcher not in text and scope.regex_matcher not in text:
        # Texts that engines parse differently are rewritten first, see tests/tenancy/test_portable.py.
        spliced = scoped.replace(scope.regex_matcher, scope.matcher)
        assert is_spliced(portable(before), spliced, scope.matcher), (text, scoped)
    if len(scoped) < OTHER_READER_LIMIT and not HIGH_BYTE.search(scoped):
        seen = reader(scoped)
        assert seen is None or all(wanted.intersection(matchers) for _, matchers in seen), scoped
    return scoped


def shape(expr):
    """What a tree consists of, without the matchers of its selectors and the arguments of ``info()``."""
    found, stack = [], [expr]
    while stack:
        node = stack.pop()
        kind = node.function.name if isinstance(node, Call) else getattr(node, "op", None)
        found.append((type(node), kind, getattr(node, "name", None), node.type))
        stack += children(node)[: 1 if kind == "info" else None][::-1]
    return found


def parse_roomy(text):
    """Parse a scoped text, which may be longer than a caller's."""
    return parse(text, Bounds(bytes=len(text) * 4, tokens=len(text) + 2, matchers=len(text)))


def is_spliced(original, scoped, matcher):
    """Return whether removing the inserted matchers from the scoped text gives the original.

    Each occurrence was inserted as ``{m}``, as ``m,``, as ``m`` between existing braces, or as
    ``,{m}``. All ways to read an occurrence are tried.
    """
    places = {(0, 0)}  # position in the original, position in the scoped text
    occurrence = scoped.find(matcher)
    while occurrence >= 0:
        behind = occurrence + len(matcher)
        reached = set()
        for there, here in places:
            for before, after in (("", ""), ("", ","), ("{", "}"), (",{", "}")):
                kept = scoped[here : occurrence - len(before)]
                if (
                    scoped[here:occurrence].endswith(before)
                    and scoped.startswith(after, behind)
                    and original.startswith(kept, there)
                ):
                    reached.add((there + len(kept), behind + len(after)))
        places = reached
        occurrence = scoped.find(matcher, behind)
    return any(original[there:] == scoped[here:] for there, here in places)
