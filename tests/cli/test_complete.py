"""``chrysaetos complete``: what bash makes of it."""

import sys

import pytest
from tests.support import commands

from chrysaetos.cli.main import parsers

ASK = """
COMP_WORDS=({words}); COMP_CWORD={number}
_chrysaetos
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def offered(run):
    """What bash offers for the words of a command, the last of which is being written."""
    script = run("complete").out

    def ask(*words):
        text = script + ASK.format(words=" ".join(f"'{word}'" for word in words), number=len(words) - 1)
        done = commands.run(["bash", "-c", text])
        assert done.err == ""
        return done.out.split()

    return ask


def test_commands_are_completed(offered):
    assert offered("chrysaetos", "ra") == ["range"]
    assert {"query", "range", "doctor", "demo", "gateway", "scope"} <= set(offered("chrysaetos", ""))


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("query", "--wa"), ["--watch"]),
        (("range", "up", "--pl"), ["--plot"]),
        (("series", "--os-clo"), ["--os-cloud"]),
        (("demo", "--st"), ["--state-dir"]),
        (("scope", "--pro"), ["--project"]),
    ],
)
def test_options_are_completed(words, options, offered):
    assert offered("chrysaetos", *words) == options


def test_zsh_is_told_to_understand_it(run):
    assert run("complete", "--shell", "zsh").out.startswith("autoload -Uz compinit bashcompinit")
    assert run("complete", "--shell", "zsh").out.endswith(run("complete").out)


def test_every_command_has_a_parser():
    known = parsers()
    assert all(parser.prog == f"chrysaetos {name}" for name, parser in known.items())


def test_a_command_whose_extra_is_not_installed_is_not_offered(monkeypatch):
    monkeypatch.setitem(sys.modules, "cliff.show", None)
    monkeypatch.delitem(sys.modules, "chrysaetos.cli.whoami", raising=False)
    known = parsers()
    assert not {"whoami", "explain"} & known.keys()
    assert {"query", "gateway", "scope"} <= known.keys()
