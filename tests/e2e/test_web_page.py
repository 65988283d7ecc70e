"""The web page's features, in a real Chromium with the demo."""

from __future__ import annotations

import csv
import json
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect
from tests.e2e.web_browser import PageClient
from tests.e2e.web_page import Demo, Tab, serious_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU = "rate(ceilometer_cpu[5m]) / 1e9"
VIEWS = ("explore", "servers", "usage", "alerts", "connect", "gateway")
ADMIN_VIEWS = ("targets", "gateway")
expect.set_options(timeout=15_000)
EXPECTED_STATUS = r"the server responded with a status of (400|401|403|422|429)"


@pytest.fixture
def tab(browser, demo) -> Iterator[Tab]:
    made = Tab(browser, demo.url, expected=EXPECTED_STATUS)
    yield made
    made.close()


def test_a_wrong_password_is_told_and_the_right_one_enters(tab, tenant):
    tab.go()
    tab.log_in(tenant | {"password": "wrong"})
    expect(tab.page.get_by_role("alert")).to_contain_text("password is wrong")
    tab.log_in(tenant)
    expect(tab.page.get_by_role("navigation")).to_be_visible()
    expect(tab.page).to_have_title(re.compile(f"Explore · {tenant['project_name']}"))


def test_a_graph_is_drawn_and_the_address_restores_it(tab, tenant):
    tab.enter(tenant)
    tab.run(CPU)
    page = tab.page
    expect(page.locator("canvas").first).to_be_visible()
    expect(page.get_by_text("3 series").first).to_be_visible()
    page.get_by_label("Stacked").check()
    other = tab.open()
    other.goto(page.url)
    expect(other.locator("canvas").first).to_be_visible()
    expect(other.get_by_label("Stacked")).to_be_checked()
    assert tenant["password"] not in page.url
    page.go_back()
    expect(page.get_by_text("Choose a metric to begin")).to_be_visible()


def test_a_drag_zooms_and_a_double_click_zooms_out(tab, tenant):
    tab.enter(tenant, q0=CPU)
    page = tab.page
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    before = page.url
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_url(lambda url: url != before and "end=" in url)
    zoomed = page.url
    page.locator(".u-over").first.dblclick()
    page.wait_for_url(lambda url: url != zoomed)


def test_series_are_hidden_by_the_legend(tab, tenant):
    tab.enter(tenant, q0=CPU)
    buttons = tab.page.get_by_role("button", name=re.compile("^Show or hide"))
    expect(buttons).to_have_count(3)
    buttons.first.click()
    tab.page.wait_for_url(re.compile("hidden0="))
    expect(buttons.first).to_have_attribute("aria-pressed", "false")
    expect(tab.page.get_by_text("Show all series")).to_be_visible()


def test_the_table_has_the_values(tab, tenant):
    tab.enter(tenant, q0="ceilometer_vcpus")
    tab.page.get_by_role("tab", name="Table").click()
    rows = tab.page.get_by_role("region", name="Table").get_by_role("row")
    expect(rows).to_have_count(4)
    for hostile in (tab.page.locator("th"), tab.page.locator("td")):
        expect(hostile.first).to_be_visible()


def test_completion_offers_the_projects_metrics_and_labels(tab, tenant):
    tab.enter(tenant)
    editor = tab.editor()
    editor.click()
    tab.page.keyboard.type("ceilometer_vc", delay=20)
    options = tab.page.get_by_role("option")
    expect(options.filter(has_text="ceilometer_vcpus")).to_be_visible()
    expect(options.filter(has_text="node_load1")).to_have_count(0)
    tab.page.wait_for_timeout(200)  # the editor takes no Enter for a list that has just appeared
    tab.page.keyboard.press("Enter")
    expect(editor).to_contain_text("ceilometer_vcpus")
    tab.page.keyboard.type("{resource_n", delay=20)
    expect(options.filter(has_text="resource_name")).to_be_visible()


def test_a_mistake_is_marked_at_the_gateways_position(tab, tenant):
    tab.enter(tenant)
    tab.run("sum(rate(ceilometer_cpu[5m])")
    page = tab.page
    expect(page.get_by_role("alert")).to_contain_text("unexpected end of input")
    expect(page.locator(".cm-lintRange-error, .cm-lintPoint-error").first).to_be_attached()


def test_what_was_sent_is_shown(tab, tenant):
    tab.enter(tenant, q0="ceilometer_vcpus")
    tab.page.get_by_label("What was sent").check()
    sent = tab.page.get_by_role("region", name="What was sent to Prometheus")
    expect(sent).to_contain_text(f'ceilometer_vcpus{{project="{tenant["project_id"]}"}}')


@pytest.mark.parametrize("kind", ["CSV", "JSON", "PNG"])
def test_a_panel_is_downloaded(tab, tenant, kind, tmp_path):
    tab.enter(tenant, q0="ceilometer_vcpus")
    expect(tab.page.locator("canvas").first).to_be_visible()
    tab.page.get_by_role("button", name="Panel actions").click()
    with tab.page.expect_download() as started:
        tab.page.get_by_role("button", name=f"Download {kind}").click()
    file = tmp_path / "file"
    started.value.save_as(file)
    assert started.value.suggested_filename.endswith(f".{kind.lower()}")
    if kind == "CSV":
        rows = list(csv.reader(file.read_text().splitlines()))
        assert len(rows) > 10
        assert len({len(row) for row in rows}) == 1
    elif kind == "JSON":
        assert len(json.loads(file.read_text())["data"]["result"]) == 3
    else:
        assert file.read_bytes().startswith(b"\x89PNG")


def test_the_history_has_queries_and_is_only_in_the_browser(tab, tenant):
    tab.enter(tenant)
    tab.run("ceilometer_memory")
    expect(tab.page.locator("canvas").first).to_be_visible()
    tab.page.get_by_role("button", name="Panel actions").click()
    tab.page.get_by_role("button", name="History").click()
    expect(tab.page.get_by_role("dialog")).to_contain_text("ceilometer_memory")
    stored = tab.page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    assert "ceilometer_memory" in stored
    assert tenant["password"] not in stored
    assert "gAAAA" not in stored
    assert tab.page.evaluate("document.cookie") == ""


def test_panels_are_added_and_removed(tab, tenant):
    tab.enter(tenant, q0="ceilometer_vcpus")
    tab.page.get_by_role("button", name="Add a panel").click()
    expect(tab.page.get_by_role("region", name=re.compile("^Panel [0-9]"))).to_have_count(2)
    tab.page.get_by_role("button", name="Panel actions").nth(1).click()
    tab.page.get_by_role("button", name="Remove").click()
    expect(tab.page.get_by_role("region", name=re.compile("^Panel [0-9]"))).to_have_count(1)


def test_servers_and_one_server(tab, tenant):
    tab.enter(tenant, "servers")
    links = tab.page.get_by_role("main").get_by_role("link", name=re.compile("-0$"))
    expect(links).to_have_count(3)
    links.first.click()
    expect(tab.page.locator("canvas").first).to_be_visible()
    tab.page.get_by_role("link", name="All servers").click()
    expect(links).to_have_count(3)


def test_bars_of_servers_are_equally_wide_on_a_phone(tab, tenant):
    tab.page.set_viewport_size({"width": 360, "height": 800})
    tab.enter(tenant, "servers")
    bars = tab.page.locator(".meter .bar")
    expect(bars).to_have_count(6)
    assert bars.evaluate_all("bars => bars.map(bar => bar.clientWidth)") == [150] * 6


def test_an_example_is_drawn_with_one_click(tab, tenant):
    tab.enter(tenant)
    tab.page.get_by_role("button", name=re.compile("^CPU of each server")).click()
    expect(tab.page.locator("canvas").first).to_be_visible()
    expect(tab.editor()).to_contain_text("rate(ceilometer_cpu[12m])")


def test_usage_is_shown_by_day(tab, tenant):
    tab.enter(tenant, "usage")
    expect(tab.page.get_by_role("region", name="vCPU hours")).to_contain_text("1.97k")
    expect(tab.page.get_by_role("row", name=re.compile("so far"))).to_be_visible()
    assert tab.page.locator("tbody tr").count() >= 7
    assert tab.page.locator("tbody .bar").count() >= 14


def test_a_project_without_usage_is_told_what_is_missing(tab, demo):
    tab.enter(demo.admin, "usage", only="none")
    expect(tab.page.get_by_role("main")).to_contain_text("project_vcpu_usage")


def test_rules_and_their_alerts_are_shown(tab, tenant):
    tab.enter(tenant, "alerts")
    main = tab.page.get_by_role("main")
    slow = main.get_by_role("article").filter(has_text="SlowRequests")
    expect(slow).to_contain_text(f'project="{tenant["project_id"]}"')
    expect(main.get_by_role("article")).to_have_count(3)
    main.get_by_role("searchbox").fill("busy")
    expect(main.get_by_role("article")).to_have_count(1)
    main.get_by_role("link", name="Explore").click()
    expect(tab.editor()).to_contain_text("ceilometer_vcpus")


def test_targets_and_the_gateways_own_requests_are_shown_to_administrators(tab, demo):
    tab.enter(demo.admin, "targets")
    main = tab.page.get_by_role("main")
    expect(main).to_contain_text("9 of 9 targets up")
    main.get_by_role("searchbox").fill("chrysaetos")
    expect(main.get_by_role("row")).to_have_count(2)
    tab.go("gateway")
    expect(main.get_by_text("Requests per second by endpoint")).to_be_visible()


def test_a_credential_is_created_and_its_secret_shown_once(tab, tenant, demo):
    tab.enter(tenant, "connect")
    page = tab.page
    expect(page.get_by_role("main")).to_contain_text(demo.url)
    page.get_by_role("button", name="Create the credential").click()
    expect(page.get_by_text("Copy the secret now")).to_be_visible()
    page.get_by_role("button", name="I have copied it").click()
    page.get_by_role("link", name="Explore").click()
    page.get_by_role("link", name="Connect").click()
    expect(page.get_by_text("Copy the secret now")).to_have_count(0)


def forget_session(tab: Tab, _: Demo) -> None:
    tab.context.clear_cookies()


def revoke_token(tab: Tab, demo: Demo) -> None:
    """Log out in another browser with the same cookies, which leaves this one with a revoked token."""
    another = PageClient(demo)
    for cookie in tab.context.cookies():
        another.http.cookies.set(cookie["name"], cookie["value"])
    assert another.describe()["session"] is not None
    assert another.post("/ui/logout", {}).json()["revoked"]


@pytest.mark.parametrize("end", [forget_session, revoke_token])
def test_an_ended_session_asks_for_the_password_and_keeps_the_page(tab, demo, tenant, end):
    tab.enter(tenant, q0="ceilometer_vcpus")
    expect(tab.page.locator("canvas").first).to_be_visible()
    end(tab, demo)
    # Not typed: the editor asks for completions, and the dialog could open before the button is pressed.
    tab.go(q0="ceilometer_memory")
    dialog = tab.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Log in again")
    for _ in range(3):  # a browser closes a dialog at the second Escape
        tab.page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.locator("input[name=user]").fill(tenant["user"])
    dialog.locator("input[name=password]").fill(tenant["password"])
    dialog.get_by_role("button", name="Log in", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(tab.page.locator("canvas").first).to_be_visible()
    assert "ceilometer_memory" in tab.page.url


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_wrong_clock_of_the_browser_changes_nothing(tab, tenant, hours):
    page = tab.page
    page.clock.install(time=time.time() + 3600 * hours)
    with page.expect_request(re.compile("query_range")) as asked:
        tab.enter(tenant, q0=CPU)
    end = float(parse_qs(urlsplit(asked.value.url).query)["end"][0])
    assert abs(end - time.time()) < 120
    expect(page.get_by_text("3 series").first).to_be_visible()
    # The session has not ended, although its time is over by the browser's clock.
    page.clock.run_for(10_000)
    expect(page.get_by_role("dialog")).to_have_count(0)
    tab.go("servers")
    expect(page.get_by_role("main").get_by_role("link", name=re.compile("-0$"))).to_have_count(3)


def test_a_page_with_a_revoked_token_opens_with_the_log_in(tab, demo, tenant):
    tab.enter(tenant)
    revoke_token(tab, demo)
    tab.page.reload()
    expect(tab.page.locator("input[name=password]")).to_be_visible()


def test_log_out_ends_the_session(tab, demo, tenant):
    tab.enter(tenant)
    name = f"chrysaetos-{urlsplit(demo.url).port}"
    assert [each["value"] for each in tab.context.cookies() if each["name"] == name] != []
    tab.page.get_by_role("button", name="Account and settings").click()
    tab.page.get_by_role("button", name="Log out").click()
    expect(tab.page.locator("input[name=password]")).to_be_visible()
    assert not [each for each in tab.context.cookies() if each["name"] == name]
    tab.page.reload()
    expect(tab.page.locator("input[name=password]")).to_be_visible()


def test_an_administrator_sees_all_projects_or_one_of_them(tab, demo, tenant):
    tab.enter(demo.admin, q0="count by (project_name) (ceilometer_vcpus)", sent0="1")
    page = tab.page
    expect(page.get_by_text("3 series").first).to_be_visible()
    page.get_by_role("button", name="Show All projects").click()
    page.get_by_role("button", name=tenant["project_id"]).click()
    expect(page.get_by_text("1 series").first).to_be_visible()
    expect(page.locator(".sent ins")).to_have_text(f'{{project="{tenant["project_id"]}"}}')
    page.get_by_role("navigation").get_by_role("link", name="Usage").click()
    expect(page.get_by_role("region", name="vCPU hours")).to_contain_text("1.97k")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_each_view_is_accessible_and_fits(browser, demo, tenant, scheme, width):
    tab = Tab(
        browser,
        demo.url,
        EXPECTED_STATUS,
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        reduced_motion="reduce",
    )
    tab.go()
    expect(tab.page.locator("input[name=user]")).to_be_visible()
    faults = serious_faults(tab.page)
    for account, views in ((tenant, VIEWS), (demo.admin, ADMIN_VIEWS)):
        tab.context.clear_cookies()
        tab.page.reload()
        tab.log_in(account)
        tab.page.get_by_role("navigation").wait_for()
        for view in views:
            tab.go(view, **({"q0": CPU} if view == "explore" else {}))
            tab.page.get_by_role("main").wait_for()
            tab.page.wait_for_load_state("networkidle")
            faults += [f"{view}: {fault}" for fault in serious_faults(tab.page)]
            across = tab.page.evaluate("document.documentElement.scrollWidth")
            assert across <= width, f"{view} is {across} pixels wide"
    assert not faults
    tab.close()


def test_the_keyboard_suffices(tab, tenant):
    tab.go()
    page = tab.page
    expect(page.locator("input[name=user]")).to_be_focused()
    page.keyboard.type(tenant["user"])
    page.locator("input[name=password]").focus()
    page.keyboard.type(tenant["password"])
    page.keyboard.press("Enter")
    editor = page.get_by_role("textbox", name="PromQL query 1")
    tab.editor()
    expect(editor).to_be_focused()
    page.keyboard.type("vector(1)")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("canvas").first).to_be_visible()


def test_without_javascript_there_is_a_sentence(browser, demo):
    tab = Tab(browser, demo.url, java_script_enabled=False)
    tab.go()
    assert "JavaScript" in tab.page.inner_text("body")
    tab.close()
