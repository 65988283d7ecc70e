"""The rules for CloudKitty, in addition to the tests of the command."""

import pytest
from tests.migrate.ratings import CONF

from chrysaetos.migrate.cloudkitty import Names, make_plan, names_in
from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.layers import Layers

TEXT = CONF.format(database="/x")


def planned(*texts, environ=None, **wanted):
    files = [ConfFile(f"{number}.conf", text.encode()) for number, text in enumerate(texts)]
    wanted = {"collector": "chrysaetos", "fetcher": "aetos", **wanted}
    return make_plan(Layers(files, environ or {}), **wanted)


def failures(plan):
    return [finding.check for finding in plan.findings if finding.status.value == "failed"]


def test_names_are_settings_or_defaults():
    assert names_in(planned(TEXT).after) == Names("chrysaetos", "aetos", "project_id")
    assert names_in(Layers([ConfFile("f", b"[collect]\nscope_key=d\n")], {})) == Names(
        "gnocchi", "keystone", "d"
    )
    assert names_in(Layers([], {"OS_FETCHER__BACKEND": "source"})).fetcher == "source"


def test_a_moved_configuration_needs_no_move():
    once = planned(TEXT, interface="internal", region="two")
    assert not failures(once)
    files = once.after.files
    again = make_plan(Layers(files, {}), collector="chrysaetos", fetcher="aetos")
    assert again.contents == {}
    assert [finding.status.value for finding in again.findings] == ["ok"]


def test_every_change_is_described():
    steps = planned(TEXT, collector="aetos", fetcher="other", interface="admin", region="two").steps
    assert steps[:2] == (
        "0.conf:8 [collect] collector: prometheus is replaced by aetos",
        "0.conf:12 [fetcher] backend: prometheus is replaced by other",
    )
    assert "0.conf [fetcher_aetos] region_name = two" in steps
    assert "0.conf [collector_aetos] auth_section = ks_auth" in steps
    assert steps[-1] == "0.conf:21 [fetcher_prometheus] is commented out"
    assert len(steps) == 2 + 1 + 1 + 2 + 3 + 1 + 2 + 2


def test_the_effective_settings_are_edited():
    plan = planned(
        "[collect]\ncollector = prometheus\n[ks_auth]\nauth_type=x\n", "[collect]\ncollector = prometheus\n"
    )
    assert {file.name: data for file, data in plan.contents.items()} == {
        "1.conf": b"[collect]\ncollector = chrysaetos\n\n[collector_aetos]\nauth_section = ks_auth\n"
    }


@pytest.mark.parametrize("option", ["auth_type = password", "auth_section = mine"])
def test_existing_credentials_are_kept(option):
    plan = planned(TEXT + f"[collector_aetos]\n{option}\n")
    assert not any("[collector_aetos] auth" in step for step in plan.steps)
    assert "0.conf [fetcher_aetos] auth_section = ks_auth" in plan.steps


def test_existing_settings_of_the_new_section_are_kept():
    plan = planned(TEXT + "[fetcher_aetos]\nmetric = other\ninterface=public\n", interface="internal")
    assert plan.expected["fetcher_aetos", "metric"] == "other"
    assert plan.expected["fetcher_aetos", "interface"] == "internal"


def test_settings_of_both_collectors_and_fetchers_are_kept():
    text = TEXT
    for kind in ("collector", "fetcher"):
        text = text.replace(f"[{kind}_prometheus]\n", f"[{kind}_prometheus]\nallow_partial = true\n")
    plan = planned(text.replace("metric =", "look_back = 7200\nmetric ="))
    assert plan.expected["fetcher_aetos", "look_back"] == "7200"
    assert plan.expected["collector_aetos", "allow_partial"] == "true"
    assert plan.expected["fetcher_aetos", "allow_partial"] == "true"


def test_a_reference_cannot_be_copied():
    with pytest.raises(MigrateError, match=r"0\.conf:22: \[fetcher_prometheus\] metric is a reference"):
        planned(TEXT.replace("ceilometer_cpu", "$name"))


@pytest.mark.parametrize(
    "environ", [{"OS_FETCHER__BACKEND": "prometheus"}, {"OS_COLLECTOR_AETOS__INTERFACE": "admin"}]
)
def test_overriding_variables_are_reported(environ):
    assert failures(planned(TEXT, environ=environ, interface="internal")) == ["environment"]
