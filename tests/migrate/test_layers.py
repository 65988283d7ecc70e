"""Effective settings of several files and the environment, compared with oslo.config."""

from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg, types

from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.layers import Editor, Layers, Setting, Variable, split_list

LINES = ["[a]", "[A]", "[b]", "k = 1", "k = 2", "K = 3", "k-x = 4", "k =", "j = 5", "# k = 6"]
one_file = st.lists(st.sampled_from(LINES), max_size=6).map(lambda lines: "\n".join(["[a]", *lines]))
files = st.lists(one_file, min_size=1, max_size=3)
environments = st.dictionaries(st.sampled_from(["OS_A__K", "OS_B__K", "OS_A__J", "OS_A_K"]), st.just("e"))


@given(files, environments)
def test_the_effective_setting_is_that_of_oslo_config(tmp_path_factory, texts, environ):
    folder = tmp_path_factory.getbasetemp()
    arguments = []
    for number, text in enumerate(texts):
        path = folder / f"layer-{number}.conf"
        path.write_text(text)
        arguments += ["--config-file", str(path)]
    conf = cfg.ConfigOpts()
    conf(arguments, project="x", default_config_files=[], default_config_dirs=[], use_env=False)
    layers = Layers([ConfFile(str(n), text.encode()) for n, text in enumerate(texts)], environ)
    for group in ("a", "b"):
        for key in ("k", "j"):
            conf.register_opt(cfg.StrOpt(key), group=group)
            found = layers.find_in_files(group, key)
            assert conf[group][key] == (found.value if found else None)
            overridden = layers.find(group, key)
            if f"OS_{group.upper()}__{key.upper()}" in environ:
                assert isinstance(overridden, Variable)
                assert overridden.value == "e"
            else:
                assert overridden == found


def test_a_location_is_a_line_or_a_variable():
    layers = Layers([ConfFile("f.conf", b"\n[a]\nk = 1\n")], {"OS_A__J": "2"})
    in_file, in_environment = layers.find("a", "k"), layers.find("a", "j")
    assert isinstance(in_file, Setting)
    assert in_file.location == "f.conf:3"
    assert in_environment is not None
    assert in_environment.location == "the environment variable OS_A__J"


def test_groups_are_found_in_files_and_the_environment():
    layers = Layers(
        [ConfFile("f", b"[s.One]\nk = 1\n[s.two]\nj = 1\n[t.three]\nk = 1\n")],
        {"OS_S.FOUR__K": "x", "OS_T__K": "x", "S.FIVE__K": "x"},
    )
    assert layers.groups(r"s\..+", "k") == ["s.four", "s.one"]


def test_items_are_split_like_a_list_option():
    for text in ("a,b", " a , b ,", "a", "", ",", "a\n,b", "a,,b"):
        assert split_list(text) == types.List()(text)


def edited(text: str, *adds: tuple[str, str, str], out: str = "") -> str:
    file = ConfFile("f", text.encode())
    editor = Editor(Layers([file], {}))
    for group, key, value in adds:
        editor.add(group, key, value, file=file)
    if out:
        editor.comment_out(out)
    return editor.contents().get(file, file.data).decode()


def test_a_key_is_added_after_its_sample_the_last_option_or_the_header():
    assert edited("[a]\n# k = 0\n\n[b]\n", ("a", "k", "1")) == "[a]\n# k = 0\nk = 1\n\n[b]\n"
    assert edited("[a]\nj = 0\n  1\n\n# b\n[b]\n", ("a", "k", "1")) == "[a]\nj = 0\n  1\nk = 1\n\n# b\n[b]\n"
    assert edited("[a]\n# about\n[b]\n", ("a", "k", "1")) == "[a]\nk = 1\n# about\n[b]\n"
    assert edited("[a]\nj=0", ("a", "k", "1"), ("a", "l", "2")) == "[a]\nj=0\nk = 1\nl = 2\n"


def test_a_section_is_added_at_the_end_or_after_the_commented_section():
    assert edited("[b]\n", ("a", "k", "1")) == "[b]\n\n[a]\nk = 1\n"
    assert edited("", ("a", "k", "1")) == "[a]\nk = 1\n"
    assert (
        edited("[old]\nk=1\n\n[b]\nj=2\n", ("a", "k", "1"), out="old")
        == "# [old]\n# k=1\n\n[a]\nk = 1\n\n[b]\nj=2\n"
    )


def test_a_commented_section_does_not_belong_to_the_previous_one():
    text = "[a]\nx=1\n[old]\n# c\nk=1\n  2\n\n; d\nj: 3\n[Old]\n"
    assert edited(text, out="OLD") == "[a]\nx=1\n# [old]\n# c\n# k=1\n#   2\n\n; d\n# j: 3\n# [Old]\n"


def test_a_file_that_is_read_twice_is_edited_once():
    file = ConfFile("f", b"[old]\nk=1\n")
    layers = Layers([file, file], {})
    editor = Editor(layers)
    assert editor.comment_out("old") == ["f:1"]
    contents = editor.contents()
    assert contents == {file: b"# [old]\n# k=1\n"}
    after = layers.replaced(contents)
    assert after.files[0] is after.files[1]
    assert after.find("old", "k") is None
