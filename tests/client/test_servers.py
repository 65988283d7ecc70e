"""The servers in a result."""

from chrysaetos.client.results import Vector
from chrysaetos.client.servers import read_servers
from chrysaetos.exporters import MEASURES


def sample(measure, value, **labels):
    return {"metric": {"measure": measure, **labels}, "value": [0, str(value)]}


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
