"""``chrysaetos complete``: prints a shell completion script for commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.cli.main import parsers

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

__all__ = ["add_arguments", "run"]

_ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"
"""Makes zsh accept bash completions (zshcompsys(1))."""

_SCRIPT = """\
_chrysaetos() {{
    local words
    case "$COMP_CWORD:${{COMP_WORDS[1]}}:${{COMP_WORDS[2]}}" in
        1:*) words="{names}" ;;
{options}
    esac
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _chrysaetos chrysaetos
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--shell", choices=("bash", "zsh"), default="bash", help="default: %(default)s")


def run(arguments: Namespace) -> int:
    """Print the completion script.

    Args:
        arguments: the parsed arguments.

    Returns:
        The exit status, 0.
    """
    known = parsers()
    # Two words, such as "gateway init", before the first of them alone.
    options = "\n".join(
        f'        {_pattern(name)}) words="{_words(name, known)}" ;;' for name in sorted(known, reverse=True)
    )
    print(_ZSH if arguments.shell == "zsh" else "", end="")
    names = dict.fromkeys(name.partition(" ")[0] for name in known)
    print(_SCRIPT.format(names=" ".join(names), options=options), end="")
    return 0


def _pattern(name: str) -> str:
    first, _, second = name.partition(" ")
    return f"*:{first}:{second or '*'}"


def _words(name: str, known: Mapping[str, ArgumentParser]) -> str:
    """Return the second words of a command, and its options."""
    second = (each.removeprefix(f"{name} ") for each in known if each.startswith(f"{name} "))
    return " ".join((*second, _options(known[name])))


def _options(parser: ArgumentParser) -> str:
    return " ".join(option for option in parser._option_string_actions if option.startswith("--"))  # noqa: SLF001  # argparse has no public list
