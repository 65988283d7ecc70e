"""Pages of the visible rule groups."""

import copy
import hashlib

import pytest

from chrysaetos.errors import BadRequest
from chrysaetos.tenancy.rule_parameters import select_groups


def alerting(name):
    return {"name": name, "type": "alerting", "alerts": [{}]}


def recording(name):
    return {"name": name, "type": "recording"}


GROUPS = [
    {"name": "one", "file": "/a", "rules": [alerting("x"), recording("y")]},
    {"name": "two", "file": "/a", "rules": [recording("y")]},
    {"name": "three", "file": "/b", "rules": [alerting("z")]},
]


def picked(**asked):
    asked = {name.replace("_list", "[]"): values for name, values in asked.items()}
    groups = select_groups(copy.deepcopy(GROUPS), asked)["groups"]
    return {group["name"]: "".join(rule["name"] for rule in group["rules"]) for group in groups}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {"one": "xy", "two": "y", "three": "z"}),
        ({"type": ["alert"]}, {"one": "x", "three": "z"}),
        ({"type": ["Record"]}, {"one": "y", "two": "y"}),
        ({"type": [""]}, {"one": "xy", "two": "y", "three": "z"}),
        ({"rule_name_list": ["y"]}, {"one": "y", "two": "y"}),
        ({"rule_name_list": ["x", "z", "nothing"]}, {"one": "x", "three": "z"}),
        ({"rule_group_list": ["two", "three"]}, {"two": "y", "three": "z"}),
        ({"file_list": ["/a"]}, {"one": "xy", "two": "y"}),
        ({"file_list": ["/a"], "type": ["alert"]}, {"one": "x"}),
        ({"file_list": ["/c"]}, {}),
        ({"rule_group_list": ["one"], "rule_name_list": ["z"]}, {}),
    ],
)
def test_parameters_select_groups_and_rules(asked, expected):
    assert picked(**asked) == expected


@pytest.mark.parametrize(
    ("text", "left_out"), [("", False), ("0", False), ("False", False), ("1", True), ("TRUE", True)]
)
def test_alerts_can_be_excluded(text, left_out):
    group = select_groups(copy.deepcopy(GROUPS), {"exclude_alerts": [text]})["groups"][0]
    assert (group["rules"][0]["alerts"] is None) is left_out
    assert "alerts" not in group["rules"][1]


def test_pages_follow_each_other():
    seen, asked = [], {"group_limit": ["1"]}
    while True:
        page = select_groups(copy.deepcopy(GROUPS), asked)
        seen += [group["name"] for group in page["groups"]]
        if "groupNextToken" not in page:
            break
        asked["group_next_token"] = [page["groupNextToken"]]
    assert seen == ["one", "two", "three"]
    assert "groupNextToken" not in select_groups(copy.deepcopy(GROUPS), {"group_limit": ["3"]})
    # getRuleGroupNextToken: SHA-256 of file, semicolon and name
    assert select_groups(copy.deepcopy(GROUPS), {"group_limit": ["2"]})["groupNextToken"] == (
        hashlib.sha256(b"/b;three").hexdigest()
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"type": ["x"]}, "type"),
        ({"exclude_alerts": ["maybe"]}, "exclude_alerts"),
        ({"group_limit": ["0"]}, "greater than 0"),
        ({"group_next_token": ["x"]}, 'needs "group_limit"'),
        ({"group_limit": ["1"], "group_next_token": ["x"]}, "were rule groups changed"),
        ({"match[]": ["up"]}, "match"),
    ],
)
def test_an_invalid_parameter_is_rejected(asked, message):
    with pytest.raises(BadRequest, match=message):
        select_groups(copy.deepcopy(GROUPS), asked)
