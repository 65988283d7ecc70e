"""Run an audit in a running decision engine, and print its action plan. Runs in an environment of Watcher.

    python audit.py STRATEGY PARAMETERS --config-file watcher.conf

The parameters are JSON. The audit is created in the database, as the API would do. It is continuous, so the
engine finds and starts it without a message.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from typing import Any

from watcher.common import context, exception, service
from watcher.common.utils import StrictDefaultValidatingDraft4Validator
from watcher.decision_engine.loading.default import DefaultStrategyLoader

from watcher import objects

_TIMEOUT = 60
_FINAL_STATES = ("FAILED", "SUCCEEDED")


def strategy_of(admin: Any, name: str) -> Any:
    """Return a strategy, once the engine has put it into the database."""
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            return objects.Strategy.get_by_name(admin, name)
        except exception.StrategyNotFound:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def create(admin: Any, name: str, parameters: dict[str, Any]) -> Any:
    """Create an audit in the database."""
    schema = DefaultStrategyLoader().list_available()[name].get_schema()
    if schema:
        StrictDefaultValidatingDraft4Validator(schema).validate(parameters)
    strategy = strategy_of(admin, name)
    audit = objects.Audit(
        admin,
        uuid=str(uuid.uuid4()),
        name=f"{name} {time.time()}",
        audit_type="CONTINUOUS",
        state="PENDING",
        interval="86400",
        parameters=parameters,
        scope=[],
        goal_id=strategy.goal_id,
        strategy_id=strategy.id,
        auto_trigger=False,
        force=True,
    )
    audit.create()
    return audit


def plan_of(admin: Any, audit: Any) -> dict[str, Any]:
    """Wait for the end of the audit, and return its state and planned actions."""
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        audit = objects.Audit.get_by_uuid(admin, audit.uuid)
        plans = objects.ActionPlan.list(admin, filters={"audit_uuid": audit.uuid})
        # A continuous audit that succeeded stays ONGOING until its next run.
        if (plans and audit.next_run_time is not None) or audit.state in _FINAL_STATES:
            actions = [
                [action.action_type, action.input_parameters]
                for plan in plans
                for action in objects.Action.list(admin, filters={"action_plan_id": plan.id}, sort_key="id")
            ]
            return {"state": audit.state, "plans": len(plans), "actions": actions}
        time.sleep(0.05)
    return {"state": "timeout", "plans": 0, "actions": []}


def main() -> None:
    """Run the audit of the arguments."""
    program, strategy, parameters, *arguments = sys.argv
    service.prepare_service([program, *arguments])
    admin = context.make_context(is_admin=True)
    audit = create(admin, strategy, json.loads(parameters))
    found = plan_of(admin, audit)
    audit = objects.Audit.get_by_uuid(admin, audit.uuid, eager=True)
    audit.state = "CANCELLED"
    audit.save()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
