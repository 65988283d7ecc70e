"""Label names in paths."""

import pytest

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.metadata import escape_label_name


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("job", "job"),
        ("__name__", "__name__"),
        ("service.name", "U__service_2e_name"),
        ("a_b.c", "U__a__b_2e_c"),
        ("é/☃", "U___e9__2f__2603_"),
        ("9lives", "U___39_lives"),
        # A server would unescape it.
        ("U__job", "U__U____job"),
    ],
)
def test_a_label_name_is_escaped(label, written):
    assert escape_label_name(label) == written


@pytest.mark.parametrize("label", ["", "\ud800", None, 5])
def test_an_invalid_label_name_is_rejected(label):
    with pytest.raises(InvalidArgument, match="not a label name"):
        escape_label_name(label)
