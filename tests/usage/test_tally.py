"""The totals of projects."""

import pytest

from chrysaetos.usage.records import ServerUsage
from chrysaetos.usage.tally import Key, SimpleVMProject, tally
from chrysaetos.usage.weights import Weights


def usage(
    instance="i", project="p", *, vcpus=2, memory_mb=512, disk_gb=10, hours=3.0, started_at=0.0, exists=True
):
    return ServerUsage(instance, project, vcpus, memory_mb, disk_gb, hours, started_at, exists)


def test_hours_are_multiplied_by_amounts():
    sums = tally([usage(), usage("j", vcpus=1, memory_mb=2048, hours=0.5), usage("k", "q")])
    totals = sums[Key("p")]
    assert totals.vcpu_hours == 6.5
    assert totals.mb_hours == 512 * 3 + 1024
    assert totals.disk_gb_hours == 35
    assert totals.server_hours == 3.5
    assert sums[Key("q")].vcpu_hours == 6


def test_memory_below_a_gib_counts():
    assert tally([usage(memory_mb=512)])[Key("p")].mb_hours == 1536


def test_whole_gib_gives_the_totals_of_older_exporters():
    weights = Weights.parse(
        [
            {
                "resource_set_timestamp": 0,
                "vcpus": [],
                "memory_mb": [{"value": 1, "weight": 2}, {"value": 8192, "weight": 5}],
            }
        ]
    )
    sums = tally([usage(memory_mb=512), usage("j", memory_mb=1536, hours=1)], weights, whole_gib=True)
    assert sums[Key("p")].mb_hours == 0 * 3 * 2 + 1 * 1 * 2
    assert tally([usage(memory_mb=1536, hours=1)], weights)[Key("p")].mb_hours == 1536 * 5


def test_only_servers_that_exist_count_as_current():
    totals = tally([usage(exists=False), usage("j", vcpus=4, memory_mb=1000)])[Key("p")]
    assert (totals.servers, totals.vcpus, totals.memory_mb) == (1, 4, 1000)
    assert totals.vcpu_hours == 18


def test_a_server_that_starts_now_is_current_without_usage():
    totals = tally([usage(hours=0.0)])[Key("p")]
    assert (totals.servers, totals.vcpu_hours) == (1, 0)


def test_weights_depend_on_the_launch_time():
    sets = [
        {"resource_set_timestamp": time, "vcpus": [{"value": 1, "weight": weight}], "memory_mb": []}
        for time, weight in ((100, 2), (200, 3))
    ]
    weights = Weights.parse(sets)
    totals = tally([usage(hours=1, started_at=150), usage("j", hours=1, started_at=250)], weights)[Key("p")]
    assert totals.vcpu_hours == 2 * 2 + 2 * 3


@pytest.mark.parametrize("names", [{"i": "one", "j": "two"}, {"i": "one"}, {}])
def test_servers_of_a_simplevm_project_belong_to_other_projects(names):
    sums = tally([usage(), usage("j", hours=1), usage("k", "q")], simple_vm=SimpleVMProject("p", names))
    expected = {Key("q"): 6.0}
    for instance, hours in (("i", 6.0), ("j", 2.0)):
        key = Key("p", names.get(instance))
        expected[key] = expected.get(key, 0.0) + hours
    assert {key: totals.vcpu_hours for key, totals in sums.items()} == expected
