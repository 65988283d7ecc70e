"""Run the commands in the guides for sites and portals."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import textwrap
from pathlib import Path

import pytest
from tests.support.commands import run

from chrysaetos.federation.registry import FILE, read_registry
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse

ROOT = Path(__file__).parents[2]
GUIDES = ("federation-site.md", "federation-portal.md", "moving-from-haproxy.md")
RUN = ("chrysaetos site", "chrysaetos portal", "chrysaetos federate token", "promtool", "openssl", "printf")
"""Commands that need neither root nor another machine. HAProxy is in Debian's /usr/sbin."""


def commands(guide: str) -> list[str]:
    """Return the commands of a guide, with continuation lines joined."""
    text = (ROOT / "docs" / "how-to" / guide).read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return [line for line in lines if line.startswith((*RUN, "haproxy -c"))]


@pytest.mark.parametrize(("guide", "count"), [(GUIDES[0], 10), (GUIDES[1], 6), (GUIDES[2], 5)])
def test_the_commands_of_a_guide(tmp_path: Path, guide: str, count: int) -> None:
    found = commands(guide)
    assert len(found) == count
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "chrysaetos"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m chrysaetos "$@"\n')
    program.chmod(0o755)
    tls = tmp_path / "gate.pem"
    for command in found:
        if command.startswith("haproxy"):
            # The commands before wrote a configuration with TLS, which needs a certificate.
            make_certificate(tls)
            shutil.copy(tls, tmp_path / "alpha" / "haproxy" / "gate.pem")
        tokens = " --tokens tokens.json" if "federate token" in command else ""
        path = f"{tmp_path / 'bin'}:/usr/sbin:/usr/bin:/bin"
        done = run(["sh", "-e", "-c", command + tokens], cwd=tmp_path, env={"PATH": path})
        assert done.status == 0, f"{command}\n{done.printed}{done.err}"


def make_certificate(path: Path) -> None:
    import trustme  # noqa: PLC0415  # only used here

    trustme.CA().issue_cert("gate.example").private_key_and_cert_chain_pem.write_to_path(path)


def test_the_registry_in_the_portals_guide_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how-to" / GUIDES[1]).read_text()
    (block,) = (
        block for block in re.findall(r"(?m)(?:^(?:    .*)?\n)+", text) if "[[remote_write]]" in block
    )
    (tmp_path / FILE).write_text(textwrap.dedent(block))
    registry = read_registry(tmp_path)
    assert registry.remote_write[0].token_file == "tokens/store"
    assert registry.remote_read[0].username == "portal"


def test_queries_of_the_portals_guide_are_promql() -> None:
    text = (ROOT / "docs" / "how-to" / GUIDES[1]).read_text()
    blocks = re.findall(r"(?m)(?:^    .*\n)+", text)
    queries = [block for block in blocks if "project:vcpu_usage:" in block]
    assert len(queries) == 2
    for query in queries:
        parse(query, DEFAULT_BOUNDS)
