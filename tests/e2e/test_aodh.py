"""An unmodified Aodh evaluates tenants' alarms through the gateway."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.e2e.alarms import Aodh
from tests.e2e.hostile import HOSTILE, REFUSED
from tests.fakes.metrics_server import MetricsServer, success
from tests.shared import shared_hostile

from chrysaetos.demo.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack import People, Stores, Tokens

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import IdentityApi
    from chrysaetos.demo.keystone import Keystone

STATES = {"ok": "ok", "alarm": "alarm", "insufficient_data": "insufficient data"}
_MOVING = ("time", "[")
"""What is in expressions whose result may change within the interval of the samples: times and ranges."""
_REASON = re.compile(r"due to (\d+) samples (?:in|out)side threshold, most recent: (.+)")


@pytest.fixture(scope="module")
def aodh(
    keystone: Keystone,
    identity: IdentityApi,
    people: People,
    gateway_ab: Gateway,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Aodh]:
    identity.register_endpoint("metric-storage", "aetos", gateway_ab.url)
    options = {"aetos": {"unrestricted_projects": str(people.admin.project_id)}}
    with Aodh(
        tmp_path_factory.mktemp("aodh"), auth_url=keystone.url, account=people.service, options=options
    ) as aodh:
        yield aodh


@pytest.fixture(scope="module")
def token(tokens: Tokens, people: People) -> str:
    return tokens.project(people.a)


def rule(query: str, operator: str = "gt", threshold: float = 0.0) -> dict[str, Any]:
    return {"query": query, "comparison_operator": operator, "threshold": threshold}


def alarm(aodh: Aodh, token: str, name: str, made: dict[str, Any], **fields: Any) -> str:
    body = {"name": name, "type": "prometheus", "prometheus_rule": made, **fields}
    return str(aodh.call("POST", "/alarms", token, body)["alarm_id"])


def waited(aodh: Aodh, token: str, identifier: str, state: str) -> dict[str, Any]:
    """Return the alarm when it has a state."""
    found: dict[str, Any] = {}

    def reached() -> bool:
        found.update(aodh.call("GET", f"/alarms/{identifier}", token))
        return bool(found["state"] == state)

    assert wait_for(reached, timeout=60), (found, aodh.services_log.read_text()[-3000:])
    return found


# The first test, because the API has to create composite alarms before those of the type prometheus.
def test_a_composite_alarm_sees_only_its_project(aodh: Aodh, token: str):
    parts = [{"type": "prometheus", **rule("cpu", "ge")}, {"type": "prometheus", **rule("secret", "ge")}]
    made = {}
    for operator in ("or", "and"):
        body = {"name": operator, "type": "composite", "composite_rule": {operator: parts}}
        made[operator] = str(aodh.call("POST", "/alarms", token, body)["alarm_id"])
    waited(aodh, token, made["or"], "alarm")
    assert aodh.call("GET", f"/alarms/{made['and']}", token)["state"] == "insufficient data"
    for identifier in made.values():
        aodh.call("DELETE", f"/alarms/{identifier}", token)


def test_a_tenants_alarm_changes_its_state_and_notifies(aodh: Aodh, token: str):
    with MetricsServer(lambda _: success({})) as receiver:

        def notified(name: str) -> bool:
            return [request.path for request in receiver.requests][-1:] == [f"/{name}"]

        actions = {f"{name}_actions": [f"{receiver.url}/{name}"] for name in STATES}
        identifier = alarm(aodh, token, "count", rule("count(secret) or count(cpu)", "ge", 1), **actions)
        for change, name in (
            (rule("count(secret) or count(cpu)", "ge", 1), "alarm"),
            (rule("count(cpu)", "gt", 1e6), "ok"),
            (rule("count(secret)"), "insufficient_data"),  # only another tenant has it
            (rule("count(cpu)"), "alarm"),
        ):
            current = aodh.call("GET", f"/alarms/{identifier}", token)
            aodh.call("PUT", f"/alarms/{identifier}", token, {**current, "prometheus_rule": change})
            waited(aodh, token, identifier, STATES[name])
            assert wait_for(partial(notified, name), timeout=30), (name, receiver.requests)
        aodh.call("DELETE", f"/alarms/{identifier}", token)


def test_a_named_project_sees_the_series_of_all(aodh: Aodh, tokens: Tokens, people: People):
    admin = tokens.project(people.admin)
    identifier = alarm(aodh, admin, "all", rule("count(secret) + count(unlabelled)"))
    waited(aodh, admin, identifier, "alarm")
    aodh.call("DELETE", f"/alarms/{identifier}", admin)


def test_alarms_with_the_same_query_share_a_request(aodh: Aodh, token: str, gateway_ab: Gateway):
    query = "count(cpu) + 12345"
    made = [alarm(aodh, token, f"same-{number}", rule(query)) for number in range(5)]
    for identifier in made:
        waited(aodh, token, identifier, "alarm")
    for identifier in made:
        aodh.call("DELETE", f"/alarms/{identifier}", token)
    lines = [
        line for line in gateway_ab.log.read_text().splitlines() if "12345" in line and "explain" not in line
    ]
    cycles = aodh.services_log.read_text().count("initiating evaluation cycle")
    assert 1 <= len(lines) <= cycles


def test_a_hostile_alarm_never_sees_another_project(
    aodh: Aodh, token: str, people: People, stores: Stores, gateway_ab: Gateway
):
    def own(query: str) -> list[float] | None:
        """What the store of this tenant alone returns now; None for an error or a result without numbers."""
        form = {"query": query.encode(errors="surrogatepass")}
        response = requests.post(f"{stores.a.url}/api/v1/query", data=form, timeout=60)
        data = response.json().get("data", {})
        if response.status_code != 200 or data["resultType"] not in {"vector", "scalar"}:
            return None
        result = data["result"] if data["resultType"] == "vector" else [{"value": data["result"]}]
        return [float(each["value"][1]) for each in result]

    earlier = len(gateway_ab.log.read_text())
    projects = {'"A"': f'"{people.a.project_id}"', '"B"': f'"{people.b.project_id}"'}
    made: dict[str, tuple[str, list[float] | None]] = {}
    for number, text in enumerate(dict.fromkeys((*HOSTILE, *shared_hostile(), *REFUSED))):
        for example, project in projects.items():
            text = text.replace(example, project)  # noqa: PLW2901  # the same text
        refused = text in REFUSED or "(" * 101 in text
        expected = None if refused else own(text)
        made[alarm(aodh, token, f"hostile-{number}", rule(text, "ne", 1e300))] = text, expected
    started = aodh.services_log.read_text().count("initiating evaluation cycle")
    # All of them are evaluated in each of the next cycles.
    assert wait_for(
        lambda: aodh.services_log.read_text().count("initiating evaluation cycle") >= started + 3, timeout=240
    )
    found = {
        each["alarm_id"]: each for each in aodh.call("GET", "/alarms?q.field=type&q.value=prometheus", token)
    }
    seen = 0
    for identifier, (text, before) in made.items():
        state, reason = found[identifier]["state"], _REASON.search(found[identifier]["state_reason"])
        values = {str(value) for known in (before, before and own(text)) if known for value in known}
        if before:
            assert state == "alarm", (text, found[identifier])
            assert reason is not None
            assert int(reason[1]) == len(before), text
            assert reason[2] in values or any(name in text for name in _MOVING), (text, reason[2], values)
            seen += 1
        else:
            assert state == "insufficient data", (text, found[identifier])
        aodh.call("DELETE", f"/alarms/{identifier}", token)
    assert seen > len(HOSTILE) // 3
    # What the audit log has of Aodh's requests: the scope is this project in all of them.
    new = gateway_ab.log.read_text()[earlier:].replace('"', "").splitlines()
    lines = [line for line in new if f"user_id={people.service.user_id}" in line]
    assert len(lines) >= len(made)
    others = [line for line in lines if f" scope=project={people.a.project_id} " not in line]
    assert others == []
