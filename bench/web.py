"""Measure the web page in Chromium, with the demo on this machine.

    python -m bench.web [--rounds N]

Prints, as the median of the rounds: the time from the start of the navigation, with an empty cache, until the
page is loaded and until it shows its first content; the JavaScript that is loaded until the log-in form and
until the first graph, as sent; and the time from the response to the drawn graph of 100 series with 1,000
points, without the first graph, which loads its code. Then it measures what the page costs the requests of
other clients: a small query by 16 clients through a gateway with the page and one without, in turn.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from bench.load import load
from playwright.sync_api import sync_playwright
from tests.e2e.running_demo import running_demo
from tests.e2e.web_page import Demo, Tab, chromium

from chrysaetos.demo.gateway import Gateway

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

SERIES, POINTS = 100, 1000

_PAINT = """async () => {
    const paint = () => performance.getEntriesByName('first-contentful-paint')[0];
    while (paint() === undefined) await new Promise((done) => setTimeout(done, 10));
    return paint().startTime;
}"""
_LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
_SCRIPTS = """performance.getEntriesByType('resource').filter((each) => each.name.endsWith('.js'))
    .reduce((sum, each) => sum + each.encodedBodySize, 0)"""
# From the end of the last response until the end of the frame that shows it.
_DRAWN = """async () => {
    const last = () => performance.getEntriesByType('resource')
        .filter((each) => each.name.includes('/api/v1/query_range')).at(-1);
    while (last() === undefined) await new Promise((done) => setTimeout(done, 1));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return performance.now() - last().responseEnd;
}"""


def _answer(route: Route) -> None:
    """Respond with 100 series of 1,000 points in the hour before now."""
    request = route.request
    query = dict(parse_qsl(request.post_data or urlsplit(request.url).query))
    start, end = float(query["start"]), float(query["end"])
    step = (end - start) / POINTS
    result = [
        {
            "metric": {"server": f"server-{number}"},
            "values": [
                [start + step * point, f"{math.sin(point / 50 + number) * 10 + number:.3f}"]
                for point in range(POINTS)
            ],
        }
        for number in range(SERIES)
    ]
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    route.fulfill(json=body, headers={"X-Chrysaetos-Scope": "restricted"})


def _measure(browser: Browser, demo: Demo) -> dict[str, float]:
    tab = Tab(browser, demo.url)
    page = tab.page
    tab.go()
    page.locator("input[name=user]").wait_for()
    found: dict[str, float] = {
        "loaded ms": page.evaluate(_LOADED),
        "first content ms": page.evaluate(_PAINT),
        "JavaScript for the log-in kB": page.evaluate(_SCRIPTS) / 1000,
    }
    tab.log_in(demo.tenants[0])
    page.get_by_role("navigation").wait_for()
    page.route("**/api/v1/query_range*", _answer)
    tab.run("up")
    page.get_by_role("img").first.wait_for()
    found["JavaScript for the first graph kB"] = page.evaluate(_SCRIPTS) / 1000
    draws: list[float] = []
    for _ in range(5):
        page.evaluate("performance.clearResourceTimings()")
        with page.expect_response("**/api/v1/query_range*"):
            page.get_by_role("button", name="Run").first.click()
        draws.append(page.evaluate(_DRAWN))
    found["drawn ms"] = statistics.median(draws)
    tab.context.close()
    return found


def _other_clients(folder: Path, state: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    """Return the requests per second through a gateway with the page and one without, by round."""
    people = json.loads((folder / "demo" / "identities.json").read_text())
    credential = people["tenants"][0]["application_credential"]
    basic = base64.b64encode(f"{credential['id']}:{credential['secret']}".encode()).decode()
    rates: dict[str, list[float]] = {"with the page": [], "without": []}
    with ExitStack() as stack:
        gateways = {
            name: stack.enter_context(
                Gateway(
                    folder / name,
                    keystone_url=state["keystone_url"],
                    prometheus_url=state["prometheus_url"],
                    user=people["gateway"]["user"],
                    password=people["gateway"]["password"],
                    options={
                        "gateway": {"share_requests": "false", "max_requests_per_project": "0"},
                        "web": {"enabled": str(name == "with the page")},
                    },
                )
            )
            for name in rates
        }
        for number in range(rounds + 1):
            for name, gateway in gateways.items():
                rate = load(
                    f"{gateway.root_url}/api/v1/query?query=ceilometer_vcpus",
                    clients=16,
                    seconds=4.0,
                    headers={"Authorization": f"Basic {basic}"},
                    pid=gateway.pid or 0,
                ).rate
                if number > 0:  # the first warms up
                    rates[name].append(rate)
    return rates


def main() -> None:
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="number of measurements")
    rounds = parser.parse_args().rounds
    with (
        tempfile.TemporaryDirectory() as name,
        running_demo(Path(name)) as state,
        sync_playwright() as playwright,
    ):
        demo = Demo(Path(name) / "demo", state)
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        found = [_measure(browser, demo) for _ in range(rounds)]
        browser.close()
        rates = _other_clients(Path(name), state, rounds)
    for title in found[0]:
        print(f"{title:36}{statistics.median(each[title] for each in found):10.1f}")
    for title, runs in rates.items():
        print(f"{f'requests/s {title}':36}{statistics.median(runs):10.1f}")
    ratios = [on / off for on, off in zip(*rates.values(), strict=True)]
    print(f"{'ratio':36}{statistics.median(ratios):10.3f}")


if __name__ == "__main__":
    main()
