"""The tenant's label by metric."""

import pytest

from chrysaetos.tenancy import enforce
from chrysaetos.tenancy.enforce import EnforcementError, scope_query, scope_selector
from chrysaetos.tenancy.labels import OPEN, UNIFORM, LabelTable
from chrysaetos.tenancy.scope import Scope

TABLE = LabelTable.of(
    {"ceilometer_*": "project_id", "ceilometer_cpu": "tenant_id", "target_info": "info_project", "a*": "x.y"},
    ["cloud_status", "public_*"],
)
SCOPE = Scope("project", ("A",), TABLE)


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("ceilometer_cpu", "tenant_id"),
        ("ceilometer_cpu_total", "project_id"),
        ("ceilometer_", "project_id"),
        ("ceilometer", None),
        ("cloud_status", OPEN),
        ("cloud_status_2", None),
        ("public_x", OPEN),
        ("cpu", None),
        ("ceilometer_*", "project_id"),
    ],
)
def test_names_take_precedence_over_prefixes_and_long_over_short_ones(metric, label):
    assert TABLE.label(metric) == label


def test_an_empty_table_has_no_entries():
    assert UNIFORM.label("cpu") is None
    assert LabelTable.of({"ab*": "1", "a*": "2", "abc*": "3"}).label("abcd") == "3"


@pytest.mark.parametrize("pattern", ["", "*", "a*b", "a.b", "a**", ".*", "a b", "é", "cpu{}"])
def test_an_invalid_pattern_is_rejected(pattern):
    with pytest.raises(ValueError, match="is not a metric name or a prefix"):
        LabelTable.of({pattern: "x"})


def test_an_empty_label_does_not_open_a_metric():
    with pytest.raises(ValueError, match="a label is empty"):
        LabelTable.of({"cpu": ""})


def test_a_metric_cannot_have_two_labels():
    with pytest.raises(ValueError, match="is a duplicate"):
        LabelTable.of({"a": "x"}, ["a"])


@pytest.mark.parametrize(
    ("query", "scoped"),
    [
        ("cpu", 'cpu{project="A"}'),
        ("ceilometer_cpu", 'ceilometer_cpu{tenant_id="A"}'),
        ("ceilometer_x{}", 'ceilometer_x{project_id="A"}'),
        ('ceilometer_x{project="B"}', 'ceilometer_x{project_id="A",project="B"}'),
        ("abc", 'abc{"x.y"="A"}'),
        ("cloud_status", "cloud_status"),
        ('public_a{project="B"} + cpu', 'public_a{project="B"} + cpu{project="A"}'),
        ('{__name__="ceilometer_x"}', '{project_id="A",__name__="ceilometer_x"}'),
        ('{"cloud_status"}', '{"cloud_status"}'),
        # Not fixed: the default label.
        ('{__name__=~"cloud_status"}', '{project="A",__name__=~"cloud_status"}'),
        ('{__name__=~"ceilometer_.+"}', '{project="A",__name__=~"ceilometer_.+"}'),
        ('{__name__!="cloud_status",vm="a"}', '{project="A",__name__!="cloud_status",vm="a"}'),
        ('{"cloud_status",__name__=~".+"}', '{project="A","cloud_status",__name__=~".+"}'),
        ('{"cloud_status","cloud_status"}', '{project="A","cloud_status","cloud_status"}'),
        ('{"cloud\\137status"}', '{project="A","cloud\\137status"}'),
        ('{__name__="\\x63loud_status"}', '{project="A",__name__="\\x63loud_status"}'),
        ('{__name__="cloud\\x5fstatus"}', '{project="A",__name__="cloud\\x5fstatus"}'),
        ('{vm="a"}', '{project="A",vm="a"}'),
        ("info(cpu)", 'info(cpu{project="A"},{project="A"})'),
        ('info(cpu,{__name__="cloud_status"})', 'info(cpu{project="A"},{__name__="cloud_status"})'),
        ('info(cpu,{k=~".+"})', 'info(cpu{project="A"},{project="A",k=~".+"})'),
        ("rate(cloud_status[5m] offset 1m)", "rate(cloud_status[5m] offset 1m)"),
    ],
)
def test_each_selector_gets_the_label_of_its_metric(query, scoped):
    assert scope_query(query, SCOPE) == scoped
    # Scoping a scoped text again is safe and does not change its meaning.
    scope_query(scoped, SCOPE)


def test_info_is_scoped_even_if_target_info_is_open():
    scope = Scope("project", ("A",), LabelTable.of({}, ["target_info"]))
    assert scope_query("info(cpu)", scope) == 'info(cpu{project="A"},{project="A"})'


def test_a_selector_without_a_fixed_name_has_the_default_label():
    assert scope_selector("{}", SCOPE) == '{project="A"}'
    assert scope_selector("cloud_status", SCOPE) == "cloud_status"


def test_a_scope_of_several_projects_uses_the_metrics_label():
    scope = Scope("project", ("A", "B"), TABLE)
    assert scope_query("ceilometer_x", scope) == 'ceilometer_x{project_id=~"A|B"}'


@pytest.mark.parametrize("wrong", ["", 'project="A"', 'project_id="B"'])
def test_a_selector_with_the_label_of_another_metric_is_noticed(monkeypatch, wrong):
    """Break the first pass: the second one must detect it."""
    monkeypatch.setattr(enforce, "_splice", lambda *_: f"ceilometer_x{{{wrong}}}")
    with pytest.raises(EnforcementError):
        scope_query("ceilometer_x", SCOPE)


def test_a_label_that_cannot_hold_a_tenant_is_refused():
    with pytest.raises(ValueError, match="label"):
        Scope("project", ("A",), LabelTable.of({"cpu": "__name__"}))
