"""What tests of grants share: endpoints, a caller, and what it is granted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from chrysaetos.errors import Forbidden
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.endpoints import ENDPOINTS
from chrysaetos.tenancy.paths import find_path

if TYPE_CHECKING:
    from chrysaetos.access.grants import PolicyAccess
    from chrysaetos.tenancy.scope import Scope

__all__ = ["FEDERATE", "GUARDED", "QUERY", "READER", "admitted"]

QUERY = find_path("/api/v1/query").endpoint
FEDERATE = find_path("/federate").endpoint
GUARDED = [endpoint for endpoint in ENDPOINTS if endpoint.guarded]

READER = Caller(user_id="u", project_id="P", roles=("reader",))


async def admitted(access: PolicyAccess, caller: Caller) -> dict[str, Scope]:
    """Return the scope by name of each endpoint that admits a caller."""
    scopes = {}
    for endpoint in GUARDED:
        with contextlib.suppress(Forbidden):
            scopes[endpoint.name] = await access.grant(caller, endpoint)
    return scopes
