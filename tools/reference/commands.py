"""A page of the site and a man page for each command, from its parser."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tools.reference.rst import code, escaped, heading, indented

from chrysaetos.cli.main import parsers

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command_pages", "man_pages"]

_FOLDER = "reference/commands"
_WIDTH = 80
"""Columns of a synopsis."""


def man_pages() -> list[tuple[str, str, str, str, int]]:
    """Return the man pages, for Sphinx: page, name, description, authors, section."""
    pages = [
        (f"{_FOLDER}/{_id(name)}", f"chrysaetos-{_id(name)}", _summary(each))
        for name, each in parsers().items()
    ]
    pages.append((f"{_FOLDER}/chrysaetos", "chrysaetos", "read the metrics of OpenStack projects"))
    return [(*page, "", 1) for page in pages]


def command_pages() -> dict[str, str]:
    """Return the text of each page by its path below ``docs/``."""
    known = parsers()
    pages = {f"{_FOLDER}/{_id(name)}.rst": _page(parser) for name, parser in known.items()}
    pages[f"{_FOLDER}/chrysaetos.rst"] = _overview(known)
    return pages


def _id(name: str) -> str:
    return name.replace(" ", "-")


def _summary(parser: argparse.ArgumentParser) -> str:
    return (parser.description or "").partition("\n")[0].rstrip(".")


def _overview(known: dict[str, argparse.ArgumentParser]) -> str:
    """Return the page of ``chrysaetos`` itself, with its subcommands."""
    text = heading("chrysaetos", "=") + heading("Synopsis", "-") + code("chrysaetos COMMAND [options]")
    text += heading("Commands", "-")
    for name, parser in known.items():
        text += f"**chrysaetos-{_id(name)}(1)**\n   {escaped(_summary(parser))}.\n\n"
    return text


def _page(parser: argparse.ArgumentParser) -> str:
    text = heading(parser.prog, "=") + heading("Synopsis", "-") + _synopsis(parser)
    if parser.description:
        text += heading("Description", "-") + _text(parser.description)
    return text + "".join(_arguments(parser, "-")) + "".join(map(_subcommand, _subparsers(parser)))


def _subcommand(parser: argparse.ArgumentParser) -> str:
    text = heading(parser.prog, "-") + _synopsis(parser) + _text(parser.description)
    return text + "".join(_arguments(parser, "~")) + "".join(map(_subcommand, _subparsers(parser)))


def _synopsis(parser: argparse.ArgumentParser) -> str:
    formatter = parser.formatter_class(prog=parser.prog, width=_WIDTH)  # type: ignore[call-arg]  # HelpFormatter's
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
    return code(formatter.format_help())


def _arguments(parser: argparse.ArgumentParser, underline: str) -> Iterator[str]:
    """Yield the groups of arguments, each with a heading, and the epilog."""
    yield f".. program:: {parser.prog}\n\n"
    for group in parser._action_groups:
        shown = [action for action in group._group_actions if _is_shown(action)]
        if shown:
            yield heading((group.title or "").capitalize(), underline) + _text(group.description)
        for action in shown:
            yield _option(parser, action)
    yield _text(parser.epilog)


def _is_shown(action: argparse.Action) -> bool:
    if isinstance(action, argparse._SubParsersAction | argparse._HelpAction):
        return False
    return action.help != argparse.SUPPRESS


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from dict.fromkeys(action.choices.values())


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = parser._get_formatter()
    names = formatter._format_action_invocation(action)
    text = formatter._expand_help(action) if action.help else ""
    return f".. option:: {names}\n\n{indented(_text(text))}"


def _text(text: str | None) -> str:
    """Return a help text as a paragraph: it begins with a capital and ends with a full stop."""
    words = " ".join((text or "").split())
    if not words:
        return ""
    end = "" if words[-1] in ".:!?" else "."
    return f"{escaped(words[0].upper() + words[1:])}{end}\n\n"
