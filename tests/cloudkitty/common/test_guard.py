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

PROOF = item("1", chrysaetos_guard="0", project_id="chrysaetos_guard", project="chrysaetos_guard")


def absent(selector: VectorSelector) -> dict[str, str]:
    """The labels of PromQL's `absent`: those that exactly one matcher names, by equality."""
    fixed = {one.name: unquote(one.raw) for one in selector.matchers if one.op == "="}
    names = [one.name for one in selector.matchers]
    return {name: value for name, value in fixed.items() if names.count(name) == 1}


def test_the_query_is_asked_with_its_proof():
    guard = Guard('max(cpu{project_id="p"}) by (vm)', "project_id")
    assert guard.query == (
        '(max(cpu{project_id="p"}) by (vm)) or '
        'absent(cpu{chrysaetos_guard="0",project_id="chrysaetos_guard",project="chrysaetos_guard"})'
    )


def test_each_metric_has_a_proof_of_its_own():
    guard = Guard('cpu / on () group_left memory or {__name__="disk.size"} or {job="x"} or cpu', "p")
    proofs = guard.query.split(" or absent(")[1:]
    assert [proof.split("chrysaetos_guard=")[0] for proof in proofs] == [
        "cpu{",
        "memory{",
        '{__name__="disk.size",',
        "{",
    ]
    assert parse(guard.query)


def test_a_comment_does_not_swallow_the_proof():
    assert len(parse(Guard("cpu # all of it", "p").query).selectors) == 2


def test_the_proof_is_no_part_of_the_answer():
    own = item("3", vm="a")
    assert Guard("cpu", "project_id").open([own, PROOF]) == [own]


@pytest.mark.parametrize("tenant_label", ["project_id", "project", "namespace", "tenant"])
def test_an_equality_that_a_gateway_adds_shows(tenant_label):
    guard = Guard("cpu", "namespace")
    scoped = parse(guard.query.replace("})", f',{tenant_label}="A"}})'))
    with pytest.raises(NotPrivilegedError, match="a part of the projects only"):
        guard.open([item("1", **absent(scoped.selectors[-1]))])


@pytest.mark.parametrize("tenant_label", ["project_id", "tenant"])
def test_the_way_that_chrysaetos_scopes_does_not_show(tenant_label):
    """So there the header is the proof: tests/cloudkitty/common/test_asking.py."""
    guard = Guard("cpu", "project_id")
    scoped = scope_query(guard.query, Scope.of(tenant_label, "A"))
    assert f'absent(cpu{{{tenant_label}=~"A",chrysaetos_guard="0",' in scoped


@pytest.mark.skipif(find_spec("observabilityclient") is None, reason="CloudKitty brings it from 25 on")
@pytest.mark.parametrize("tenant_label", ["project_id", "project"])
def test_the_way_that_aetos_scopes_shows(tenant_label):
    from observabilityclient.rbac import PromQLRbac  # noqa: PLC0415

    guard = Guard('max(present_over_time(cpu{zone="a"}[60s])) by (project_id)', "project_id")
    scoped = PromQLRbac(None, "A", tenant_label).modify_query(guard.query, ["cpu", "memory"])
    with pytest.raises(NotPrivilegedError):
        guard.open([item("1", **absent(parse(scoped).selectors[-1]))])


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [item("1", vm="a")],
        [PROOF, PROOF],
        [{**PROOF, "metric": {**PROOF["metric"], "chrysaetos_guard": "1"}}],
    ],
)
def test_an_answer_without_its_proof_is_not_taken(answer):
    with pytest.raises(NotPrivilegedError):
        Guard("cpu", "project_id").open(answer)


def test_the_error_tells_what_the_credentials_see():
    with pytest.raises(NotPrivilegedError, match=r"\(tenant='A'\)"):
        Guard("cpu", "project_id").open([{**PROOF, "metric": {**PROOF["metric"], "tenant": "A"}}])


def test_no_promql_is_refused():
    with pytest.raises(QueryError):
        Guard("sum(", "project_id")


@pytest.mark.parametrize(("query", "kind"), [("1", "scalar"), ('"a"', "string"), ("cpu[5m]", "matrix")])
def test_what_gives_no_vector_is_refused(query, kind):
    with pytest.raises(ValueError, match=kind):
        Guard(query, "project_id")
