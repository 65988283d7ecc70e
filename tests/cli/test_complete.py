"""``chrysaetos complete``: completions in bash."""

import sys

import pytest
from tests.support import commands

from chrysaetos.cli.main import parsers

SCRIPT = """
COMP_WORDS=({words}); COMP_CWORD={number}
_chrysaetos
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def completions(run):
    """Return bash's completions of the last word of a command."""
    script = run("complete").out

    def complete(*words):
        text = script + SCRIPT.format(words=" ".join(f"'{word}'" for word in words), number=len(words) - 1)
        done = commands.run(["bash", "-c", text])
        assert done.err == ""
        return done.out.split()

    return complete


def test_commands_are_completed(completions):
    assert completions("chrysaetos", "ra") == ["range"]
    assert {"query", "range", "doctor", "demo", "gateway", "scope"} <= set(completions("chrysaetos", ""))


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("query", "--wa"), ["--watch"]),
        (("range", "up", "--pl"), ["--plot"]),
        (("series", "--os-clo"), ["--os-cloud"]),
        (("demo", "--st"), ["--state-dir"]),
        (("scope", "--pro"), ["--project"]),
        (("gateway", "--config-f"), ["--config-file"]),
        (("gateway", "in"), ["init"]),
        (("gateway", "init", "--keystone-u"), ["--keystone-url"]),
        (("usage", "--simple-vm-i"), ["--simple-vm-id"]),
    ],
)
def test_options_are_completed(words, options, completions):
    assert completions("chrysaetos", *words) == options


def test_zsh_loads_bash_completions(run):
    assert run("complete", "--shell", "zsh").out.startswith("autoload -Uz compinit bashcompinit")
    assert run("complete", "--shell", "zsh").out.endswith(run("complete").out)


def test_every_command_has_a_parser():
    known = parsers()
    assert all(parser.prog == f"chrysaetos {name}" for name, parser in known.items())


def test_a_command_without_its_extra_is_not_completed(monkeypatch):
    monkeypatch.setitem(sys.modules, "cliff.show", None)
    monkeypatch.delitem(sys.modules, "chrysaetos.cli.whoami", raising=False)
    known = parsers()
    assert not {"whoami", "explain"} & known.keys()
    assert {"query", "gateway", "scope"} <= known.keys()
