"""The web page in Chromium with the series of exporters, usage, rules, and a large and a hostile answer."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest
import requests
from playwright.sync_api import expect
from tests.e2e.stack import STEP
from tests.e2e.web_page import Tab, serious_faults

from chrysaetos.demo.cloud import Family, Series, Target
from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.processes import free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from tests.e2e.stack import People, Window

    from chrysaetos.demo.gateway import Gateway

SERVER = "14d424d2-8d5a-54c3-84cd-c8aed30caa94"
FOREIGN = "24d424d2-8d5a-54c3-84cd-c8aed30caa94"
SCRIPT = "<img src=x onerror=alert(1)>"
MANY = 50_000
DAY = 86_400
expect.set_options(timeout=30_000)


class WithRules(Prometheus):
    """A Prometheus that evaluates rules."""

    rules: dict[str, object]

    def prepare(self) -> None:
        super().prepare()
        file = self.directory / "prometheus.yml"
        rules = self.directory / "rules.yml"
        rules.write_text(json.dumps(self.rules))
        config = json.loads(file.read_text()) | {"rule_files": [str(rules)]}
        config["global"]["evaluation_interval"] = "1s"
        file.write_text(json.dumps(config))


def rules_of(project: str) -> dict[str, object]:
    mine = {"project": project, "note": SCRIPT}
    return {
        "groups": [
            {
                "name": f"group {SCRIPT}",
                "rules": [
                    {
                        "alert": f"ServerIsBusy {SCRIPT}",
                        "expr": f'server_busy{{project="{project}"}} > 0',
                        "labels": mine,
                        "annotations": {"summary": f"busy {SCRIPT}"},
                    },
                    {"record": "quiet:sum", "expr": f'server_busy{{project="{project}"}}', "labels": mine},
                ],
            }
        ]
    }


def hostile_target(project: str) -> Target:
    """Return a target with a script in the help text of its metric."""
    series = Series("described", {"project": project}, lambda _: 1.0)
    return Target(
        "described", "/described", {"instance": "host:1"}, (Family("described", "gauge", SCRIPT, (series,)),)
    )


def series_of(window: Window, project: str, other: str) -> Iterator[str]:
    times = range(window.start, window.end, STEP)
    for owner, server, name in ((project, SERVER, "mine"), (other, FOREIGN, "not-mine")):
        domain = f'instance="host:9177",domain="instance-{server[0]}",project="{owner}"'
        gauges = {
            f'libvirt_domain_openstack_info{{{domain},instance_id="{server}",instance_name="{name}",'
            'flavor_name="m1.small"}': 1.0,
            f"libvirt_domain_info_virtual_cpus{{{domain}}}": 2,
            f"libvirt_domain_info_maximum_memory_bytes{{{domain}}}": 2**30,
            f"libvirt_domain_memory_stats_used_percent{{{domain}}}": 25,
            f"libvirt_domain_info_state{{{domain}}}": 1,
            f"vm_info{{{domain}}}": 1,
            f'server_busy{{project="{owner}"}}': 1,
            f'described{{project="{owner}"}}': 1,  # Prometheus drops scrapes that are older than its blocks
        }
        counters = {
            f"libvirt_domain_info_cpu_time_seconds_total{{{domain}}}": 0.5,
            f'libvirt_domain_interface_stats_receive_bytes_total{{{domain},target_device="tap1"}}': 1000,
        }
        for one, value in gauges.items():
            yield "".join(f"{one} {value} {when}\n" for when in times)
        for one, rate in counters.items():
            yield "".join(f"{one} {rate * (when - window.start)} {when}\n" for when in times)
        midnight = window.now // DAY * DAY
        for when in range(midnight - 3 * DAY, window.end, 1800):
            hours = (when - midnight + 3 * DAY) / 3600
            for instance in ("one", "two"):
                labels = f'project="{owner}",instance="{instance}"'
                yield f"project_vcpu_usage{{{labels}}} {2 * hours} {when}\n"
                yield f"project_mb_usage{{{labels}}} {1024 * hours} {when}\n"
                yield f'usage_exporter_credits_left_hours{{{labels},resource="vcpu"}} 77 {when}\n'
                yield f'usage_exporter_credits_granted_hours{{{labels},resource="vcpu"}} 100 {when}\n'
    # Few samples, since Prometheus reads each of them; all look back at most five minutes.
    for number in range(MANY):
        for when in range(window.now - 240, window.now + 3600, 240):
            yield f'many{{project="{project}",number="{number}"}} {number} {when}\n'
    names = ("x" * 10_000, "a\u202eb\u2066c\u200f", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", SCRIPT)
    for name in names:
        for when in times:
            yield f'hostile{{project="{project}",name={json.dumps(name, ensure_ascii=False)}}} 1 {when}\n'
    yield "# EOF\n"


@pytest.fixture(scope="module")
def store(
    servers: ExitStack, people: People, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> WithRules:
    started = WithRules(tmp_path_factory.mktemp("series"))
    a, b = str(people.a.project_id), str(people.b.project_id)
    started.rules = rules_of(a)
    exporter = Exporter([hostile_target(a)], free_port())
    servers.enter_context(exporter)
    started.scrape_configs = exporter.scrape_configs("1s")
    started.backfill(series_of(window, a, b))
    servers.enter_context(started)

    def described() -> bool:
        return "described" in requests.get(f"{started.url}/api/v1/metadata", timeout=5).json()["data"]

    assert wait_for(described, timeout=20), "nothing was scraped"
    return started


@pytest.fixture(scope="module")
def gateway(store, gateway_for) -> Gateway:
    made: Gateway = gateway_for(store, web={"enabled": "true"})
    return made


@pytest.fixture
def opened(browser, gateway, people) -> Iterator[Callable[..., Tab]]:
    """Log in as tenant A and open a view."""
    tabs = []

    def open_view(view: str, url: str = gateway.url, **parameters: str) -> Tab:
        tab = Tab(browser, url, expected="status of 4")
        tabs.append(tab)
        account = {"user": people.a.user, "password": people.a.password}
        tab.enter(account | {"project_name": people.a.project_name}, view, **parameters)
        return tab

    yield open_view
    for tab in tabs:
        tab.close()


def test_the_servers_of_the_libvirt_exporter(opened):
    page = opened("servers").page
    row = page.get_by_role("row").filter(has_text="mine")
    for text in ("Running", "25 %", "2 vCPUs", "256 MiB", "1 GiB"):
        expect(row).to_contain_text(text)
    expect(page.get_by_role("main")).not_to_contain_text("not-mine")
    page.get_by_role("link", name="mine").click()
    expect(page.locator("canvas").first).to_be_visible()
    expect(page.get_by_role("region", name="CPU (vCPUs)").locator("canvas")).to_be_visible()
    expect(page.get_by_role("region", name="Memory").locator("canvas")).to_be_visible()
    assert not serious_faults(page)


def test_a_server_of_another_project_is_not_found(opened):
    page = opened(f"servers/{FOREIGN}").page
    expect(page.get_by_role("main")).to_contain_text("There is no such server in this project")


def test_an_operator_names_the_metrics_of_another_exporter(opened, store, gateway_for, tmp_path):
    file = tmp_path / "exporters.toml"
    file.write_text(
        f"""
        [{json.dumps(SCRIPT)}]
        probe = "vm_info"
        servers = '''label_replace(label_replace(vm_info, "server", "$1", "domain", "(.*)"),
            "name", "{SCRIPT}", "", "")'''
        cpu = 'label_replace(vm_info, "server", "$1", "domain", "(.*)") * 7'
        [libvirt]
        probe = "none"
        """
    )
    web = {"enabled": "true", "exporters_file": str(file)}
    page = opened("servers", gateway_for(store, web=web).url).page
    rows = page.get_by_role("row")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text(SCRIPT)
    expect(rows.nth(1)).to_contain_text("7")
    expect(page.get_by_role("main")).to_contain_text(f"from {SCRIPT}")
    page.get_by_role("link", name=SCRIPT).click()
    expect(page.get_by_role("region", name="CPU (vCPUs)").locator("canvas")).to_be_visible()


def test_the_usage_of_days_and_months(opened):
    page = opened("usage").page
    main = page.get_by_role("main")
    expect(page.get_by_role("region", name="Credits")).to_contain_text("77 of 100 hours left")
    expect(main).to_contain_text("2 an hour")
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - DAY))
    row = page.get_by_role("row").filter(has_text=day)
    expect(row).to_contain_text("48")
    expect(row).to_contain_text("24")
    page.get_by_text("By month").click()
    expect(page.get_by_role("row").filter(has_text=day)).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text=day[:7])).to_have_count(1)
    assert not serious_faults(page)


def test_alerts_and_rules_are_shown_as_text(opened):
    page = opened("alerts").page
    main = page.get_by_role("main")
    rule = page.get_by_role("article").filter(has_text="ServerIsBusy")
    expect(rule.get_by_text("Firing").first).to_be_visible()
    expect(rule).to_contain_text(f"busy {SCRIPT}")
    expect(rule.get_by_role("heading")).to_have_text(f"ServerIsBusy {SCRIPT}")
    expect(main.get_by_role("heading", name=f"group {SCRIPT}")).to_be_visible()
    expect(main).to_contain_text("1 firing, 0 pending, 2 rules")
    expect(main.locator("img")).to_have_count(0)
    page.get_by_label("Search rules").fill("quiet")
    expect(page.get_by_role("article")).to_have_count(1)
    page.get_by_text("Inactive").click()
    expect(main).to_contain_text("No rule matches")
    assert not serious_faults(page)


def test_help_of_metrics_is_shown_as_text(opened):
    tab = opened("explore")
    page = tab.page
    page.get_by_label("Search metrics").fill("described")
    expect(page.get_by_role("listitem").filter(has_text="described")).to_contain_text(SCRIPT)
    tab.editor().click()
    page.keyboard.type("describ", delay=20)
    expect(page.locator(".cm-completionInfo")).to_contain_text(SCRIPT)
    expect(page.locator("img[src=x]")).to_have_count(0)


def test_50000_series_are_cut_and_told(opened, window):
    tab = opened("explore", q0="many", range="5m", end=str(window.now), step="4m")
    main = tab.page.get_by_role("main")
    expect(main).to_contain_text(re.compile(r"50\s000 series; the first 1\s000 are shown"), timeout=60_000)
    expect(tab.page.locator("canvas").first).to_be_visible()
    tab.page.get_by_role("tab", name="Table").click()
    expect(main).to_contain_text(re.compile(r"50\s000 rows; the first"), timeout=60_000)
    assert tab.page.get_by_role("row").count() <= 1001


def test_hostile_label_values_neither_run_nor_widen_nor_turn_the_page(opened):
    tab = opened("explore", q0="hostile", view0="table", q1="hostile")
    page = tab.page
    rows = page.get_by_role("region", name="Table").get_by_role("row")
    expect(rows).to_have_count(5)
    expect(page.locator("canvas").first).to_be_visible()
    shown = page.inner_text("main")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f]", shown)
    assert "\u0627\u0644\u0639\u0631\u0628\u064a\u0629" in shown
    assert len(shown) < 20_000
    page.set_viewport_size({"width": 360, "height": 800})
    # The graph follows in a later frame.
    assert (
        page.evaluate(
            """async () => {
            for (let frame = 0; document.documentElement.scrollWidth > 360 && frame < 600; frame += 1)
                await new Promise((done) => requestAnimationFrame(done));
            return document.documentElement.scrollWidth;
        }"""
        )
        <= 360
    )
    # The downloads have the values as they are.
    page.get_by_role("button", name="Panel actions").first.click()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download JSON").click()
    content = started.value.path().read_text()
    assert "x" * 10_000 in content


def test_two_tabs_with_different_projects(opened, people, identity, gateway):
    other = f"second-{new_secret()}"
    project = identity.create_project(other)
    identity.grant(people.a.user_id, "reader", on=f"/projects/{project}")
    own = people.a.project_name
    tab = opened("explore", q0="count(server_busy)", view0="table")
    first, second = tab.page, tab.open()
    expect(first.get_by_role("cell", name="1", exact=True)).to_be_visible()
    second.goto(f"{gateway.url}/ui#/explore?q0=server_busy")
    expect(second.locator("canvas").first).to_be_visible()
    second.get_by_role("button", name=re.compile(f"{own}$")).click()
    second.get_by_role("button", name=other).click()
    expect(second.get_by_role("button", name=re.compile(f"{other}$"))).to_be_visible()
    # What was drawn of the other project is gone.
    expect(second.get_by_text("No series", exact=True)).to_be_visible()
    expect(second.locator("canvas")).to_have_count(0)
    # The first tab says so, and can have its project back; then the second can follow.
    expect(first.get_by_role("main")).to_contain_text(f"switched this browser to the project {other}")
    # Until then, it loads nothing of the other project.
    with first.expect_response(lambda response: response.status == 409):
        first.get_by_role("button", name="Refresh", exact=True).click()
    expect(first.get_by_text("No series", exact=True)).to_have_count(0)
    first.get_by_role("button", name=f"Back to {own}").click()
    expect(first.get_by_text("switched this browser")).to_have_count(0)
    expect(first.get_by_role("cell", name="1", exact=True)).to_be_visible()
    expect(second.get_by_role("main")).to_contain_text(f"switched this browser to the project {own}")
    second.get_by_role("button", name=f"Continue with {own}").click()
    expect(second.get_by_role("button", name=re.compile(f"{own}$"))).to_be_visible()
    expect(second.locator("canvas").first).to_be_visible()
