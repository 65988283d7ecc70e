"""Weight sets: which set and which weight apply to a server."""

import pytest

from chrysaetos.usage.records import UsageError
from chrysaetos.usage.weights import UNWEIGHTED, Weights

OLD = {
    "resource_set_timestamp": 1000,
    "vcpus": [{"value": 2, "weight": 2}, {"value": 4, "weight": 3}],
    "memory_mb": [{"value": 8192, "weight": 3}],
}
NEW = {
    "resource_set_timestamp": 2000,
    "vcpus": [{"value": 4, "weight": 1.5}, {"value": 2, "weight": 0}],
    "memory_mb": [],
}


@pytest.mark.parametrize(
    ("started_at", "vcpus", "expected"),
    [
        (1000, 1, 2),  # applies from its own second on
        (1000, 2, 2),
        (1000, 3, 3),
        (1999.9, 4, 3),
        (1999, 64, 3),  # larger than all sizes
        (2000, 2, 0),
        (2000, 3, 1.5),
        (999, 4, 1),  # before the first
    ],
)
def test_the_latest_set_before_the_launch_applies(started_at, vcpus, expected):
    weights = Weights.parse([NEW, OLD])
    assert weights.at(started_at).vcpus(vcpus) == expected


def test_a_resource_without_weights_has_weight_1():
    assert Weights.parse([NEW]).at(3000).memory_mb(1) == 1


def test_without_sets_every_weight_is_1():
    assert UNWEIGHTED.at(0).vcpus(4) == 1
    assert UNWEIGHTED.at(0).memory_mb(4) == 1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "not a list"),
        ("x", "not a list"),
        ([{}], "weight set 1: resource_set_timestamp is missing"),
        ([OLD, {**OLD, "vcpus": 4}], "weight set 2: vcpus"),
        ([{**OLD, "vcpus": [{"value": 2}]}], "weight is missing"),
        ([{**OLD, "vcpus": [{"value": 2, "weight": -1}]}], "weight is -1"),
        ([{**OLD, "vcpus": [{"value": 2, "weight": float("nan")}]}], "weight is nan"),
        ([{**OLD, "vcpus": [{"value": "2", "weight": 1}]}], "value is '2'"),
        ([{**OLD, "resource_set_timestamp": True}], "resource_set_timestamp is True"),
    ],
)
def test_invalid_weights_are_rejected(document, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        Weights.parse(document)
