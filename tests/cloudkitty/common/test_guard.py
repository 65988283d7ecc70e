from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from tests.cloudkitty.conftest import item

from chrysaetos.cloudkitty.common.guard import Guard
from chrysaetos.cloudkitty.common.prometheus_client_base import NotPrivilegedError
from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse
from chrysaetos.promql.strings import unquote
from chrysaetos.tenancy.enforce import scope_query
from chrysaetos.tenancy.scope import Scope

if TYPE_CHECKING:
    from chrysaetos.promql.ast import VectorSelector

GUARD = item("1", chrysaetos_guard="0", project_id="chrysaetos_guard", project="chrysaetos_guard")


def absent(selector: VectorSelector) -> dict[str, str]:
    """Return the labels of PromQL's ``absent``: those with exactly one matcher, an equality."""
    fixed = {one.name: unquote(one.raw) for one in selector.matchers if one.op == "="}
    names = [one.name for one in selector.matchers]
    return {name: value for name, value in fixed.items() if names.count(name) == 1}


def test_the_query_has_a_guard():
    guard = Guard('max(cpu{project_id="p"}) by (vm)', "project_id")
    assert guard.query == (
        '(max(cpu{project_id="p"}) by (vm)) or '
        'absent(cpu{chrysaetos_guard="0",project_id="chrysaetos_guard",project="chrysaetos_guard"})'
    )


def test_each_metric_has_its_own_guard():
    guard = Guard('cpu / on () group_left memory or {__name__="disk.size"} or {job="x"} or cpu', "p")
    guards = guard.query.split(" or absent(")[1:]
    assert [text.split("chrysaetos_guard=")[0] for text in guards] == [
        "cpu{",
        "memory{",
        '{__name__="disk.size",',
        "{",
    ]
    assert parse(guard.query)


def test_a_comment_does_not_extend_to_the_guard():
    assert len(parse(Guard("cpu # all of it", "p").query).selectors) == 2


def test_the_guard_is_removed_from_the_result():
    own = item("3", vm="a")
    assert Guard("cpu", "project_id").check([own, GUARD]) == [own]


@pytest.mark.parametrize("tenant_label", ["project_id", "project", "namespace", "tenant"])
def test_an_added_equality_is_detected(tenant_label):
    guard = Guard("cpu", "namespace")
    scoped = parse(guard.query.replace("})", f',{tenant_label}="A"}})'))
    with pytest.raises(NotPrivilegedError, match="do not have access to all projects"):
        guard.check([item("1", **absent(scoped.selectors[-1]))])


@pytest.mark.parametrize("tenant_label", ["project_id", "tenant"])
def test_the_scoping_of_chrysaetos_is_not_detected(tenant_label):
    """The response header shows it instead: test_prometheus_client_base.py."""
    guard = Guard("cpu", "project_id")
    scoped = scope_query(guard.query, Scope.of(tenant_label, "A"))
    assert f'absent(cpu{{{tenant_label}=~"A",chrysaetos_guard="0",' in scoped


@pytest.mark.skipif(find_spec("observabilityclient") is None, reason="CloudKitty brings it from 25 on")
@pytest.mark.parametrize("tenant_label", ["project_id", "project"])
def test_the_scoping_of_aetos_is_detected(tenant_label):
    from observabilityclient.rbac import PromQLRbac  # noqa: PLC0415  # not in every release

    guard = Guard('max(present_over_time(cpu{zone="a"}[60s])) by (project_id)', "project_id")
    scoped = PromQLRbac(None, "A", tenant_label).modify_query(guard.query, ["cpu", "memory"])
    with pytest.raises(NotPrivilegedError):
        guard.check([item("1", **absent(parse(scoped).selectors[-1]))])


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [item("1", vm="a")],
        [GUARD, GUARD],
        [{**GUARD, "metric": {**GUARD["metric"], "chrysaetos_guard": "1"}}],
    ],
)
def test_a_result_without_the_guard_is_rejected(answer):
    with pytest.raises(NotPrivilegedError):
        Guard("cpu", "project_id").check(answer)


def test_the_error_lists_the_visible_values():
    with pytest.raises(NotPrivilegedError, match=r"\(tenant='A'\)"):
        Guard("cpu", "project_id").check([{**GUARD, "metric": {**GUARD["metric"], "tenant": "A"}}])


def test_invalid_promql_is_rejected():
    with pytest.raises(QueryError):
        Guard("sum(", "project_id")


@pytest.mark.parametrize(("query", "kind"), [("1", "scalar"), ('"a"', "string"), ("cpu[5m]", "matrix")])
def test_other_results_than_vectors_are_rejected(query, kind):
    with pytest.raises(ValueError, match=kind):
        Guard(query, "project_id")
