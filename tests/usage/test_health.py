"""The health of several sources, on the page that is scraped."""

from prometheus_client.parser import text_string_to_metric_families

from chrysaetos.usage.records import Project
from chrysaetos.usage.snapshot import Exposition, take_snapshot

NOW = 1000.0


def samples(exposition):
    text = exposition.render(NOW, compressed=False).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_one_source_has_no_metrics_by_source():
    assert not any("source" in name for name, *_ in samples(Exposition(60)))


def test_a_source_that_fails_does_not_hide_the_others():
    volumes, quotas = Exposition(60, source="volumes"), Exposition(60, source="compute-quotas")
    servers = Exposition(60, others=[volumes, quotas])
    servers.publish(take_snapshot(NOW, [Project("p", "one", "d", "default")], {}))
    volumes.publish(take_snapshot(NOW - 61, [], {}))
    volumes.health.problem, quotas.health.problem = "cinder", "nova"
    volumes.health.duplicates = 3
    servers.health.calls, volumes.health.calls = 4, 5
    for exposition in (servers, volumes):
        exposition.health.failures["keystone"] += 2
    values = samples(servers)
    assert ("project_vcpu_usage", "d", "default", "p", "one") in values
    assert values["usage_exporter_up",] == 1
    assert values["usage_exporter_source_up", "servers"] == 1
    assert values["usage_exporter_source_up", "volumes"] == 0
    assert values["usage_exporter_source_counted_until_timestamp_seconds", "volumes"] == NOW - 61
    assert values["usage_exporter_source_up", "compute-quotas"] == 0
    assert values["usage_exporter_source_duplicates", "volumes"] == 3
    assert values["usage_exporter_problem", "cinder"] == values["usage_exporter_problem", "nova"] == 1
    assert values["usage_exporter_update_failures_total", "keystone"] == 4
    assert values["usage_exporter_api_calls_total",] == 9
