"""What the tests of the server share."""

import pytest

from chrysaetos.http.server import connection, server


@pytest.fixture
def quick(monkeypatch):
    """Let deadlines that are no options pass soon."""
    monkeypatch.setattr(server, "_TICK", 0.02)
    monkeypatch.setattr(connection, "_RECENT", 0.1)
    monkeypatch.setattr(connection, "_LINGER_SECONDS", 0.1)
