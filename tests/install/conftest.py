"""Runs ``chrysaetos gateway init``."""

from __future__ import annotations

import functools

import pytest
from tests.support.commands import call_main

from chrysaetos.cli.main import main

URLS = ("--keystone-url", "https://cloud.example/identity", "--public-url", "https://cloud.example/metrics")


@pytest.fixture
def init(tmp_path, capsys, monkeypatch):
    """A function that runs the command for the directory ``new``, with the two required URLs."""
    monkeypatch.delenv("OS_CLOUD", raising=False)
    call = functools.partial(call_main, main, capsys=capsys)
    return lambda *arguments: call(["gateway", "init", str(tmp_path / "new"), *URLS, *arguments])
