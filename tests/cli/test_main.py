"""Dispatch of the command, and the packages that it imports."""

import gc
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.commands import run

from chrysaetos.cli import main as module
from chrysaetos.cli import scope
from chrysaetos.cli.main import main

HEAVY = {
    *(
        "requests",
        "keystoneauth1",
        "openstack",
        "cliff",
        "stevedore",
        "oslo_config",
        "osprofiler",
        "keystone",
    ),
    "uvloop",
}

VARIABLES = {
    "OS_AUTH_URL": "http://127.0.0.1:1/v3",
    "OS_USERNAME": "u",
    "OS_PASSWORD": "p",
    "OS_USER_DOMAIN_ID": "default",
    "OS_PROJECT_ID": "p",
}


def loaded(*arguments):
    """Return the heavy packages that the command imports."""
    code = (
        "import sys\nfrom chrysaetos.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    )
    done = run([sys.executable, "-c", code, *arguments])
    assert done.status == 0, done.err
    return set(done.err.split())


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",)])
def test_the_help(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("usage: chrysaetos")
    assert all(f"    {name}" in printed for name in module._COMMANDS)


def test_the_help_of_a_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["help", "query"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: chrysaetos query")


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("scope", "up", "--project", "p")])
def test_help_imports_no_heavy_package(arguments):
    assert loaded(*arguments) == set()


def test_the_help_of_a_command_imports_only_what_it_needs():
    assert loaded("query", "--help") == {"cliff", "stevedore"}


def test_garbage_is_collected_less_often_during_imports(monkeypatch, capsys):
    thresholds: list[int] = []
    monkeypatch.setattr(gc, "set_threshold", thresholds.append)
    monkeypatch.setattr(importlib, "import_module", lambda _: pytest.fail(f"{thresholds}"))
    with pytest.raises(pytest.fail.Exception, match="20000"):
        main(["query", "up"])


def test_a_url_does_not_import_openstacksdk():
    assert "openstack" not in loaded("query", "up", "--url", "http://127.0.0.1:1", "--timeout", "0.1")


def test_a_common_login_does_not_import_openstacksdk(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert loaded("help", "query") == {"cliff", "stevedore"}
    imported = loaded("query", "up", "--timeout", "0.1")
    assert "keystoneauth1" in imported
    assert not imported & {"openstack", "osprofiler", "oslo_config"}


def test_a_missing_package_is_named_with_its_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cliff.lister", None)
    monkeypatch.delitem(sys.modules, "chrysaetos.cli.base", raising=False)
    monkeypatch.delitem(sys.modules, "chrysaetos.cli.query", raising=False)
    assert main(["query", "up"]) == 2
    assert capsys.readouterr().err == (
        "chrysaetos query needs the package cliff.lister: pip install 'chrysaetos[cli]'\n"
    )


@pytest.mark.parametrize(
    ("name", "hint"), [("quary", "did you mean query?"), ("xyzzy", "chrysaetos help lists the commands")]
)
def test_an_unknown_command_has_a_hint(name, hint, capsys):
    assert main([name, "up"]) == 2
    assert capsys.readouterr().err == f"chrysaetos: unknown command {name}: {hint}\n"


@pytest.mark.parametrize(
    ("arguments", "leading"),
    [
        (["--os-cloud", "query", "range", "up"], ["--os-cloud", "query"]),
        (["--os-cloud=demo", "range", "up"], ["--os-cloud=demo"]),
        (["range", "--os-cloud", "demo"], []),
        (["--os-cloud"], ["--os-cloud"]),
        ([], []),
    ],
)
def test_options_before_the_command(arguments, leading):
    assert module._leading_options(arguments) == leading


def test_leading_options_are_passed_to_the_command(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["--os-cloud", "nowhere", "query", "up"]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_other_commands_reject_leading_options(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--os-cloud", "demo", "scope", "up", "--project", "p"])
    assert caught.value.code == 2
    assert "--os-cloud is not an option of scope, which does not read metrics" in capsys.readouterr().err


INIT = ("--yes", "--keystone-url=https://k.example", "--public-url=https://m.example")
UNREAD = {
    "help": ("--help",),
    "help-of-a-command": ("help", "query"),
    "help-of-oslo": ("gateway", "--help"),
    "usage-help": ("usage", "--help"),
    "init": ("gateway", "init", "{}/conf", *INIT),
    "check": ("gateway", "check", "--offline", "--verbose"),
    "token": ("federate", "token", "new", "--tokens={}/new/tokens", "--allow=up", "--expires=1h", "portal"),
    "site": ("site", "init", "--location=here", "{}/site"),
    "complete": ("complete",),
    "scope": ("scope", "up", "--project=p"),
}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", UNREAD.values(), ids=UNREAD)
def test_a_command_whose_output_nobody_reads_ends_quietly(arguments, unbuffered, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "chrysaetos", *(word.format(tmp_path) for word in arguments)]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=environment, check=False)
    os.close(writing)
    assert "Traceback" not in (err := done.stderr.decode()), err
    assert "BrokenPipe" not in err
    # cliff, and argparse from Python 3.11.5, end their help texts themselves, without an error.
    assert done.returncode in ({0, 141} if "help" in " ".join(arguments) else {141})


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(unbuffered):
    command = [sys.executable, "-m", "chrysaetos", *UNREAD["scope"]]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command,
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"chrysaetos: [Errno 28] No space left on device\n")


def test_an_interrupt_ends_a_command_with_130(monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(scope, "run", interrupted)
    assert main(["scope", "up", "--project", "p"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", [["--os-cloud", "mycloud"], ["--os-cloud=mycloud"], ["--os-cloud"]])
def test_a_missing_command_after_options(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "the following arguments are required: COMMAND" in capsys.readouterr().err
