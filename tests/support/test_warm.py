"""Programs in forks of a warm interpreter: each is as in an interpreter of its own, but for the imports."""

import sys

import pytest
from tests.support import warm
from tests.support.warm import WarmPython, end_shared, shared_python


@pytest.fixture(scope="module")
def python():
    with WarmPython([sys.executable], ["json"]) as running:
        yield running


def test_a_program_has_its_own_arguments_directory_and_environment(python, tmp_path):
    (tmp_path / "beside.py").write_text("NAME = 'beside'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\nfrom beside import NAME\n"
        "print(NAME, sys.argv[1:], os.getcwd(), dict(os.environ), sys.stdin.read(), 'json' in sys.modules)\n"
        "print('failed', file=sys.stderr)\nsys.exit(3)\n"
    )
    done = python.run([script, "one", 2], env={"NAME": "value"}, cwd=tmp_path)
    assert (done.status, done.err) == (3, "failed\n")
    assert done.printed == f"beside ['one', '2'] {tmp_path} {{'NAME': 'value'}}  True\n"


def test_a_module_is_found_in_the_directory_and_in_pythonpath(python, tmp_path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"module_{name}.py").write_text(
            f"import sys\nprint({name!r}, __name__, sys.argv[1:])\n"
        )
        env = {"PYTHONPATH": str(tmp_path / "there")}
        done = python.run(["-m", f"module_{name}", "word"], env=env, cwd=tmp_path / "here")
        assert done.out == f"{name} __main__ ['word']\n"


def test_a_text_is_run(python, tmp_path):
    text = "import sys; print(__name__, sys.argv)"
    assert python.run(["-c", text, "word"], env={}, cwd=tmp_path).out == "__main__ ['-c', 'word']\n"


def test_nothing_is_left_of_a_program(python, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import json\nprint(getattr(json, 'mark', 'none'))\njson.mark = 'left'\n")
    assert [python.run([script], env={}, cwd=tmp_path).out for _ in range(2)] == ["none\n"] * 2


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [("1 / 0", 1, "ZeroDivisionError"), ("import os; os.abort()", -6, "")],
)
def test_a_program_that_fails_does_not_end_the_interpreter(python, tmp_path, text, status, error):
    script = tmp_path / "script.py"
    script.write_text(text)
    done = python.run([script], env={}, cwd=tmp_path)
    assert done.status == status
    assert error in done.err
    script.write_text("print('well')")
    assert python.run([script], env={}, cwd=tmp_path).out == "well\n"


def test_a_program_that_does_not_end_is_killed_with_the_interpreter(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import time\ntime.sleep(600)\n")
    with (
        WarmPython([sys.executable], []) as python,
        pytest.raises(AssertionError, match=r"script.py did not end in 0.5 s"),
    ):
        python.run([script], env={}, cwd=tmp_path, timeout=0.5)


def test_tests_share_an_interpreter_with_the_same_libraries(tmp_path, monkeypatch):
    monkeypatch.setattr(warm, "_shared", {})
    one, same, other = (shared_python([sys.executable], [name]) for name in ("json", "json", "csv"))
    assert one is same is not other
    end_shared()
    with pytest.raises(ValueError, match="closed file"):
        one.run(["-m", "this"], env={}, cwd=tmp_path)
