"""The reader and editor of one file, beside oslo.config's own reader."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg

from chrysaetos.migrate.conffile import ConfFile, Edit, normalize_group, replace_items, replace_value
from chrysaetos.migrate.errors import MigrateError

PIECES = [
    "[a]", "[B]", "[a] ", "[", "[]", "[a]x", "[DEFAULT]", "[default]", "k", "k = v", "k=w", "j:x=y", "j=a:b",
    " = ", "=v", ":", "k = 'v'", 'k = "v', "k = '", "k-k = v", "  more", "\tmore = x", " ", "\t", "", "# c",
    " # c", "; c", "#", "k =", "k = v # c", "k = [v]", "\x0b", "k\x0b = \x0cv\x1c", "é = ü\u2028ö",
    "k = \x85", "\xa0x = y",
]  # fmt: skip
ENDS = ["\n", "\r\n", "\r", "\n\n", "\n\r"]
texts = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(ENDS)), max_size=12).map(
    lambda pairs: "".join(piece + end for piece, end in pairs)
)
texts = st.tuples(texts, st.sampled_from(["", *PIECES])).map("".join)


def sections_of(path):
    sections: dict[str, dict[str, list[str]]] = {}
    normalized: dict[str, dict[str, list[str]]] = {}
    parser = cfg.ConfigParser(str(path), sections)
    parser._add_normalized(normalized)
    parser.parse()
    return normalized


@given(texts)
def test_files_are_parsed_like_by_oslo_config(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "generated.conf"
    path.write_bytes(text.encode())
    try:
        expected = sections_of(path)
    except cfg.ParseError:
        with pytest.raises(MigrateError):
            ConfFile("f", text.encode())
        return
    file = ConfFile("f", text.encode())
    read: dict[str, dict[str, list[str]]] = {section.name: {} for section in file.sections}
    for option in file.options:
        read[option.section].setdefault(option.key, []).append(option.value)
    assert read == expected


@given(texts, st.data())
def test_edits_change_no_other_byte(text, data):
    try:
        file = ConfFile("f", text.encode())
    except MigrateError:
        return
    assert file.edited([]) == file.data
    lines = [match[0] for match in re.finditer(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)]
    first = data.draw(st.integers(0, len(lines)))
    end = data.draw(st.integers(first, len(lines)))
    new = data.draw(st.lists(st.sampled_from(["# new", "# other"]), max_size=3))
    before, after = "".join(lines[:first]), "".join(lines[end:])
    edited = file.edited([Edit(first, end, tuple(new))]).decode()
    assert edited.startswith(before)
    assert edited.endswith(after)
    middle = edited[len(before) : len(edited) - len(after)]
    assert middle.split() == " ".join(new).split()


def test_an_inserted_line_ends_as_those_around_it():
    crlf = ConfFile("f", b"[a]\r\nk=v\r\n[b]\nj=w")
    assert crlf.edited([Edit(1, 1, ("x=1",))]) == b"[a]\r\nx=1\r\nk=v\r\n[b]\nj=w"
    assert crlf.edited([Edit(4, 4, ("x=1",))]) == b"[a]\r\nk=v\r\n[b]\nj=w\nx=1\n"
    assert ConfFile("f", b"[a]").edited([Edit(1, 1, ("x=1", "y=2"))]) == b"[a]\nx=1\ny=2\n"
    assert ConfFile("f", b"").edited([Edit(0, 0, ("[a]",))]) == b"[a]\n"


def test_several_edits_do_not_disturb_each_other():
    file = ConfFile("f", b"[a]\nk=1\nj=2\n  3\n[b]\nl=4")
    edits = [
        Edit(1, 2, ("# k=1",)),
        Edit(2, 4, ("j=5",)),
        Edit(4, 4, ("", "[c]")),
        Edit(5, 6, ("# l=4",)),
        Edit(6, 6, ("m=6",)),
    ]
    expected = b"[a]\n# k=1\nj=5\n\n[c]\n[b]\n# l=4\nm=6\n"
    assert file.edited(edits) == expected
    assert file.edited(reversed(edits)) == expected


def test_a_file_without_a_line_end_at_its_end_keeps_none():
    file = ConfFile("f", b"[a]\nk=1\n 2\n 3")
    assert file.edited([Edit(1, 4, ("k=1",))]) == b"[a]\nk=1"
    assert file.edited([Edit(1, 4, ("k=1", "j=2", "l=3", "m=4"))]) == b"[a]\nk=1\nj=2\nl=3\nm=4"
    assert file.edited([Edit(1, 4, ("k=1",)), Edit(4, 4, ("j=2",))]) == b"[a]\nk=1\nj=2\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["k = old"], ["k = new"]),
        (["k=old,old-er,older,bold,old"], ["k=new,old-er,older,bold,new"]),
        (["k: 'old' "], ["k: 'new' "]),
        (["old = old"], ["old = new"]),
        (["k =", "  old,", "\told", " x"], ["k =", "  new,", "\tnew", " x"]),
    ],
)
def test_an_item_is_replaced_where_it_stands(lines, expected):
    assert list(replace_items(lines, "old", "new")) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["k =  a", "  b"], "k =  v"),
        (["k=a"], "k=v"),
        (["k : "], "k : v"),
        (["k:a=b"], "k:v"),
    ],
)
def test_a_value_is_replaced_and_the_key_stays(lines, expected):
    assert replace_value(lines, "v") == (expected,)


def test_groups_are_compared_without_case_but_for_default():
    assert [normalize_group(name) for name in ("DEFAULT", "Default", "Watcher_X")] == [
        "DEFAULT",
        "default",
        "watcher_x",
    ]


def test_an_error_does_not_show_the_line():
    with pytest.raises(MigrateError) as caught:
        ConfFile("watcher.conf", b"[a]\npassword geheim\n")
    assert "geheim" not in str(caught.value)
