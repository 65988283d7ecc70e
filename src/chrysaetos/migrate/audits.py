"""Run a test audit through Watcher's own API, to verify that metrics reach a strategy.

https://docs.openstack.org/api-ref/resource-optimization/ "Create Audit"; the service type is infra-optim.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter

from chrysaetos.findings import Finding, failed, ok
from chrysaetos.migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from keystoneauth1.session import Session

__all__ = ["run_audit"]

_FINAL_STATES = {"SUCCEEDED", "FAILED", "CANCELLED", "DELETED", "SUSPENDED"}
_POLL_SECONDS = 1.0


def run_audit(
    session: Session,
    *,
    goal: str,
    strategy: str,
    seconds: float,
    region: str | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Finding:
    """Run a one-shot audit and wait for its end. Watcher only creates action plans; none is executed.

    Args:
        session: the session of a user who may create audits.
        goal: the name of the goal.
        strategy: the name of the strategy.
        seconds: the time limit.
        region: the region of Watcher's endpoint.
        wait: sleeps for a number of seconds.

    Raises:
        MigrateError: Watcher's API rejects the audit.
    """
    parameters = {"audit_type": "ONESHOT", "goal": goal, "strategy": strategy, "auto_trigger": False}
    watcher = Adapter(session, service_type="infra-optim", interface="public", region_name=region)
    request = partial(_request, watcher)
    audit = request("POST", "/v1/audits", parameters)
    uuid, left = str(audit["uuid"]), seconds
    while audit["state"] not in _FINAL_STATES and left > 0:
        wait(_POLL_SECONDS)
        left -= _POLL_SECONDS
        audit = request("GET", f"/v1/audits/{uuid}")
    if audit["state"] == "SUCCEEDED":
        plans = request("GET", f"/v1/action_plans?audit_uuid={uuid}").get("action_plans", [])
        return ok("audit", f"{uuid} ({strategy}) succeeded, with {len(plans)} action plans; none is executed")
    if audit["state"] in _FINAL_STATES:
        remedy = "see the log: journalctl -u watcher-decision-engine"
        return failed("audit", f"{uuid} ({strategy}) ended as {audit['state']}", remedy)
    return failed(
        "audit",
        f"{uuid} ({strategy}) is still {audit['state']} after {seconds:g} seconds",
        f"check that watcher-decision-engine is running; openstack optimize audit show {uuid}",
    )


def _request(watcher: Adapter, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        root = str(watcher.get_endpoint() or "").rstrip("/").removesuffix("/v1")
        if not root:
            raise MigrateError(
                "the catalog has no infra-optim endpoint; register Watcher's API, or omit --audit"
            )
        response = watcher.request(root + path, method, json=body, headers={"Accept": "application/json"})
        content: dict[str, Any] = response.json()
    except (exceptions.ClientException, ValueError) as error:
        raise MigrateError(f"Watcher's API rejects {method} {path}: {error}") from error
    return content
