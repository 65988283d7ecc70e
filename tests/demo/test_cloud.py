import re
import urllib.error
import urllib.request
from itertools import pairwise

import pytest

from chrysaetos.demo.cloud import Cloud, Tenant
from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.processes import DemoError, free_port

CREATED = 1_700_000_000
TENANTS = (Tenant("aquila", "id-a", "user-a"), Tenant("bubo", "id-b", "user-b"))
LINE = re.compile(r"^([a-z_A-Z0-9]+)\{(.*?)\} (\S+)(?: (\d+))?(?: # (\{.*))?$")


def samples(text: str) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = LINE.match(line)
            assert match is not None, line
            found.setdefault((match[1], match[2]), []).append(float(match[3]))
    return found


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(TENANTS, CREATED)


def test_values_depend_only_on_the_tenants_and_the_time(cloud: Cloud) -> None:
    again = Cloud(TENANTS, CREATED)
    for target, other in zip(cloud.targets, again.targets, strict=True):
        assert target.exposition(CREATED + 77.5) == other.exposition(CREATED + 77.5)
    assert cloud.targets[0].exposition(CREATED) != cloud.targets[0].exposition(CREATED + 60)


def test_history_and_scrapes_have_the_same_values(cloud: Cloud) -> None:
    moment = CREATED - 3600
    history = samples("".join(cloud.history(moment, moment + 1, 60)))
    scraped = 0
    for target in cloud.targets:
        added = "".join(f',{name}="{value}"' for name, value in {**target.labels, "job": target.job}.items())
        for (name, labels), values in samples(target.exposition(moment)).items():
            assert history[name, (labels + added).removeprefix(",")] == values
            scraped += 1
    assert scraped == len(history)


def test_counters_grow_at_every_step(cloud: Cloud) -> None:
    counters = re.compile(r"_total$|_bucket$|_count$|_sum$|^ceilometer_cpu$|_bytes$")
    checked = 0
    for (name, _), values in samples("".join(cloud.history(CREATED - 86400, CREATED, 600))).items():
        assert len(values) == 144
        if counters.search(name) and not name.startswith(("node_memory", "node_filesystem")):
            assert all(before < after for before, after in pairwise(values)), name
            checked += 1
    assert checked > 60


def test_a_cpu_second_passes_every_second(cloud: Cloud) -> None:
    host = cloud.targets[0]
    spent: dict[float, float] = {}
    for time in (CREATED, CREATED + 1000):
        values = samples(host.exposition(time))
        spent[time] = sum(
            sum(value)
            for (name, labels), value in values.items()
            if name == "node_cpu_seconds_total" and 'cpu="0"' in labels
        )
    assert spent[CREATED + 1000] - spent[CREATED] == pytest.approx(1000)


def test_hosts_have_an_fqdn_and_belong_to_no_project(cloud: Cloud) -> None:
    hosts = [target for target in cloud.targets if target.job == "node"]
    assert len(hosts) == 3
    for host in hosts:
        assert host.labels["fqdn"].endswith(".example")
        assert "project" not in host.exposition(CREATED)


def test_each_instance_sample_names_its_project_and_resource(cloud: Cloud) -> None:
    seen = set()
    for target in cloud.targets:
        if target.job in {"node", "project_usages"}:
            continue
        for family in target.families:
            for series in family.series:
                seen.add((series.labels["project"], series.labels["resource"]))
    assert [project for project, _ in sorted(seen)] == ["id-a"] * 3 + ["id-b"] * 2


def test_usage_grows_by_the_size_of_the_servers_each_hour(cloud: Cloud) -> None:
    usage = next(target for target in cloud.targets if target.job == "project_usages")
    before, after = (samples(usage.exposition(CREATED + 3600 * hour)) for hour in (0, 1))
    grown = {(name, labels[:15]): after[name, labels][0] - before[name, labels][0] for name, labels in after}
    assert grown == {
        ("project_vcpu_usage", 'project="id-a",'): pytest.approx(7),
        ("project_vcpu_usage", 'project="id-b",'): pytest.approx(6),
        ("project_mb_usage", 'project="id-a",'): pytest.approx(14336),
        ("project_mb_usage", 'project="id-b",'): pytest.approx(12288),
    }


def test_usage_differs_by_day_as_servers_are_added(cloud: Cloud) -> None:
    day = 86400
    history = samples("".join(cloud.history(CREATED - 8 * day, CREATED + 1, day, job="project_usages")))
    assert {name for name, _ in history} == {"project_vcpu_usage", "project_mb_usage"}
    [totals] = [values for (name, labels), values in history.items() if "vcpu" in name and "id-a" in labels]
    hours = [after - before for before, after in pairwise(totals)]
    assert hours == pytest.approx([24 * each for each in (2, 2, 2, 6, 6, 6, 7, 7)])


def test_a_family_is_named_once_in_an_exposition(cloud: Cloud) -> None:
    for target in cloud.targets:
        types = re.findall(r"^# TYPE (\S+)", target.exposition(CREATED), flags=re.M)
        assert types
        assert len(types) == len(set(types))
        assert target.exposition(CREATED).endswith("# EOF\n")


def test_the_exporter_serves_each_target_at_its_path(cloud: Cloud) -> None:
    port = free_port()
    with Exporter(cloud.targets, port) as exporter:
        jobs = {config["job_name"]: config for config in exporter.scrape_configs("7s")}
        assert set(jobs) == {"node", "ceilometer", "web", "project_usages"}
        labels = [config["labels"] for config in jobs["node"]["static_configs"]]
        assert {label["fqdn"] for label in labels} == {f"compute-{i}.cloud.example" for i in range(3)}
        assert jobs["node"]["scrape_interval"] == "7s"
        for job in jobs.values():
            for config in job["static_configs"]:
                url = f"http://{config['targets'][0]}{config['labels']['__metrics_path__']}"
                with urllib.request.urlopen(url, timeout=5) as response:
                    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
                    assert response.read().endswith(b"# EOF\n")
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
        refused.value.close()
        with pytest.raises(DemoError, match=str(port)):
            Exporter(cloud.targets, port)
