"""What tests of credentials share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chrysaetos.identity.keystone import TokenRefused

if TYPE_CHECKING:
    from chrysaetos.identity.keystone import KeystoneTokens, Refusal

__all__ = ["QUERY_ONLY", "identify", "refusal"]

QUERY_ONLY = [{"id": "r", "service": "metric-storage", "method": "GET", "path": "/api/v1/query"}]
"""Access rules of an application credential."""


async def refusal(tokens: KeystoneTokens, *args: Any) -> Refusal:
    """Return why a token is refused."""
    with pytest.raises(TokenRefused) as caught:
        await tokens.identify(*args)
    assert len(caught.value.challenges) == 2
    return caught.value.refusal


def identify(basic, value, service_token=None, method="GET", path="/api/v1/query", *, client=""):
    return basic.identify(value, service_token, method, path, client)
