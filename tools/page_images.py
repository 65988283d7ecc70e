"""Take the pictures of the web page in ``docs/images/``.

    python -m tools.page_images [FOLDER]

Runs the demo, and opens each page in Debian's Chromium: light and dark, as wide as a desktop and as a phone.
"""

from __future__ import annotations

import io
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import requests
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from tests.e2e.running_demo import running_demo
from tests.e2e.web_page import Demo, Tab, chromium

from chrysaetos.demo.processes import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = Path(__file__).parent.parent / "docs" / "images"
COLORS = 128
QUERY = "sum by (resource_name) (rate(ceilometer_cpu[5m])) / 1e9"


class View(NamedTuple):
    """A page, where it is, and what is on it once it is complete."""

    name: str
    address: str
    parameters: dict[str, str]
    shown: str
    admin: bool = False


VIEWS = (
    View("start", "explore", {}, ".metric-list button"),
    View("explore", "explore", {"range": "6h", "q0": QUERY, "sent0": "1"}, ".legend"),
    View("servers", "servers", {}, ".spark"),
    View("server", "servers", {}, ".cards canvas"),
    View("usage", "usage", {}, ".figure, .empty"),
    View("alerts", "alerts", {}, ".rule .state.bad"),
    View("connect", "connect", {}, ".code"),
    View("targets", "targets", {}, ".table-card, .empty", admin=True),
    View("gateway", "gateway", {}, ".cards .card", admin=True),
)


def _save(page: Page, file: Path) -> None:
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(COLORS, kmeans=2, dither=Image.Dither.NONE).save(file, optimize=True)


def _browse(browser: Browser, demo: Demo, prometheus: str) -> None:
    """Open the tenant's pages until its alert fires, and the gateway has metrics of its requests."""
    tenant = demo.tenants[0]
    fires = f'ALERTS{{alertstate="firing",project="{tenant["project_id"]}"}}'
    query = {"query": f"{fires} and on () (chrysaetos_build_info offset 2m)"}
    tab = Tab(browser, demo.url)
    tab.enter(tenant)

    def ready() -> bool:
        for view in VIEWS:
            if not view.admin:
                tab.go(view.address, **view.parameters)
                tab.page.wait_for_timeout(1000)
        answer = requests.get(f"{prometheus}/api/v1/query", query, timeout=60)
        return bool(answer.json()["data"]["result"])

    if not wait_for(ready, timeout=300):
        raise SystemExit("no alert fires")
    tab.close()


def take(browser: Browser, demo: Demo, folder: Path) -> None:
    """Save the pictures of all pages."""
    for account, admin in ((demo.tenants[0], False), (demo.admin, True)):
        for width, scheme in product((1280, 360), ("light", "dark")):
            tab = Tab(browser, demo.url, viewport={"width": width, "height": 900}, color_scheme=scheme)
            page = tab.page
            tab.go()
            page.locator("input[name=user]").wait_for()
            if not admin:
                page.wait_for_load_state("networkidle")
                page.evaluate("Promise.all([...document.images].map(image => image.decode()))")
                _save(page, folder / f"page-login-{scheme}-{width}.png")
            tab.log_in(account)
            page.get_by_role("navigation").wait_for()
            for view in VIEWS:
                if view.admin != admin:
                    continue
                parameters = dict(view.parameters)
                if width == 360:
                    parameters.pop("sent0", None)  # a phone has no room for the graph below it
                tab.go(view.address, **parameters)
                if view.name == "server":
                    page.locator(".server-row a").first.click()
                page.locator(view.shown).first.wait_for()
                page.wait_for_load_state("networkidle")
                if view.name == "explore":
                    # The first query also waits for the code of the page and for cold caches.
                    page.get_by_role("button", name="Run").click()
                    page.wait_for_load_state("networkidle")
                expect(page.locator(".graph:not(:has(canvas))")).to_have_count(0)
                page.mouse.move(0, 0)
                page.evaluate("document.activeElement.blur()")
                _save(page, folder / f"page-{view.name}-{scheme}-{width}.png")
            tab.close()


def main() -> None:
    """Run the demo and take the pictures."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else IMAGES
    with (
        tempfile.TemporaryDirectory() as name,
        running_demo(Path(name)) as state,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        demo = Demo(Path(name) / "demo", state)
        _browse(browser, demo, state["prometheus_url"])
        take(browser, demo, folder)
        browser.close()


if __name__ == "__main__":
    main()
