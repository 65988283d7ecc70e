"""A test audit through Watcher's own API: the proof that metrics reach a strategy.

https://docs.openstack.org/api-ref/resource-optimization/ "Create Audit"; the catalog's type is infra-optim.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions

from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.findings import Finding, failed, good

if TYPE_CHECKING:
    from collections.abc import Callable

    from keystoneauth1.session import Session

__all__ = ["run_audit"]

_ENDED = {"SUCCEEDED", "FAILED", "CANCELLED", "DELETED", "SUSPENDED"}
_STEP = 1.0


def run_audit(
    session: Session,
    *,
    goal: str,
    strategy: str,
    seconds: float,
    region: str | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Finding:
    """Let Watcher audit once, and wait for its end. Nothing is carried out: plans only are made.

    Args:
        session: of a user who may create audits.
        goal: its name.
        strategy: its name.
        seconds: how long to wait.
        region: of Watcher's endpoint.
        wait: sleeps for so many seconds.

    Raises:
        MigrateError: Watcher's API does not take the audit.
    """
    asked = {"audit_type": "ONESHOT", "goal": goal, "strategy": strategy, "auto_trigger": False}
    ask = _Api(session, region)
    audit = ask("POST", "/v1/audits", asked)
    uuid, left = str(audit["uuid"]), seconds
    while audit["state"] not in _ENDED and left > 0:
        wait(_STEP)
        left -= _STEP
        audit = ask("GET", f"/v1/audits/{uuid}")
    if audit["state"] == "SUCCEEDED":
        plans = ask("GET", f"/v1/action_plans?audit_uuid={uuid}").get("action_plans", [])
        return good(
            "audit", f"{uuid} ({strategy}) succeeded, with {len(plans)} action plans; none is carried out"
        )
    if audit["state"] in _ENDED:
        remedy = "see the log: journalctl -u watcher-decision-engine"
        return failed("audit", f"{uuid} ({strategy}) ended as {audit['state']}", remedy)
    return failed(
        "audit",
        f"{uuid} ({strategy}) is still {audit['state']} after {seconds:g} seconds",
        f"see that watcher-decision-engine runs; openstack optimize audit show {uuid}",
    )


class _Api:
    def __init__(self, session: Session, region: str | None) -> None:
        self._session = session
        self._filter = {"service_type": "infra-optim", "interface": "public", "region_name": region}

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            found = self._session.get_endpoint(None, **self._filter)
            root = str(found or "").rstrip("/").removesuffix("/v1")
            if not root:
                raise MigrateError(
                    "the catalog has no infra-optim endpoint; register Watcher's API, or leave out --audit"
                )
            answer = self._session.request(
                f"{root}{path}", method, json=body, headers={"Accept": "application/json"}
            )
            content: dict[str, Any] = answer.json()
        except (exceptions.ClientException, ValueError) as error:
            raise MigrateError(f"Watcher's API refuses {method} {path}: {error}") from error
        return content
