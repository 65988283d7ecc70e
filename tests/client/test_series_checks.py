"""The checks of series; ``test_queries`` has them behind a query."""

import pytest

from chrysaetos.client.series_checks import InvalidSeries, check_matrix, check_vector


def test_the_first_invalid_series_is_named():
    sound = {"metric": {}, "value": [1, "2"]}
    check_vector([sound, sound], float)
    with pytest.raises(InvalidSeries, match=r"^series 1 is \{'metric': \{\}\}$"):
        check_vector([sound, {"metric": {}}, None], float)


def test_a_long_series_is_cut():
    with pytest.raises(InvalidSeries) as caught:
        check_matrix([{"metric": {"a": "b" * 1000}, "values": [None]}], float)
    assert len(str(caught.value)) < 130
