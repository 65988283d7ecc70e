"""The options of the upstream's engine."""

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.options import load_conf
from chrysaetos.gateway.settings import load_options
from chrysaetos.tenancy.engine import NOTHING
from chrysaetos.tenancy.labels import LabelTable
from chrysaetos.tenancy.scope import Scope

A = Scope.of("project", "A")


@pytest.fixture
def configured(tmp_path):
    """Call it with lines of ``[prometheus]``; it returns the engine scoping and the upstream's options."""

    def load(*lines):
        file = tmp_path / "aetos.conf"
        file.write_text("\n".join(("[prometheus]", *lines)))
        application, (upstream,) = load_options(load_conf(["--config-file", str(file)]))
        return application.engine, upstream

    return load


def test_prometheus_gets_no_additions(configured):
    for lines in ((), ("engine = prometheus",)):
        engine, upstream = configured(*lines)
        assert engine.additions(A) == NOTHING
        assert upstream.default_headers == ()


def test_victoria_metrics_gets_the_scope_as_selectors(configured):
    engine, _ = configured("engine = victoriametrics")
    parameters, headers = engine.additions(A)
    assert parameters.startswith(b"extra_filters%5B%5D=%7Bproject%3D")
    assert parameters.count(b"=") == 1
    assert headers == ()


def test_metrics_with_another_label_get_their_own_filters(configured):
    engine, _ = configured(
        "engine = victoriametrics", "metric_label_names = ceilometer_*:project_id", "open_metrics = up"
    )
    # The access adds the configured table of labels to each scope.
    scope = Scope("project", ("A",), LabelTable.of({"ceilometer_*": "project_id"}, ["up"]))
    assert engine.additions(scope).parameters.count(b"extra_filters%5B%5D=") == 3


def test_thanos_gets_the_project(configured):
    engine, _ = configured("engine = thanos")
    assert engine.additions(A) == (b"", ((b"THANOS-TENANT", b"A"),))


def test_mimir_gets_the_tenant_of_the_project(configured):
    engine, _ = configured("engine = mimir", "tenants = A:gold, *:rest")
    assert engine.additions(A) == (b"", ((b"X-Scope-OrgID", b"gold"),))
    assert engine.additions(Scope.of("project", "B")).headers == ((b"X-Scope-OrgID", b"rest"),)
    engine, _ = configured("engine = mimir", "tenant_buckets = 1")
    assert engine.additions(A).headers == ((b"X-Scope-OrgID", b"bucket-0"),)


def test_unrestricted_requests_keep_the_header_that_scoped_ones_replace(configured):
    engine, upstream = configured(
        "engine = mimir", "tenant_buckets = 2", "headers = x-scope-orgid:bucket-0|bucket-1,X-Other:b"
    )
    assert engine.header_names == {"x-scope-orgid"}
    assert upstream.static_headers == (("X-Other", "b"),)
    assert upstream.default_headers == (("x-scope-orgid", "bucket-0|bucket-1"),)


def test_the_operator_can_add_and_replace_templates(configured):
    engine, _ = configured(
        "engine = mimir",
        "tenants = A:gold",
        "scope_headers = x-scope-orgid:{tenants},X-Project:{project}",
        "scope_parameters = extra_filters[]:{selector},nocache:1",
    )
    parameters, headers = engine.additions(A)
    assert headers == ((b"x-scope-orgid", b"gold"), (b"X-Project", b"A"))
    assert parameters.endswith(b"&nocache=1")


@pytest.mark.parametrize(
    ("lines", "option"),
    [
        (["engine = cortex"], "[prometheus] engine"),
        (["engine = mimir"], "engine or tenants"),
        (["engine = mimir", "tenants = A:a|b"], "[prometheus] tenants"),
        (["engine = mimir", "tenants = *:rest", "tenant_buckets = 3"], "[prometheus] tenants"),
        (["tenants = A:gold"], "engine or tenants"),
        (["tenant_buckets = -1"], "[prometheus] tenant_buckets"),
        (["engine = thanos", "open_metrics = up"], "[prometheus] engine"),
        (["engine = thanos", "metric_label_names = a:b"], "[prometheus] engine"),
        (["scope_parameters = match[]:{selector}"], "scope_parameters"),
        (["scope_parameters = extra_filters[]"], "[prometheus] scope_parameters"),
        (["scope_headers = X-A:{values}"], "scope_headers"),
        (["scope_headers = Host:{project}"], "scope_headers"),
    ],
)
def test_an_invalid_option_fails_the_start_and_is_named(configured, lines, option):
    with pytest.raises(ConfigError) as caught:
        configured(*lines)
    assert option in str(caught.value)
