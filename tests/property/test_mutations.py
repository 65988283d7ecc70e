"""Break the enforcement in many ways, one at a time; each time the battery must fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import chrysaetos

ROOT = Path(__file__).parents[2]
PARTS = ("__init__.py", "errors.py", "promql", "tenancy")

# Module, a part of its source, and the replacement.
BREAKS = {
    "a matrix selector's selector is not walked": ("promql/ast.py", "(node.selector,)", "()"),
    "a subquery is not walked": (
        "promql/ast.py",
        "Subquery: lambda node: (node.expr,)",
        "Subquery: lambda node: ()",
    ),
    "parentheses are not walked": (
        "promql/ast.py",
        "Paren: lambda node: (node.expr,)",
        "Paren: lambda node: ()",
    ),
    "a sign's operand is not walked": (
        "promql/ast.py",
        "Unary: lambda node: (node.expr,)",
        "Unary: lambda node: ()",
    ),
    "left sides are not walked": ("promql/ast.py", "(node.lhs, node.rhs)", "(node.rhs,)"),
    "right sides are not walked": ("promql/ast.py", "(node.lhs, node.rhs)", "(node.lhs,)"),
    "parameters of aggregations are not walked": ("promql/ast.py", "(node.param, node.expr)", "(node.expr,)"),
    "aggregations are not walked": (
        "promql/ast.py",
        "(node.expr,) if node.param is None",
        "() if node.param is None",
    ),
    "arguments are not walked": ("promql/ast.py", "lambda node: node.args", "lambda node: node.args[:1]"),
    "selectors without braces are not registered": (
        "promql/parser.py",
        "self.selectors.append(node)",
        "self.selectors += [node] if brace else []",
    ),
    "only the first argument is registered": (
        "promql/parser.py",
        "args.append(self.expression())\n        return",
        "args.append(self.expression())\n                self.selectors.pop()\n        return",
    ),
    "an unknown function is accepted": (
        "promql/parser.py",
        "FUNCTIONS.get(name)",
        'FUNCTIONS.get(name, FUNCTIONS["abs"])',
    ),
    "calls of info() are not registered": ("promql/parser.py", "if len(args) == 1:", "if not args:"),
    "the end is not looked for": (
        "promql/parser.py",
        "if self.kinds[self.index] != END:",
        "if self.index < 0:",
    ),
    "types are not checked": ("promql/parser.py", "if self.fault is not None:", "if self.index < 0:"),
    "empty selectors are accepted": ("promql/parser.py", "if not any(map(", "if self.index < 0 and any(map("),
    "the result is not checked": (
        "tenancy/enforce.py",
        "if split(result) != expected:",
        "if not expected:",
    ),
    "a selector more in the result is not seen": (
        "tenancy/enforce.py",
        "if split(result) != expected:",
        "if split(result)[: len(expected)] != expected:",
    ),
    "only the number of tokens in the result is compared": (
        "tenancy/enforce.py",
        "if split(result) != expected:",
        "if len(split(result)) != len(expected):",
    ),
    "selectors in the tree are not looked at": (
        "tenancy/enforce.py",
        "if not matcher:\n                continue\n            matchers",
        "if matcher:\n                continue\n            matchers",
    ),
    "the matcher is not looked at": (
        "tenancy/enforce.py",
        "if not all(map(is_matcher, matchers)):",
        "if not matchers and position < 0:",
    ),
    "what is no token is skipped": ("promql/tokens.py", "| .+){SKIP}", "){SKIP}"),
    "info() is not checked": (
        "tenancy/enforce.py",
        'node.function.name == "info"',
        'node.function.name == "INFO"',
    ),
    "inserted after the next character": (
        "tenancy/enforce.py",
        "(selector.name_end, ",
        "(selector.name_end + 1, ",
    ),
    "inserted before the name's end": (
        "tenancy/enforce.py",
        "(selector.name_end, ",
        "(selector.name_end - 1, ",
    ),
    "inserted before the brace": ("tenancy/enforce.py", "(selector.brace, ", "(selector.brace - 1, "),
    "inserted without a comma": ("tenancy/enforce.py", 'f"{matcher}," if', "matcher if"),
    "info() is given no matchers": ("tenancy/enforce.py", "    if query.infos:", "    if not query.infos:"),
    "every scope is unrestricted": ("tenancy/scope.py", '"unrestricted", False)', '"unrestricted", True)'),
    "an empty value is a scope": ("tenancy/scope.py", "if not values or not all(values):", "if not values:"),
    "a value is a regular expression": ("tenancy/scope.py", "={quote(values[0])}", "=~{quote(values[0])}"),
    "values of an alternation are not quoted": ("tenancy/scope.py", "map(regex_quote, values)", "values"),
    "quotes are not escaped": ("promql/strings.py", '\\\\x7f"\\\\\\\\', "\\\\x7f\\\\\\\\"),
    "backslashes are not escaped": ("promql/strings.py", '\\\\x7f"\\\\\\\\', '\\\\x7f"'),
    "newlines are escaped as another character": ("promql/strings.py", 'return "\\\\n"', 'return "\\\\r"'),
    "U+FFFD is not escaped": ("promql/strings.py", "\\ufffd]')", "]')"),
    "a comment may end at a carriage return alone": (
        "tenancy/portable.py",
        'elif match["cr"] is not None:',
        'elif match["cr"] == "never":',
    ),
    "a raw string may end in a backslash": (
        "tenancy/portable.py",
        'elif match["raw"] is not None and',
        'elif match["raw"] == "never" and',
    ),
    "a dot may follow a word": (
        "tenancy/portable.py",
        'if text.startswith(".",',
        'if text.startswith("never",',
    ),
    "a duration may be hexadecimal": (
        "tenancy/portable.py",
        "is None\n    ]",
        'is None and text == "never"\n    ]',
    ),
    "absent() gets an equality": (
        "tenancy/enforce.py",
        "return regex_matcher if selector.start in label_sources else",
        "return regex_matcher if selector.start in label_sources and not selector.end else",
    ),
    "absent() is not seen in parentheses": (
        "tenancy/enforce.py",
        "isinstance(arg, Paren | Subquery) or",
        "isinstance(arg, Subquery) or",
    ),
    "absent_over_time() is not known": ("tenancy/enforce.py", '{"absent", "absent_over_time"}', '{"absent"}'),
    "a # in a string starts a comment": (
        "promql/parser.py",
        "return tokenize(text,",
        'return tokenize(__import__("re").sub("#[^\\r\\n]*", lambda found: " " * len(found[0]), text),',
    ),
    "raw strings have escapes": ("promql/lexemes.py", "|`[^`\\ufffd]*+`", "|`(?:[^`\\\\\\ufffd]|\\\\.)*+`"),
    "an escaped quote ends a string": (
        "promql/lexemes.py",
        '"[^"\\\\\\n\\ufffd]*+(?:',
        '"[^"\\n\\ufffd]*+(?:',
    ),
    "or between matchers is a comma": ("promql/matchers.py", "([,}}])", "([,}}]|or)"),
    "fill is always a keyword": ("promql/tokens.py", "if kind in FILLS and", "if False and"),
    "a quoted name is no matcher": (
        "promql/matchers.py",
        "elif label is None:",
        "elif label is None and quoted is None:",
    ),
    "offsets swallow operators": ("promql/durations.py", 'elif kind != "(":', 'elif kind == "never":'),
}


def run(package):
    """Return the exit status and output of the battery, for a copy of the package in a directory."""
    command = [sys.executable, "-m", "tests.property.battery"]
    environment = {"PYTHONPATH": f"{package}:{ROOT}", "PATH": ""}
    return subprocess.run(
        command, env=environment, cwd=package, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def package(tmp_path):
    """A copy of the modules under test."""
    source, copy = Path(chrysaetos.__file__).parent, tmp_path / "chrysaetos"
    copy.mkdir()
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source / part, copy / part)
    return copy


def test_without_a_mutation_the_battery_succeeds(package):
    result = run(package.parent)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(package / "tenancy" / "enforce.py")


@pytest.mark.parametrize("name", BREAKS)
def test_broken_the_battery_fails(package, name):
    module, old, new = BREAKS[name]
    path = package / module
    source = path.read_text()
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {module}"
    path.write_text(source.replace(old, new))
    result = run(package.parent)
    assert result.returncode == 1
    assert "SyntaxError" not in result.stderr
    assert "Traceback" in result.stderr
