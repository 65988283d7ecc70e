"""Names of labels in paths."""

import pytest

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.names import path_name


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("job", "job"),
        ("__name__", "__name__"),
        ("service.name", "U__service_2e_name"),
        ("a_b.c", "U__a__b_2e_c"),
        ("é/☃", "U___e9__2f__2603_"),
        ("9lives", "U___39_lives"),
        # A server would take it for an escaped name.
        ("U__job", "U__U____job"),
    ],
)
def test_a_name_in_a_path(label, written):
    assert path_name(label) == written


@pytest.mark.parametrize("label", ["", "\ud800", None, 5])
def test_what_is_no_name(label):
    with pytest.raises(InvalidArgument, match="no name of a label"):
        path_name(label)
