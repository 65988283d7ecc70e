"""``chrysaetos complete``: prints a shell completion script for commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.cli.main import parsers

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

__all__ = ["add_arguments", "run"]

_ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"
"""Makes zsh accept bash completions (zshcompsys(1))."""

_SCRIPT = """\
_chrysaetos() {{
    local words
    case "$COMP_CWORD:${{COMP_WORDS[1]}}" in
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
    options = "\n".join(f'        *:{name}) words="{_options(parser)}" ;;' for name, parser in known.items())
    print(_ZSH if arguments.shell == "zsh" else "", end="")
    print(_SCRIPT.format(names=" ".join(known), options=options), end="")
    return 0


def _options(parser: ArgumentParser) -> str:
    return " ".join(option for option in parser._option_string_actions if option.startswith("--"))  # noqa: SLF001  # argparse has no public list
