"""The web page in Chromium with the demo: toolbar, settings, log-in, faults and accessibility."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect
from tests.e2e.web_page import Tab, form_of, serious_faults

from chrysaetos.demo.identities import IdentityApi
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Page, Request, Route


RANGE = re.compile("/api/v1/query_range")
INSTANT = re.compile(r"/api/v1/query\?")
LOGIN = re.compile("/ui/login")
expect.set_options(timeout=15_000)


@pytest.fixture
def tab(browser, demo) -> Iterator[Tab]:
    made = Tab(browser, demo.url, expected=r"the server responded with a status of [45]|net::ERR_FAILED")
    yield made
    made.close()


@pytest.fixture(scope="module")
def identity(demo) -> Iterator[IdentityApi]:
    api = IdentityApi(demo.keystone_url, demo.admin["password"])
    yield api
    api.close()


def asked(request: Request) -> dict[str, float]:
    """Return start, end and step of a range query."""
    query = parse_qs(urlsplit(request.url).query)
    return {name: float(query[name][0]) for name in ("start", "end", "step")}


def alert(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("alert")


def test_the_toolbar_sets_range_end_and_step(tab, tenant):
    tab.enter(tenant, q0="ceilometer_vcpus", step="1m")
    page = tab.page
    bar = page.get_by_role("group", name="Range").first
    expect(page.locator("canvas").first).to_be_visible()

    def press(name: str) -> dict[str, float]:
        with page.expect_request(RANGE) as request:
            bar.get_by_role("button", name=name, exact=True).click()
        return asked(request.value)

    def fill(name: str, value: str) -> dict[str, float]:
        field = bar.get_by_role("textbox", name=name, exact=True)
        field.fill(value)
        with page.expect_request(RANGE) as request:
            field.press("Enter")
        return asked(request.value)

    def choose(resolution: str) -> dict[str, float]:
        with page.expect_request(RANGE) as request:
            bar.get_by_label("Resolution").select_option(resolution)
        return asked(request.value)

    first = fill("Range", "2h")
    assert first["step"] == 60
    assert first["end"] - first["start"] == pytest.approx(7200, abs=60)
    assert press("Shorter range")["start"] == pytest.approx(first["end"] - 3600, abs=120)
    longer = press("Longer range")
    assert longer["end"] - longer["start"] == pytest.approx(10_800, abs=60)
    earlier = press("Earlier")
    assert earlier["end"] == pytest.approx(longer["end"] - 5400, abs=120)
    assert press("Now")["end"] == pytest.approx(time.time(), abs=120)
    assert fill("Step", "5m")["step"] == 300
    assert choose("Low res.")["step"] > choose("High res.")["step"]
    until = bar.get_by_role("textbox", name="Until")
    until.fill("yesterday")
    until.press("Enter")
    expect(until).to_have_attribute("aria-invalid", "true")
    expect(bar.get_by_role("alert")).to_contain_text("Write a time such as")


def test_a_page_is_refreshed_by_itself(tab, tenant):
    page = tab.page
    page.clock.install()
    tab.enter(tenant, q0="ceilometer_vcpus", step="1s", range="5m")
    expect(page.locator("canvas").first).to_be_visible()
    page.get_by_label("Refresh every").select_option("30s")
    page.wait_for_url(re.compile("refresh=30s"))
    ends = []
    for _ in range(2):
        with page.expect_response(RANGE) as response:
            page.clock.run_for(31_000)
        ends.append(asked(response.value.request)["end"])
        expect(page.locator(".panel-body")).to_have_attribute("aria-busy", "false")
    assert ends[1] > ends[0]
    page.get_by_label("Refresh every").select_option("Auto: off")
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.clock.run_for(120_000)
    assert not [url for url in seen if RANGE.search(url)]


def test_warnings_and_statistics_of_prometheus_are_shown(tab, tenant):
    page = tab.page
    tab.enter(tenant, q0="ceilometer_vcpus", view0="table")
    stats = page.locator(".stats")
    expect(stats).to_contain_text("3 series")
    expect(stats).to_contain_text("in Prometheus")
    expect(stats).to_contain_text("3 samples read")
    body = {
        "status": "success",
        "data": {"resultType": "vector", "result": []},
        "warnings": ["store <b>s1</b> is down"],
        "infos": ["metric might not be a counter"],
    }
    page.route(INSTANT, lambda route: route.fulfill(json=body))
    page.get_by_role("button", name="Refresh", exact=True).click()
    main = page.get_by_role("main")
    expect(main.locator(".notice.warning")).to_contain_text("store <b>s1</b> is down")
    expect(main.locator(".notice.info")).to_contain_text("metric might not be a counter")


def test_functions_and_values_of_labels_are_completed(tab, tenant):
    tab.enter(tenant)
    page = tab.page
    tab.editor().click()
    options = page.get_by_role("option")
    page.keyboard.type("histogram_q", delay=20)
    expect(options.filter(has_text=re.compile("^histogram_quantilefunction$"))).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+A")
    page.keyboard.type('ceilometer_vcpus{resource_name="', delay=20)
    path = "/api/v1/label/resource_name/values?match[]=ceilometer_vcpus"
    values = page.evaluate(f"fetch('{path}').then((answer) => answer.json())")["data"]
    assert len(values) == 3
    page.keyboard.press("Control+Space")
    for value in values:
        expect(options.filter(has_text=value)).to_be_visible()


def test_appearance_and_time_zone_are_chosen_and_kept(browser, demo, tenant):
    tab = Tab(browser, demo.url, timezone_id="Asia/Kolkata", color_scheme="light")
    tab.enter(tenant, q0="ceilometer_vcpus", end="1790000000")
    page = tab.page
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    until = page.get_by_role("textbox", name="Until")
    expect(until).to_have_value("2026-09-21 19:43:20")
    page.get_by_role("button", name="Account and settings").click()
    page.get_by_text("Dark", exact=True).click()
    page.get_by_text("UTC", exact=True).click()
    assert not serious_faults(page)
    expect(until).to_have_value("2026-09-21 14:13:20")
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    expect(until).to_have_value("2026-09-21 14:13:20")
    assert page.evaluate(background) == dark
    page.get_by_role("button", name="Account and settings").click()
    page.get_by_text("Light", exact=True).click()
    page.wait_for_function(f"{background} === '{light}'")
    tab.close()


def test_an_application_credential_enters_and_makes_no_other(tab, demo, tenant):
    credential = tenant["application_credential"]
    tab.go("connect")
    page = tab.page
    page.get_by_text("Application credential", exact=True).click()
    page.locator("input[name=id]").fill(credential["id"])
    page.locator("input[name=secret]").fill("wrong")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("ID or secret is wrong")
    page.locator("input[name=secret]").fill(credential["secret"])
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("You are logged in with an application credential")
    expect(page).to_have_title(re.compile(tenant["project_name"]))


@contextmanager
def refusing(
    page: Page, path: re.Pattern[str], status: int, error: str = "no", headers: dict[str, str] | None = None
) -> Iterator[None]:
    """Respond to requests with an error, while the block runs."""
    body = {"status": "error", "errorType": "x", "error": error}
    page.route(path, lambda route: route.fulfill(status=status, json=body, headers=headers or {}))
    yield
    page.unroute(path)


def test_what_is_wrong_with_a_log_in_is_told(tab, tenant, identity):
    page = tab.page
    tab.go()
    told = page.get_by_role("alert")
    for status, text in ((503, "Keystone, which checks passwords, cannot be reached"), (500, "status 500")):
        with refusing(page, LOGIN, status):
            tab.log_in(tenant)
            expect(told).to_contain_text(text)
    page.route(LOGIN, lambda route: route.abort())
    tab.log_in(tenant)
    expect(told).to_contain_text("The gateway cannot be reached")
    page.unroute(LOGIN)
    name = f"nowhere-{new_secret()}"
    password = new_secret()
    identity.create_user(name, password)
    tab.log_in({"user": name, "password": password, "project_name": ""})
    expect(told).to_contain_text("You have no role in this project")
    button = page.get_by_role("button", name="Log in", exact=True)
    with refusing(page, LOGIN, 429, headers={"Retry-After": "5"}):
        tab.log_in(tenant)
        expect(told).to_contain_text(re.compile(r"Too many failed attempts\. Try again at 2.* \(in \d+ s\)"))
        expect(button).to_be_disabled()
    expect(button).to_be_enabled()
    tab.log_in(tenant)
    expect(page.get_by_role("navigation")).to_be_visible()


FAULTS = [
    (413, {}, "The query is too large"),
    (422, {}, "Prometheus could not evaluate the query"),
    (429, {"Retry-After": "120"}, r"The gateway limits requests\. Try again at \d\d:\d\d\."),
    (502, {}, "Keystone or Prometheus cannot be reached"),
    (503, {}, "Keystone or Prometheus cannot be reached"),
    (504, {}, "The query took too long"),
]


def test_what_is_wrong_with_a_query_is_told(tab, tenant):
    page = tab.page
    tab.enter(tenant, q0="ceilometer_vcpus")
    expect(page.locator("canvas").first).to_be_visible()
    for status, headers, text in FAULTS:
        with refusing(page, RANGE, status, f"reason {status}", headers):
            page.get_by_role("button", name="Refresh", exact=True).click()
            expect(alert(page)).to_contain_text(f"reason {status}")
            expect(alert(page)).to_contain_text(re.compile(text))
    page.route(RANGE, lambda route: route.fulfill(body="<html>proxy</html>", content_type="text/html"))
    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(alert(page)).to_contain_text("The answer is not one of Prometheus' API")
    page.unroute(RANGE)
    page.route(RANGE, lambda _: None)
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("main")).to_contain_text("The query was cancelled")
    page.unroute(RANGE)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("canvas").first).to_be_visible()


def test_a_query_with_too_many_levels_is_told(tab, tenant):
    tab.enter(tenant)
    tab.run("(" * 500 + "ceilometer_vcpus" + ")" * 500)
    expect(alert(tab.page)).to_contain_text("nested deeper than 100 levels")


def test_a_project_without_series_and_the_switch_to_another(tab, fellow):
    page = tab.page
    tab.enter(form_of(fellow), "servers")
    main = page.get_by_role("main")
    expect(main).to_contain_text("No metrics of servers were found")
    expect(main).to_contain_text("libvirt")
    menu = page.get_by_role("navigation")
    expect(menu.get_by_role("link", name="Connect")).to_be_visible()
    page.get_by_role("button", name=re.compile(f"^Switch the project: {fellow.user}-a$")).click()
    expect(page.get_by_role("button", name=f"{fellow.user}-b")).to_be_visible()
    assert not serious_faults(page)
    page.get_by_role("button", name=f"{fellow.user}-b").click()
    expect(
        page.get_by_role("button", name=re.compile(f"^Switch the project: {fellow.user}-b$"))
    ).to_be_visible()
    expect(page).to_have_title(re.compile(f"{fellow.user}-b"))
    whoami = page.evaluate("fetch('/-/whoami').then((answer) => answer.json())")
    assert whoami["data"]["project"]["name"] == f"{fellow.user}-b"


def test_targets_are_hidden_from_those_who_may_not_see_them(tab, tenant):
    """As with a policy that lets no tenant see targets."""

    def without_targets(route: Route) -> None:
        headers = {**route.request.all_headers(), "sec-fetch-site": "same-origin"}
        body = route.fetch(headers=headers).json()
        body["data"]["rules"]["telemetry:targets"] = "none"
        route.fulfill(json=body)

    tab.enter(tenant)
    link = tab.page.get_by_role("navigation").get_by_role("link", name="Targets")
    expect(link).to_have_count(1)
    tab.page.route("**/-/whoami", without_targets)
    tab.page.reload()
    expect(tab.page.get_by_role("navigation").get_by_role("link", name="Alerts")).to_be_visible()
    expect(link).to_have_count(0)


def test_two_graphs_share_the_cursor(tab, tenant):
    tab.enter(tenant, q0="ceilometer_vcpus", q1="ceilometer_memory")
    page = tab.page
    graphs = page.locator(".u-over")
    expect(graphs).to_have_count(2)
    box = graphs.nth(0).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50, steps=5)
    lines = page.locator(".u-cursor-x")
    expect(lines).to_have_count(2)
    page.wait_for_function(
        """() => {
            const [first, second] = [...document.querySelectorAll('.u-cursor-x')]
                .map((line) => new DOMMatrix(line.style.transform).e / line.parentElement.clientWidth);
            return first > 0.4 && Math.abs(first - second) < 0.02;
        }"""
    )


def test_tables_dialogs_and_menus_are_accessible(tab, tenant):
    tab.enter(tenant, q0="ceilometer_vcpus", view0="table")
    page = tab.page
    expect(page.get_by_role("region", name="Table").get_by_role("row")).to_have_count(4)
    faults = {"table": serious_faults(page)}
    page.get_by_role("button", name="Panel actions").click()
    expect(page.get_by_role("button", name="Download CSV")).to_be_visible()
    faults["menu"] = serious_faults(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Metrics").click()
    expect(page.get_by_role("dialog").get_by_role("listitem").first).to_be_visible()
    faults["dialog"] = serious_faults(page)
    page.keyboard.press("Escape")
    tab.context.clear_cookies()
    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("Log in again")
    faults["log-in"] = serious_faults(page)
    assert not any(faults.values()), faults
