"""Policy files that are removed, emptied, misspelt, too deep, or no files."""

import os
import textwrap

import pytest
from oslo_config import cfg
from tests.fakes.clock import Clock

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.errors import ConfigError, Forbidden
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.paths import find_path

QUERY = find_path("/api/v1/query").endpoint
READER = Caller(user_id="u", project_id="P", roles=("reader",))
CLOSED = "telemetry:query: role:nobody"


@pytest.fixture
def conf(tmp_path):
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "aetos.conf").write_text(
        f"[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\npolicy_dirs = {tmp_path}/policy.d\n"
    )
    result = cfg.ConfigOpts()
    result(["--config-file", str(tmp_path / "aetos.conf")])
    return result


async def may_query(access):
    try:
        await access.grant(READER, QUERY)
    except Forbidden:
        return False
    return True


def remove(path):
    path.unlink()


def empty(path):
    path.write_text("")


def comment(path):
    path.write_text("# telemetry:query: role:nobody\n")


def replace_by_directory(path):
    path.unlink()
    path.mkdir()


def replace_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("place", ["policy.yaml", "policy.d/more.yaml"])
@pytest.mark.parametrize("lose", [remove, empty, comment, replace_by_directory, replace_by_pipe])
async def test_a_file_that_is_lost_keeps_its_rules_in_force(conf, tmp_path, caplog, lose, place):
    clock = Clock()
    path = tmp_path / place
    (tmp_path / "policy.yaml").write_text("{}")
    path.write_text(CLOSED)
    access = PolicyAccess(conf, "project", clock=clock)
    assert not await may_query(access)
    lose(path)
    for _ in range(3):
        clock.now += 2
        assert not await may_query(access)
    assert access.stale
    assert caplog.text.count("stays in force") == 1
    assert str(path) in caplog.text
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    path.write_text("{}")
    clock.now += 2
    assert await may_query(access)
    assert not access.stale


async def test_a_file_without_rules_can_be_removed(conf, tmp_path):
    clock = Clock()
    comment(tmp_path / "policy.yaml")
    access = PolicyAccess(conf, "project", clock=clock)
    remove(tmp_path / "policy.yaml")
    clock.now += 2
    assert await may_query(access)
    assert not access.stale


def test_a_file_that_is_no_regular_file_fails_the_start(conf, tmp_path):
    os.mkfifo(tmp_path / "policy.yaml")
    with pytest.raises(ConfigError, match=r"policy\.yaml is not a regular file"):
        PolicyAccess(conf, "project")


def test_a_file_that_is_named_and_missing_fails_the_start(conf):
    """Else the default rules would silently apply instead of the operator's."""
    with pytest.raises(ConfigError, match=r"there is no file .*policy\.yaml: create it, with {}"):
        PolicyAccess(conf, "project")


async def test_the_default_file_may_be_missing():
    conf = cfg.ConfigOpts()
    conf([])
    assert await may_query(PolicyAccess(conf, "project"))


async def test_files_that_cannot_be_listed_keep_the_rules_in_force(conf, tmp_path, caplog):
    clock = Clock()
    (tmp_path / "policy.yaml").write_text(CLOSED)
    access = PolicyAccess(conf, "project", clock=clock)
    loop = tmp_path / "policy.d" / "loop.yaml"
    loop.symlink_to(loop)
    for _ in range(3):
        clock.now += 2
        assert not await may_query(access)
    assert access.stale
    assert caplog.text.count("cannot be read") == 1
    with pytest.raises(ConfigError, match=r"policy_file cannot be used: .*loop\.yaml"):
        PolicyAccess(conf, "project")
    loop.unlink()
    clock.now += 2
    assert not await may_query(access)
    assert not access.stale


@pytest.mark.parametrize(
    "text",
    [
        "not ( " * 8_000 + "role:x" + " )" * 8_000,
        "role:x " + "and ( role:y or ( role:z " * 1000 + " )" * 2000,
    ],
)
async def test_a_rule_that_is_nested_too_deeply_keeps_the_rules_in_force(conf, tmp_path, caplog, text):
    clock = Clock()
    path = tmp_path / "policy.yaml"
    path.write_text(CLOSED)
    access = PolicyAccess(conf, "project", clock=clock)
    path.write_text(f'telemetry:query: "{text}"')
    clock.now += 2
    assert not await may_query(access)
    assert access.stale
    assert "more than 200 levels deep" in caplog.text


@pytest.mark.parametrize("name", ["policy.yaml", "policy.d/nested.yaml"])
async def test_files_that_are_too_large_are_not_read(conf, tmp_path, caplog, monkeypatch, name):
    """Reading this one stopped the gateway for 19 seconds."""
    clock = Clock()
    (tmp_path / "policy.yaml").write_text(CLOSED)
    access = PolicyAccess(conf, "project", clock=clock)
    monkeypatch.setattr("yaml.safe_load", lambda _: pytest.fail("it was read"))
    (tmp_path / name).write_text(f'telemetry:query: "{"not ( " * 200_000}role:x{" )" * 200_000}"')
    clock.now += 2
    assert not await may_query(access)
    assert access.stale
    assert "bytes together: they may have 131072 at most" in caplog.text
    with pytest.raises(ConfigError, match="at most"):
        PolicyAccess(conf, "project")


async def test_nesting_counts_together_with_references(conf, tmp_path):
    """Each of these passed, and a request failed with RecursionError."""
    rules = [f'r{number}: "{"not ( " * 10}rule:r{number + 1}{" )" * 10}"' for number in range(60)]
    text = "\n".join([*rules, "r60: role:reader", "telemetry:query: rule:r0"])
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(ConfigError, match="more than 200 levels deep"):
        PolicyAccess(conf, "project")


@pytest.mark.parametrize("depth", [90, 110, 3000])
async def test_rules_that_refer_to_each_other_too_deeply_are_rejected(conf, tmp_path, depth):
    rules = [f"r{number}: role:x or rule:r{number + 1}" for number in range(depth)]
    text = "\n".join([*rules, f"r{depth}: role:reader", "telemetry:query: rule:r0"])
    (tmp_path / "policy.yaml").write_text(text)
    if depth < 100:
        assert await may_query(PolicyAccess(conf, "project"))
    else:
        with pytest.raises(ConfigError, match="more than 200 levels deep"):
            PolicyAccess(conf, "project")


def test_rules_that_nothing_uses_are_logged_with_the_closest_name(conf, tmp_path, caplog):
    (tmp_path / "policy.yaml").write_text(
        textwrap.dedent("""
            telemetry:qurey: role:nobody
            something: role:nobody
            helper: role:reader
            telemetry:series: rule:helper
        """)
    )
    PolicyAccess(conf, "project")
    messages = [record.getMessage() for record in caplog.records]
    unused = "does not exist, and no rule refers to it"
    assert messages == [
        f"the policy rule telemetry:qurey {unused}: did you mean telemetry:query?",
        f"the policy rule something {unused}",
    ]
