"""Pages of commands."""

import argparse
import re
from pathlib import Path

from tools.reference.commands import _page, command_pages, man_pages

import chrysaetos


def a_parser():
    parser = argparse.ArgumentParser(prog="tool", description="keep tools")
    parser.add_argument(
        "--size", type=int, default=3, metavar="N", help="how many_of *them* (default: %(default)s)"
    )
    parser.add_argument("--hidden", help=argparse.SUPPRESS)
    actions = parser.add_subparsers(metavar="ACTION")
    actions.add_parser("new", description="make one").add_argument("name", help="its name!")
    return parser


def test_an_option_has_its_help_and_default_without_markup():
    page = _page(a_parser())
    assert ".. option:: --size N\n\n   How many\\_of \\*them\\* (default: 3).\n" in page
    assert "Keep tools.\n" in page


def test_hidden_options_are_omitted():
    page = _page(a_parser())
    assert "--hidden" not in page
    assert "--help" not in page


def test_a_subcommand_has_its_own_heading_synopsis_and_arguments():
    page = _page(a_parser())
    _, found, own = page.partition("tool new\n----")
    assert found
    assert "   tool new [-h] name\n" in own
    assert ".. program:: tool new\n" in own
    assert ".. option:: name\n\n   Its name!\n" in own


def test_each_parser_in_the_source_has_its_options_in_the_reference_and_a_man_page():
    sources = [path.read_text() for path in Path(chrysaetos.__file__).parent.rglob("*.py")]
    programs = {name for source in sources for name in re.findall(r'prog="(chrysaetos[a-z -]*)"', source)}
    assert {"chrysaetos usage", "chrysaetos usage credits"} <= programs
    pages = command_pages()
    manuals = {page: name for page, name, *_ in man_pages()}
    for program in programs:
        name = program.replace(" ", "-")
        page = f"reference/commands/{name.removeprefix('chrysaetos-')}"
        assert f"{page}.rst" in pages, program
        assert manuals[page] == name
    assert ".. option:: --why TEXT\n" in pages["reference/commands/usage-credits.rst"]
