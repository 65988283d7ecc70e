import argparse

import pytest

from chrysaetos.arguments import PORT, POSITIVE, SECONDS, add_format, number


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (PORT, "0", 0),
        (PORT, "65535", 65535),
        (POSITIVE, "1", 1),
        (SECONDS, "0.5", 0.5),
        (number(float, 0), "0", 0.0),
        (number(int, -2), "-2", -2),
        (POSITIVE, "1" + "0" * 400, 10**400),  # more than a float can be
    ],
)
def test_numbers_within_the_bounds(parse, text, value):
    assert parse(text) == value
    assert type(parse(text)) is type(value)


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (PORT, "65536", "an integer from 0 to 65535"),
        (PORT, "-1", "an integer from 0 to 65535"),
        (PORT, "http", "an integer from 0 to 65535"),
        (POSITIVE, "0", "an integer of at least 1"),
        (POSITIVE, "1.5", "an integer of at least 1"),
        (SECONDS, "0", "a number greater than 0"),
        (SECONDS, "inf", "a number greater than 0"),
        (SECONDS, "nan", "a number greater than 0"),
        (number(float, 0), "-0.1", "a number of at least 0"),
    ],
)
def test_the_error_says_what_was_expected(parse, text, expected):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is not {expected}$"):
        parse(text)


def test_findings_are_shown_as_a_table_by_default():
    parser = argparse.ArgumentParser()
    add_format(parser)
    assert [parser.parse_args(given).format for given in ([], ["-f", "json"])] == ["table", "json"]
