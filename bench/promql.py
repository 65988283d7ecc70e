"""Measure the duration of scoping.

``python bench/promql.py [FILE]...`` prints, all measured on one core:

- the median time to scope 50 dashboard queries (``bench/queries``) or those of the given files, and the time
  that promql-parser (in Rust) takes to parse the same queries and to walk the tree;
- the ratio of the times for 32 KiB and 16 KiB of query text, for texts of many shapes, which are all
  accepted;
- the slowest of these texts of 32 KiB.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import promql_parser

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse
from chrysaetos.tenancy.enforce import scope_query
from chrysaetos.tenancy.scope import Scope

SCOPE = Scope.of("project", "6f70656e737461636b2070726f6a65637421")
QUERIES = Path(__file__).parent / "queries"
KIB = 1024
TARGET_RATIO = 2.0
TARGET_GROWTH = 2.3


def seconds(function, argument, *, repeats):
    """Return the time of a call: the shortest of several runs, each of about a millisecond."""
    start = time.perf_counter()
    function(argument)
    once = time.perf_counter() - start
    calls = max(1, int(0.001 / once))
    best = once
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            function(argument)
        best = min(best, (time.perf_counter() - start) / calls)
    return best


def parse_and_walk(text):
    """Return all selectors of a query, as parsed by promql-parser."""
    found = []
    stack = [promql_parser.parse(text)]
    while stack:
        node = stack.pop()
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, node.matchers.matchers))
        elif isinstance(node, promql_parser.MatrixSelector):
            stack.append(node.vector_selector)
        elif isinstance(node, promql_parser.BinaryExpr):
            stack += (node.lhs, node.rhs)
        elif isinstance(node, promql_parser.Call):
            stack += node.args
        elif isinstance(node, promql_parser.AggregateExpr):
            stack.append(node.expr)
            if node.param is not None:
                stack.append(node.param)
        elif isinstance(node, promql_parser.ParenExpr | promql_parser.UnaryExpr | promql_parser.SubqueryExpr):
            stack.append(node.expr)
    return found


def passes(function, arguments, *, repeats=200):
    """Return the time of each call: the shortest of several passes over all arguments.

    A call for one argument alone, again and again, takes half as long: the processor has learnt its branches.
    """
    best = [float("inf")] * len(arguments)
    for _ in range(repeats):
        for index, argument in enumerate(arguments):
            start = time.perf_counter()
            function(argument)
            best[index] = min(best[index], time.perf_counter() - start)
    return best


def queries_of(path):
    """Return the queries of a file: JSON strings or plain text, one on each line."""
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines] if path.suffix == ".jsonl" else lines


def is_read_by_both(query):
    try:
        return len(parse_and_walk(query)) == len(parse(query).selectors)
    except (ValueError, QueryError):
        return False


def dashboards(paths):
    queries = [query for path in paths for query in queries_of(path)]
    queries = list(filter(is_read_by_both, queries[:: len(queries) // 500 or 1]))
    own = passes(lambda text: scope_query(text, SCOPE), queries)
    parsing = passes(parse, queries)
    theirs = passes(parse_and_walk, queries)
    ratio = statistics.median(own) / statistics.median(theirs)
    each = statistics.median(a / b for a, b in zip(own, theirs, strict=True))
    length = statistics.median(map(len, queries))
    print(f"{len(queries)} queries, median length {length:.0f} characters")
    print(f"  scope (parse, splice, split again, check)  {statistics.median(own) * 1e6:7.1f} us")
    print(f"  parse alone                                {statistics.median(parsing) * 1e6:7.1f} us")
    print(f"  promql-parser, parse and walk              {statistics.median(theirs) * 1e6:7.1f} us")
    print(f"  ratio of the medians {ratio:.2f}, median of the ratios {each:.2f} (target <= {TARGET_RATIO})")


def filled(size, part, *, start="", end="", between=""):
    """Return a text that repeats a part up to a size."""
    count = (size - len(start) - len(end) + len(between)) // (len(part) + len(between))
    return start + between.join([part] * count) + end


SHAPES = {
    "sum of numbers": lambda size: filled(size, "1", between="+"),
    "sum of selectors": lambda size: filled(size, "cpu", between="+"),
    "selectors with a matcher": lambda size: filled(size, 'a{b="c"}', between=" or "),
    "unnamed selectors": lambda size: filled(size, '{b=~".+"}', between="/"),
    "powers": lambda size: filled(size, "2", between="^"),
    "signs": lambda size: filled(size, "-", end="a"),
    "matchers": lambda size: filled(size, 'b="c"', start="a{", end="}", between=","),
    "quoted names": lambda size: filled(size, '"b"="c"', start="a{", end="}", between=","),
    "nesting": lambda size: filled(size, "(" * 100 + "a" + ")" * 100, between="+"),
    "nested calls": lambda size: filled(size, "abs(" * 100 + "a" + ")" * 100, between="+"),
    "calls of info()": lambda size: filled(size, "info(a)", between="+"),
    "one long string": lambda size: filled(size, "x", start='a{b="', end='"}'),
    "one string of escapes": lambda size: filled(size, r"\u00e9", start='a{b="', end='"}'),
    "one long regex": lambda size: filled(size, "(x*)?", start='{b=~"', end='y"}'),
    "one deep regex": lambda size: '{b=~"' + "(" * (size // 2 - 4) + "y" + ")" * (size // 2 - 4) + '"}',
    "one regex of classes": lambda size: filled(size, "[[:alpha:]]", start='{b=~"', end='"}'),
    "comments": lambda size: filled(size, "#{'\n", end="a"),
    "white space": lambda size: filled(size, " ", end="a"),
    "labels of a grouping": lambda size: filled(size, "b", start="sum by (", end=") (a)", between=","),
    "strings of a grouping": lambda size: filled(size, "'b'", start="sum by (", end=") (a)", between=","),
    "arguments": lambda size: filled(size, "'b'", start="sort_by_label(a,", end=")", between=","),
    "aggregations": lambda size: filled(size, "sum(a)", between="+"),
    "subqueries": lambda size: filled(size, "rate(a[1:1])", between="+"),
    "durations": lambda size: filled(size, "1", start="a[", end="]", between="+"),
    "one long number": lambda size: filled(size, "9", start="0."),
    "fills": lambda size: filled(size, "+fill(1)a", start="a"),
    "names that may be fills": lambda size: filled(size, "fill ", between="+"),
    "set operators": lambda size: filled(size, "a", between=" or on()"),
}


def growth():
    print("\ntime for 32 KiB over time for 16 KiB (target <= 2.3), each text accepted and scoped")
    worst = (0.0, "")
    for name, shape in SHAPES.items():
        times = []
        for size in (16 * KIB, 32 * KIB):
            text = shape(size)
            assert 0.98 * size <= len(text) <= size, (name, len(text))
            assert scope_query(text, SCOPE) != text or not parse(text).selectors, name
            times.append(seconds(lambda text: scope_query(text, SCOPE), text, repeats=5))
        ratio = times[1] / times[0]
        worst = max(worst, (times[1], name))
        print(
            f"  {name:26} {times[1] * 1e3:7.2f} ms  {ratio:5.2f}{'' if ratio <= TARGET_GROWTH else '  <-- !'}"
        )
    print(f"\nslowest text of 32 KiB: {worst[1]}, {worst[0] * 1e3:.0f} ms")


if __name__ == "__main__":
    sys.setswitchinterval(1)
    dashboards([Path(name) for name in sys.argv[1:]] or sorted(QUERIES.glob("*.promql")))
    growth()
