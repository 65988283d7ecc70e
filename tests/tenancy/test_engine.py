"""The additions to scoped requests for the engine."""

from urllib.parse import parse_qsl

import pytest

from chrysaetos.errors import BadRequest, Forbidden
from chrysaetos.tenancy.engine import ALONE, NOTHING, EngineScoping, Tenants, hash_bucket, selectors
from chrysaetos.tenancy.labels import LabelTable
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

A = Scope.of("project", "A")
AB = Scope.of("project", "A", "B")


def parameters(engine, scope=A):
    return parse_qsl(engine.additions(scope).parameters.decode())


def test_an_unrestricted_request_has_no_additions():
    engine = EngineScoping({"extra_filters[]": "{selector}"}, {"X-Tenant": "{project}"})
    assert engine.additions(UNRESTRICTED) == NOTHING
    assert engine.additions(A) != NOTHING


def test_without_templates_there_are_no_additions():
    assert ALONE.additions(A) == NOTHING
    assert NOTHING.added_to(b"/api?a=b") == b"/api?a=b"


def test_templates_are_filled_from_the_scope():
    engine = EngineScoping(
        {"extra_filters[]": "{selector}", "who": "p-{project}.", "dedup": "true"},
        {"X-Tenant": "{project}", "X-All": "{projects}"},
    )
    additions = engine.additions(A)
    assert parse_qsl(additions.parameters.decode()) == [
        ("extra_filters[]", f"{{{A.matcher}}}"),
        ("who", "p-A."),
        ("dedup", "true"),
    ]
    assert additions.headers == ((b"X-Tenant", b"A"), (b"X-All", b"A"))
    assert additions.added_to(b"/a").startswith(b"/a?extra_filters%5B%5D=%7B")
    assert additions.added_to(b"/a?b=c").startswith(b"/a?b=c&extra_filters%5B%5D=%7B")


def test_each_scope_has_its_own_additions():
    engine = EngineScoping({"p": "{projects}"})
    for _ in range(2):
        assert parameters(engine) == [("p", "A")]
        assert parameters(engine, AB) == [("p", "A|B")]
        assert parameters(engine, Scope.of("other", "A")) == [("p", "A")]
    for number in range(3000):
        assert parameters(engine, Scope.of("project", f"p{number}")) == [("p", f"p{number}")]
    assert len(engine._kept) == 1024


def test_cached_additions_are_bounded_in_bytes():
    engine = EngineScoping({"p": "{projects}"})
    for domain in range(800):
        many = Scope.of("project", *(f"{domain:08x}{number:024x}" for number in range(1000)))
        assert len(parameters(engine, many)[0][1]) == 33 * 1000 - 1
        assert engine.additions(many) is engine.additions(many)
    assert 31 << 20 < engine._kept.weight <= 32 << 20


def test_a_placeholder_for_one_is_not_filled_from_several():
    engine = EngineScoping({}, {"X-Tenant": "{project}"})
    with pytest.raises(BadRequest, match="2 projects, and the metrics engine answers for one project"):
        engine.additions(AB)


@pytest.mark.parametrize("project", ["a\r\nX: y", "ä", " a", "a\x00"])
def test_an_id_that_cannot_be_in_a_header_is_refused(project):
    engine = EngineScoping({}, {"X-Tenant": "{project}"})
    with pytest.raises(Forbidden, match="cannot be sent"):
        engine.additions(Scope.of("project", project))


def test_a_value_cannot_add_parameters():
    engine = EngineScoping({"p": "{project}", "extra_filters[]": "{selector}"})
    scope = Scope.of("project", 'x&p=B#"}{%')
    assert parameters(engine, scope) == [
        ("p", 'x&p=B#"}{%'),
        ("extra_filters[]", f"{{{scope.matcher}}}"),
    ]
    assert parameters(engine, Scope.of("project", "{project}"))[0] == ("p", "{project}")


def test_selectors_match_what_the_label_table_shows():
    table = LabelTable.of(
        {"ceilometer_*": "project_id", "ceilometer_cpu": "tenant", "own": "tenant"}, ["up", "ceilometer_pub*"]
    )
    tenant, project_id = Scope("tenant", ("A",)).matcher, Scope("project_id", ("A",)).matcher
    assert selectors(Scope("project", ("A",), table)) == [
        f"{{{A.matcher}}}",
        f'{{__name__=~"ceilometer_.*",__name__!~"ceilometer_cpu|ceilometer_pub.*",{project_id}}}',
        f'{{__name__=~"ceilometer_cpu",{tenant}}}',
        f'{{__name__=~"own",{tenant}}}',
        '{__name__=~"up"}',
        '{__name__=~"ceilometer_pub.*"}',
    ]


def test_a_parameter_is_repeated_for_each_selector():
    scope = Scope("project", ("A", "B"), LabelTable.of({"own": "tenant"}))
    engine = EngineScoping({"extra_filters[]": "{selector}"})
    assert parameters(engine, scope) == [("extra_filters[]", one) for one in selectors(scope)]
    assert len(selectors(scope)) == 2


def test_tenants_are_from_the_table_or_else_from_buckets():
    tenants = Tenants({"A": "gold", "B": "gold"}, 4)
    assert (tenants.of("A"), tenants.of("B")) == ("gold", "gold")
    assert tenants.of("c") == f"bucket-{hash_bucket('c', 4)}"
    engine = EngineScoping({}, {"X-Scope-OrgID": "{tenant}"}, tenants)
    assert engine.additions(AB).headers == ((b"X-Scope-OrgID", b"gold"),)
    with pytest.raises(BadRequest, match="3 projects, and the metrics engine answers for one tenant"):
        engine.additions(Scope.of("project", "A", "B", "c"))
    plural = EngineScoping({}, {"X-Scope-OrgID": "{tenants}"}, tenants)
    value = plural.additions(Scope.of("project", "A", "B", "c")).headers[0][1]
    assert value == f"bucket-{hash_bucket('c', 4)}|gold".encode()


def test_projects_without_a_tenant_are_refused():
    with pytest.raises(Forbidden, match="no tenant"):
        Tenants({"A": "gold"}).of("B")
    assert Tenants({"A": "gold", "*": "rest"}).of("B") == "rest"


@pytest.mark.parametrize("project", ["", "a", "1f0c8a7e", "naïve"])
def test_a_bucket_is_less_than_the_number_of_buckets(project):
    assert {hash_bucket(project, 1)} == {0}
    assert 0 <= hash_bucket(project, 7) < 7


@pytest.mark.parametrize("name", ["", "..", "a|b", "a/b", "a b", "ä", "a" * 151, "a:b"])
def test_an_invalid_tenant_name_is_rejected(name):
    with pytest.raises(ValueError, match="cannot be the name"):
        Tenants({"A": name})


def test_buckets_exclude_a_tenant_for_all_other_projects():
    with pytest.raises(ValueError, match="set only one"):
        Tenants({"*": "rest"}, 3)


@pytest.mark.parametrize(
    ("parameters", "headers", "reason"),
    [
        ({"p": "{matcher}"}, {}, "may contain"),
        ({"p": "{project"}, {}, "may contain"),
        ({"p": "project}"}, {}, "may contain"),
        ({"p": "{{project}}"}, {}, "may contain"),
        ({"p": "{project.__class__}"}, {}, "may contain"),
        ({"": "{project}"}, {}, "callers can send"),
        ({"match[]": "{selector}"}, {}, "callers can send"),
        ({"Query": "{selector}"}, {}, "callers can send"),
        ({"a": "1", "A": "2"}, {}, "duplicate name"),
        ({}, {"a": "1", "A": "2"}, "duplicate name"),
        ({}, {"X Y": "1"}, "cannot be sent"),
        ({}, {"X": "a\nb"}, "cannot be sent"),
        ({}, {"X": ""}, "cannot be sent"),
        ({}, {"X": "{selector}"}, "is for parameters"),
        ({}, {"Content-Length": "{project}"}, "sets the header"),
        ({}, {"accept-encoding": "{project}"}, "sets the header"),
        ({}, {"X": "{tenant}"}, "requires the tenants of projects"),
    ],
)
def test_invalid_templates_fail_the_start(parameters, headers, reason):
    with pytest.raises(ValueError, match=reason):
        EngineScoping(parameters, headers)


def test_unused_tenants_fail_the_start():
    with pytest.raises(ValueError, match="requires the tenants of projects"):
        EngineScoping({"p": "{project}"}, {}, Tenants({"A": "gold"}))
