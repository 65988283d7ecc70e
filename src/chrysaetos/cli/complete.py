"""``chrysaetos complete``: prints the completion script of a shell, and finds the completions.

The script runs ``chrysaetos complete --words …`` for each completion. Commands, options and their choices are
those of the parsers. Names of metrics, and names and values of labels, are read from the server.
"""

from __future__ import annotations

import argparse
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from chrysaetos.cli.main import command_names, parser_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chrysaetos.cli.names import Names

__all__ = ["add_arguments", "candidates", "run"]

_SHELLS = ("bash", "zsh", "fish")

_PROMQL = frozenset({"query", "range", "series"})
"""The commands whose arguments are PromQL."""

_SAFE = re.compile(r"[\w .:/@%+,-]+")
"""Names and values without characters that are special in a shell or in PromQL. Others are not offered: data
of a server must not end a quotation on the command line."""

_IN_BRACES = re.compile(r"([A-Za-z_:][\w:]*)?\s*\{([^{}]*)$")
_VALUE = re.compile(r"([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)$")
_LABEL = re.compile(r"(?:^|,)\s*(\w*)$")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\((?:[^()]*,)?\s*(\w*)$")
_METRIC = re.compile(r"(?:^|[^\w:\"'.])([A-Za-z_:][\w:]*)?$")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--shell", choices=_SHELLS, default="bash", help="default: %(default)s")
    # Last, since the words may be options.
    parser.add_argument("--words", nargs=argparse.REMAINDER, help="print the completions of the last word")


def run(arguments: argparse.Namespace) -> int:
    """Print the completion script, or the completions.

    Returns:
        The exit status, 0.
    """
    if arguments.words is None:
        script = resources.files("chrysaetos.cli") / "completion" / f"chrysaetos.{arguments.shell}"
        print(script.read_text(encoding="utf-8"), end="")
        return 0
    from chrysaetos.cli.names import Names  # noqa: PLC0415  # only for completions

    words = arguments.words or [""]
    with Names(words[:-1]) as names:
        for candidate in candidates(words, names):
            print(candidate)
    return 0


def candidates(words: Sequence[str], names: Names) -> list[str]:
    """Return the completions of the last word. A space at the end of one means that the word is complete.

    Args:
        words: the words after ``chrysaetos``, as typed; the last one may be empty or begin with a quote.
        names: finds the names of metrics and labels.
    """
    *before, word = words
    if before[:1] == ["help"]:
        before = before[1:]
    known = command_names()
    name = next((text for text in (" ".join(before[:2]), *before[:1]) if text in known), None)
    longer = [
        each.split()[len(before)] for each in known if each.split()[: len(before)] == before != each.split()
    ]
    if name is None:
        return _matching(word, dict.fromkeys(longer if before else ["help", *longer]))
    parser = parser_of(name)
    if parser is None:
        return []
    parser, rest = _innermost(parser, before[len(name.split()) :])
    option = _options(parser).get(rest[-1]) if rest else None
    if option is not None and option.nargs is None:
        return _option_values(option, word, names)
    if word.startswith("-"):
        return _matching(word, [each for each in _options(parser) if each.startswith("--")])
    return _matching(word, [*longer, *_subcommands(parser)]) or _arguments(name, word, names)


def _matching(word: str, choices: Iterable[str]) -> list[str]:
    return [f"{choice} " for choice in choices if choice.startswith(word)]


def _options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return parser._option_string_actions  # noqa: SLF001  # argparse has no public list


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the subcommands by name."""
    actions = parser._actions  # noqa: SLF001  # argparse has no public list
    found: Any = next((action.choices for action in actions if action.nargs == argparse.PARSER), None)
    return dict(found or {})


def _innermost(
    parser: argparse.ArgumentParser, words: list[str]
) -> tuple[argparse.ArgumentParser, list[str]]:
    """Return the parser of the last subcommand in the words, and the words after it."""
    for index, word in enumerate(words):
        if word in _subcommands(parser):
            return _innermost(_subcommands(parser)[word], words[index + 1 :])
    return parser, words


def _option_values(option: argparse.Action, word: str, names: Names) -> list[str]:
    if option.choices is not None:
        return _matching(word, option.choices)
    return _promql(word, names) if option.dest == "match" else []


def _arguments(command: str, word: str, names: Names) -> list[str]:
    if command in _PROMQL:
        return _promql(word, names)
    if command == "values":
        return _matching(word, _safe(["__name__", *names.labels()]))
    return _matching(word, _safe(names.metrics())) if command == "metadata" else []


def _promql(word: str, names: Names) -> list[str]:
    """Return completions of the last name or value of a query: each is the whole query up to there."""
    quote = word[:1] if word[:1] in {"'", '"'} else ""
    text = word[len(quote) :]
    end = "" if quote else " "
    if found := _GROUPING.search(text):
        return _completed(text, found[1], names.labels(), "")
    if inside := _IN_BRACES.search(text):
        metric = inside[1] or ""
        if found := _VALUE.search(inside[2]):
            return _completed(text, found[2], names.values(found[1], metric), '"')
        found = _LABEL.search(inside[2])
        return [] if found is None else _completed(text, found[1], names.labels(metric), "=")
    found = _METRIC.search(text)
    return [] if found is None else _completed(text, found[1] or "", names.metrics(), end)


def _completed(text: str, begun: str, names: Iterable[str], end: str) -> list[str]:
    kept = text[: len(text) - len(begun)]
    return [f"{kept}{name}{end}" for name in _safe(names) if name.startswith(begun)]


def _safe(names: Iterable[str]) -> list[str]:
    return [name for name in names if _SAFE.fullmatch(name)]
