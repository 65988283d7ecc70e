"""``chrysaetos top``. The expressions run in tests/e2e/test_tutorial.py and test_cli.py."""

import json
import time

import pytest
from tests.fakes.metrics_server import success

QUERY = "/api/v1/query"
ID = "4d424d23-8d5a-54c3-84cd-c8aed30caa9"
MEASURES: dict[str, tuple[float, float]] = {
    "cpu": (1.3577, 0.2),
    "vcpus": (4, 2),
    "memory": (3514647552, 1e9),
    "memory_total": (8589934592, 4294967296),
    "received": (308087.9, 5),
    "sent": (0, 4e6),
    "read": (1, 2),
    "written": (1, 2),
    "disk_total": (1, 2),
    "running": (1, 0),
}


def vector(*samples):
    result = [{"metric": labels, "value": [0, str(value)]} for labels, value in samples]
    return success({"resultType": "vector", "result": result})


def servers(projects=("p", "p")):
    samples: list[tuple[dict[str, str], float]] = [
        ({"measure": "servers", "server": f"{ID}{n}", "name": name, "project": project}, 1)
        for n, (name, project) in enumerate(zip(("db", "web"), projects, strict=True))
    ]
    samples += [
        ({"measure": measure, "server": f"{ID}{n}"}, value)
        for measure, values in MEASURES.items()
        for n, value in enumerate(values)
    ]
    return vector(*samples)


@pytest.fixture
def cloud(server):
    """The queries of the command, and the responses: the exporters, and the servers."""
    answers = {"probe": vector(({"__name__": "ceilometer_cpu"}, 2)), "servers": servers()}

    def reply(request):
        probe = request.parameters["query"].startswith("count by (__name__)")
        return answers["probe" if probe else "servers"]

    server.replies = reply
    return answers


@pytest.mark.usefixtures("cloud")
def test_a_table(run_on_server):
    lines = run_on_server("top").out.splitlines()
    assert [cell.strip() for cell in lines[1].split("|")[1:-1]] == [
        *("server", "cpu", "memory", "in", "out", "read", "write")
    ]
    assert [cell.strip() for cell in lines[3].split("|")[1:-1]] == [
        *("db", "1.36/4", "3.27 GiB/8 GiB", "308.1kB", "0B", "1B", "1B")
    ]
    assert max(map(len, lines)) <= 79


@pytest.mark.usefixtures("cloud")
def test_other_formats_are_exact(run_on_server):
    rows = json.loads(run_on_server("top", "-f", "json").out)
    assert rows[0] == {
        "name": "db",
        "server": f"{ID}0",
        "project": "p",
        **{measure: values[0] for measure, values in MEASURES.items()},
    }
    assert "3514647552" in run_on_server("top", "--raw").out


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("sort", "first"), [("cpu", "db"), ("memory", "db"), ("network", "web"), ("disk", "web"), ("name", "db")]
)
def test_the_order(sort, first, run_on_server):
    rows = json.loads(run_on_server("top", "--sort", sort, "-f", "json").out)
    assert rows[0]["name"] == first
    assert len(json.loads(run_on_server("top", "--limit", "1", "-f", "json").out)) == 1


def test_projects_are_shown_to_a_caller_that_sees_several(cloud, run_on_server):
    cloud["servers"] = servers(("p", "q"))
    assert "project" in run_on_server("top").out.splitlines()[1]


def test_missing_measures_are_empty(cloud, run_on_server):
    cloud["servers"] = vector(({"measure": "servers", "server": "s", "name": "web"}, 1))
    assert json.loads(run_on_server("top", "-f", "json").out)[0]["cpu"] is None
    row = run_on_server("top").out.splitlines()[3]
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["web", *[""] * 6]


def test_the_query(cloud, server, run_on_server):
    assert run_on_server("top", "--window", "1h", "-f", "json").status == 0
    probe, query = (request.parameters["query"] for request in server.requests)
    assert 'count by (__name__) ({__name__=~"ceilometer_cpu|' in probe
    assert "rate(ceilometer_cpu[3600000ms])" in query
    assert "libvirt" not in query
    cloud["probe"] = vector(({"__name__": "libvirt_domain_info_cpu_time_seconds_total"}, 2))
    assert run_on_server("top", "-f", "json").status == 0
    assert "libvirt_domain_info_cpu_time_seconds_total[600000ms]" in server.requests[-1].parameters["query"]


def test_without_a_known_exporter(cloud, run_on_server):
    cloud["probe"] = vector()
    output = run_on_server("top")
    assert (output.status, output.printed) == (0, "")
    assert output.err.startswith("no servers\nyou see no series of these exporters: ceilometer,")
    assert json.loads(run_on_server("top", "-f", "json").out) == []


def test_an_exporter_of_ones_own(cloud, server, run_on_server, tmp_path, monkeypatch):
    file = tmp_path / "chrysaetos" / "exporters.toml"
    file.parent.mkdir()
    file.write_text('[own]\nprobe = "own_up"\ncpu = "rate(own_cpu[$window])"\n')
    cloud["probe"] = vector(({"__name__": "own_up"}, 2))
    for option in (["--exporters", str(file)], []):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        assert run_on_server("top", "--exporter", "own", *option).status == 0
        query = 'label_replace(rate(own_cpu[600000ms]), "measure", "cpu", "", "")'
        assert server.requests[-1].parameters["query"] == query
    output = run_on_server("top", "--exporter", "other")
    known = "own, ceilometer, ceilometer-total, libvirt, openstack-exporter"
    assert output.status == 2
    assert output.err == f"chrysaetos top: unknown exporter other; known are {known}\n"


@pytest.mark.usefixtures("cloud")
def test_watch_looks_for_exporters_once(server, run_on_server, monkeypatch):
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) > 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    assert run_on_server("top", "--watch", "3").status == 130
    assert pauses == [3.0] * 3
    assert len(server.requests) == 4


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_an_invalid_limit_is_rejected(limit, run_on_server):
    assert run_on_server("top", "--limit", limit).status == 2
