"""Changes of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.tenancy.edits import edited, original_index


def test_a_text_without_edits_is_itself():
    text = "up" * 2
    assert edited(text, []) is text
    assert original_index([], 3) == 3


@pytest.mark.parametrize(
    ("index", "original"),
    [(0, 0), (1, 1), (2, 1), (3, 1), (4, 1), (5, 3), (6, 4), (7, 4), (8, 5), (9, 6)],
)
def test_inserted_text_maps_to_the_start_of_its_edit(index, original):
    # "a" is kept, "bc" becomes "1234" and so on; "ef" is kept after an insertion.
    edits = [(1, 3, "1234"), (4, 4, "5")]
    assert edited("abcdef", edits) == "a1234d5ef"
    assert original_index(edits, index) == original


@given(
    st.text("ab", max_size=20),
    st.lists(st.tuples(st.integers(0, 20), st.text("xy", min_size=1, max_size=3)), max_size=4),
)
def test_every_character_is_found_again(text, inserted):
    edits = [(place, place, written) for place, written in sorted(inserted) if place <= len(text)]
    sent = edited(text, edits)
    for index, character in enumerate(text):
        shift = sum(len(written) for place, _, written in edits if place <= index)
        assert sent[index + shift] == character
        assert original_index(edits, index + shift) == index
