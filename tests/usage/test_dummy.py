"""Sample data from a file."""

import re
import tomllib
from datetime import UTC, datetime

import pytest

from chrysaetos.usage.dummy import load_toml, parse
from chrysaetos.usage.records import Project, UsageError
from chrysaetos.usage.tally import Key, tally

START = datetime(2020, 7, 1, tzinfo=UTC).timestamp()
END = datetime(2020, 8, 1, tzinfo=UTC).timestamp()
SITE = """
[default]
domain_id = "d"
[[default.projects]]
project_name = "one"
project_id = "1"
machines = [{cpus = 1, ram = 1, existence = EXISTENCE, instance_id = "a"}]
"""


def hours(existence):
    site = parse(tomllib.loads(SITE.replace("EXISTENCE", existence)))
    return sum(usage.hours for usage in site.usages(START, END))


@pytest.mark.parametrize(
    ("existence", "expected"),
    [
        ("true", 31 * 24),
        ("false", 0),
        ("2020-07-15T12:00:00", 16.5 * 24),
        ("2020-07-15T12:00:00Z", 16.5 * 24),
        ("2020-07-15T14:00:00+02:00", 16.5 * 24),
        ("2020-07-31", 24),
        ("2020-06-01T00:00:00", 31 * 24),  # clipped to the start date
        ("2020-09-01T00:00:00", 0),  # in the future
        ("[2020-07-15T00:00:00, 2020-07-16T06:00:00]", 30),
        ("[2020-06-15T00:00:00, 2020-07-02T00:00:00]", 24),  # ends after the start date
        ("[2020-06-15T00:00:00, 2020-06-16T00:00:00]", 0),  # ended before the start date
        ("[2020-07-31T00:00:00, 2020-08-05T00:00:00]", 24),  # still exists
        ("[2020-09-01T00:00:00, 2020-09-05T00:00:00]", 0),
    ],
)
def test_existence(existence, expected):
    assert hours(existence) == pytest.approx(expected)


def test_projects_keep_their_names_and_order():
    site = parse(
        tomllib.loads(
            '[b]\ndomain_id="2"\n[[b.projects]]\nproject_name="x"\nproject_id="1"\n'
            '[[b.projects]]\nproject_name="x"\nproject_id="0"\n[a]\n'
        )
    )
    assert site.projects == (Project("1", "x", "2", "b"), Project("0", "x", "2", "b"))


def test_defaults_of_a_machine():
    (usage,) = parse({"d": {"projects": [{"project_id": "1", "machines": [{}]}]}}).usages(START, END)
    assert (usage.vcpus, usage.memory_mb, usage.started_at) == (4, 8192, START)


def test_machines_without_ids_are_distinct():
    site = parse({"d": {"projects": [{"project_id": "1", "machines": [{}, {}]}]}})
    assert len({usage.instance_id for usage in site.usages(START, END)}) == 2


def test_memory_is_in_gib_and_may_be_fractional():
    (usage,) = parse({"d": {"projects": [{"machines": [{"ram": 0.5}]}]}}).usages(START, END)
    assert usage.memory_mb == 512


def test_tags_name_the_projects_of_servers():
    machines = [{"instance_id": "a", "metadata": {"project_name": "svm"}}, {"instance_id": "b"}]
    site = parse({"d": {"projects": [{"project_id": "1", "machines": machines}]}})
    assert site.names("1", "project_name") == {"a": "svm"}
    assert site.names("2", "project_name") == {}


def test_a_machine_that_ended_is_not_current():
    site = parse(
        {"d": {"projects": [{"machines": [{"existence": [datetime(2020, 7, 2), datetime(2020, 7, 3)]}]}]}}
    )
    totals = tally(site.usages(START, END))[Key("UNKNOWN")]
    assert (totals.servers, totals.server_hours) == (0, 24)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"d": 1}, "d is not a domain"),
        ({"d": {"projects": 1}}, "domain d: projects is not a list"),
        ({"d": {"projects": [{"project_name": "p", "machines": [1]}]}}, "project p of domain d: machines"),
        ({"d": {"projects": [{"machines": [{}, {"cpus": 0}]}]}}, "machine 2: cpus is 0"),
        ({"d": {"projects": [{"machines": [{"ram": True}]}]}}, "ram is True"),
        ({"d": {"projects": [{"machines": [{"existence": "yes"}]}]}}, "existence is 'yes'"),
        ({"d": {"projects": [{"machines": [{"existence": []}]}]}}, "existence is []"),
        (
            {
                "d": {
                    "projects": [{"machines": [{"existence": [datetime(2020, 1, 2), datetime(2020, 1, 1)]}]}]
                }
            },
            "ends before it starts",
        ),
        ({"d": {"projects": [{"machines": [{"metadata": 1}]}]}}, "metadata is not a table"),
    ],
)
def test_invalid_content_is_rejected(document, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        parse(document)


def test_a_missing_or_invalid_file_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load_toml(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("[default\n")
    with pytest.raises(UsageError, match="is not TOML"):
        load_toml(bad)
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not TOML"):
        load_toml(bad)
