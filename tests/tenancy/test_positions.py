"""Positions in an upstream's error."""

import pytest

from chrysaetos.tenancy.edits import edited
from chrysaetos.tenancy.positions import restored

TEXT = 'sum(up) +\n nö{vm="ä"} /\nlast'
INSERTED = [(6, 6, '{p="A"}'), (14, 14, 'p="A",'), (28, 28, '{p="A"}')]
SENT = 'sum(up{p="A"}) +\n nö{p="A",vm="ä"} /\nlast{p="A"}'


def own(message, text, *stages):
    return restored(message, text, lambda: stages)


def test_the_positions_of_the_example():
    assert edited(TEXT, INSERTED) == SENT


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ("1:1", "1:1"),
        ("1:5", "1:5"),  # up
        ("1:7", "1:7"),  # the inserted braces come after it
        ("1:9", "1:7"),
        ("1:14", "1:7"),
        ("1:16", "1:9"),
        ("2:2", "2:2"),
        ("2:5", "2:5"),  # the brace: ö has two bytes
        ("2:6", "2:6"),  # inserted
        ("2:12", "2:6"),
        ("2:15", "2:9"),  # the opening quote
        ("2:18", "2:12"),
        ("2:21", "2:15"),
        ("3:1", "3:1"),
        ("3:5", "3:5"),
        ("3:12", "3:5"),  # the end
    ],
)
def test_a_position_is_that_of_the_callers_own_text(sent, place):
    message = 'invalid parameter "query": {}: parse error: unexpected "1:2: parse error"'
    assert own(message.format(sent), TEXT, INSERTED) == message.format(place)
    assert own(f"PromQL info: a (9:9) ({sent})", TEXT, INSERTED) == f"PromQL info: a (9:9) ({place})"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "found duplicate series for the match group",
        "0:1: parse error: x",
        "1:0: parse error: x",
        "4:1: parse error: x",
        "1:18: parse error: x",
        "3:13: parse error: x",
        "1:9",
        "at 12:30 the server was away",
        "999999999999:1: parse error",
        "invalid position: parse error: x",
    ],
)
def test_messages_without_a_position_are_unchanged(message):
    assert own(message, TEXT, INSERTED) == message


def test_edits_may_come_in_stages():
    text = "up # x\rdown"
    first, second = [(7, 7, "\n"), (7, 11, "a")], [(2, 2, '{p="A"}'), (9, 9, '{p="A"}')]
    assert edited(edited(text, first), second) == 'up{p="A"} # x\r\na{p="A"}'
    assert own("2:1: parse error", text, first, second) == "1:8: parse error"
    assert own("2:9: parse error", text, first, second) == "1:12: parse error"
    assert own("1:4: parse error", text) == "1:4: parse error"


def test_a_message_without_a_position_costs_no_lookup():
    def never():
        raise AssertionError

    assert restored("many-to-many matching not allowed", TEXT, never) == "many-to-many matching not allowed"
