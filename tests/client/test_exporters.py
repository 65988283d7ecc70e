"""Metrics of servers by exporter."""

import pytest

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.exporters import (
    EXPORTERS,
    MEASURES,
    Exporter,
    read_exporters,
    read_servers,
    servers_query,
)
from chrysaetos.client.results import Vector
from chrysaetos.promql.ast import VectorSelector, walk
from chrysaetos.promql.parser import parse


def sample(measure, value, **labels):
    return {"metric": {"measure": measure, **labels}, "value": [0, str(value)]}


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


def test_measures_are_collected_by_server():
    vector = Vector(
        [
            sample("cpu", 1.5, server="s2"),
            sample("servers", 1, server="s1", name="web", project="p"),
            sample("servers", 1, server="s1", name="other"),
            sample("memory", 7, server="s1"),
            sample("memory", 7),
        ]
    )
    first, second = read_servers(vector)
    assert (first.id, first.name, first.project) == ("s2", "s2", "")
    assert first.measures == {**dict.fromkeys(MEASURES), "cpu": 1.5}
    assert (second.name, second.project, second.measures["memory"]) == ("web", "p", 7.0)


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
        ("[x]\nprobe = 'up'\ncpu = 'sum('", r"\[x\] cpu: 1:5"),
    ],
)
def test_an_invalid_file_is_rejected(text, message, tmp_path):
    file = tmp_path / "exporters.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidArgument, match=message):
        read_exporters(file)
