"""Labels that all rows share, above the table."""

from chrysaetos.cli.layout import lay_out

COLUMNS = ["__name__", "job", "resource", "vm", "value"]
ROWS = [("cpu", "c", "1", "1", 5), ("cpu", "c", "2", "2", 5)]


def test_shared_and_equal_labels_are_moved():
    layout = lay_out(COLUMNS, ROWS, keep={"value"}, width=80)
    assert layout.above == ['cpu{job="c"}', "vm: as resource"]
    assert layout.columns == ["resource", "value"]
    assert layout.rows == [("1", 5), ("2", 5)]


def test_kept_columns_and_numbers_stay():
    assert lay_out(COLUMNS, ROWS, keep={"value", "job", "vm"}, width=80).columns == [
        "job",
        "resource",
        "vm",
        "value",
    ]
    assert lay_out(["a", "n"], [("x", 1), ("y", 1)], keep=(), width=80).columns == ["a", "n"]


def test_a_single_row_is_split_only_if_it_is_too_wide():
    assert lay_out(COLUMNS, ROWS[:1], keep={"value"}, width=80).above == []
    assert lay_out(COLUMNS, ROWS[:1], keep={"value"}, width=30).columns == ["value"]


def test_a_label_that_some_rows_lack_stays():
    layout = lay_out(["a", "b"], [("x", ""), ("y", "z")], keep=(), width=80)
    assert (layout.above, layout.columns) == ([], ["a", "b"])
    assert lay_out([], [], keep=(), width=80) == ([], [], [])


def test_the_lines_above_fit_the_width_and_quote_values():
    row = ("cpu", 'a"\\b', "x" * 30, "y" * 30, 1)
    layout = lay_out(COLUMNS, [row, row], keep={"value"}, width=40)
    assert layout.above[0] == r'cpu{job="a\"\\b",'
    assert all(len(line) <= 45 for line in layout.above)
