"""Metrics of servers by exporter."""

import pytest

from chrysaetos.dashboards import load_dashboard
from chrysaetos.errors import ConfigError
from chrysaetos.exporters import EXPORTERS, MEASURES, Exporter, read_exporters, servers_query
from chrysaetos.promql.ast import VectorSelector, walk
from chrysaetos.promql.parser import parse


@pytest.mark.parametrize("name", EXPORTERS)
def test_all_expressions_are_valid(name):
    exporter = EXPORTERS[name]
    assert exporter.expressions.keys() <= {"servers", *MEASURES}
    query = servers_query([exporter], "10m")
    assert "$window" not in query
    names = {node.name for node in walk(parse(query).expr) if isinstance(node, VectorSelector)}
    assert all(str(metric).startswith(("ceilometer_", "libvirt_", "openstack_")) for metric in names)
    assert exporter.probe in names


def test_the_names_of_ceilometers_own_exporter_end_in_total():
    query = servers_query([EXPORTERS["ceilometer-total"]], "10m")
    assert "ceilometer_network_incoming_bytes_total[10m]" in query
    assert "ceilometer_cpu[" not in query
    assert "ceilometer_memory_usage," in query


@pytest.mark.parametrize("name", ["ceilometer", "libvirt"])
def test_the_dashboards_use_the_same_metrics(name):
    text = load_dashboard(f"vms-{name}")
    for expression in EXPORTERS[name].expressions.values():
        for node in walk(parse(expression.replace("$window", "5m")).expr):
            if isinstance(node, VectorSelector):
                assert str(node.name) in text


def test_a_file_replaces_and_adds_exporters(tmp_path):
    file = tmp_path / "exporters.toml"
    file.write_text(
        """
        [libvirt]
        probe = "vm_up"
        cpu = "rate(vm_cpu[$window])"
        [own]
        probe = "own_up"
        """
    )
    found = read_exporters(file)
    assert list(found) == ["libvirt", "own", "ceilometer", "ceilometer-total", "openstack-exporter"]
    assert found["libvirt"] == Exporter("vm_up", {"cpu": "rate(vm_cpu[$window])"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("[", "Invalid initial character"),
        ("x = 1", "the key probe is missing"),
        ("[x]\ncpu = 'up'", "the key probe is missing"),
        ("[x]\nprobe = 'up'\nspeed = 'up'", "unknown key speed; known are probe, servers, cpu"),
        ("[x]\nprobe = 'up'\ncpu = 5", r"\[x\] cpu: 5 should be a string"),
        ("[x]\nprobe = 'up{}'", r"\[x\] probe: 'up{}' should be the name of a metric"),
        ("[x]\nprobe = '1'", "should be the name of a metric"),
        ("[x]\nprobe = 'up'\ncpu = '5'", r"\[x\] cpu: '5' should be an instant vector, not a scalar"),
        (
            "[x]\nprobe = 'up'\ncpu = 'up[5m]'",
            r"\[x\] cpu: 'up\[5m\]' should be an instant vector, not a matrix",
        ),
        (f"x = {'[' * 5000}", "nested too deeply"),
        (f"[x]\nprobe = 'up'\ncpu = '{'(' * 5000}'", r"\[x\] cpu: .*nested"),
        ("[x]\nprobe = 'up'\ncpu = 'sum('", r"\[x\] cpu: 1:5"),
    ],
)
def test_an_invalid_file_is_rejected(text, message, tmp_path):
    file = tmp_path / "exporters.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_exporters(file)
