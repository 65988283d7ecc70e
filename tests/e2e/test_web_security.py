"""Attacks on the web page from other pages, and by stored scripts, in a real Chromium."""

from __future__ import annotations

import http.server
import json
import re
import threading
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.e2e.engines import PROMETHEUS
from tests.e2e.stack import STEP
from tests.e2e.web_page import Tab, form_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, Route
    from tests.e2e.stack import Window

    from chrysaetos.demo.gateway import Gateway

SCRIPT = "<img src=x onerror=\"alert('in')\"><script>alert('in')</script>"
NAMES = (
    SCRIPT,
    "\u202egnp.evil\u202c",
    "\N{FIRE}\N{ZERO WIDTH JOINER}\N{FIRE}",
    "javascript:alert(1)",
    "x" * 10_000,
)

# Every way in which a page can send a request to another origin, and what it can read of the response.
ATTACK = """async (target) => {
  const seen = [];
  for (const [path, options] of [
    ['/api/v1/query?query=cpu', {credentials: 'include'}],
    ['/ui/session', {credentials: 'include'}],
    ['/ui/projects', {credentials: 'include'}],
    ['/-/whoami', {credentials: 'include', mode: 'no-cors'}],
    ['/ui/logout', {credentials: 'include', method: 'POST', mode: 'no-cors', body: '{}'}],
    ['/ui/logout', {credentials: 'include', method: 'POST', body: '{}',
                    headers: {'Content-Type': 'application/json', 'X-CSRF-Token': 'x'}}],
  ]) {
    try {
      const answer = await fetch(target + path, options);
      seen.push(await answer.text());
    } catch (error) {}
  }
  const image = new Image();
  await new Promise((done) => {
    image.onload = image.onerror = done; image.src = target + '/api/v1/query?query=cpu';
  });
  const script = document.createElement('script');
  await new Promise((done) => {
    script.onload = script.onerror = done; script.src = target + '/ui/session'; document.body.append(script);
  });
  const socket = new WebSocket(target.replace('http', 'ws') + '/api/v1/query?query=cpu');
  await new Promise((done) => {
    socket.onopen = () => { seen.push('WebSocket opened'); done(); };
    socket.onmessage = (event) => seen.push(event.data);
    socket.onclose = done;
  });
  return seen;
}"""


def hostile_text(window: Window, *projects: str) -> Iterator[str]:
    yield "# TYPE cpu gauge\n"
    for project in projects:
        for number, name in enumerate(NAMES):
            labels = f'project="{project}",vm={json.dumps(name, ensure_ascii=False)},number="{number}"'
            for moment in range(window.start, window.end, STEP):
                yield f"cpu{{{labels}}} {number} {moment}\n"
    yield "# EOF\n"


@pytest.fixture(scope="module")
def gateway(stores, gateway_for) -> Gateway:
    started: Gateway = gateway_for(stores.ab, web={"enabled": "true"})
    return started


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of another server of the same host, with an empty page."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title><body></body>")

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["same site", "another site"])
def test_another_page_can_neither_read_nor_change(browser, gateway, people, elsewhere, host):
    tab = Tab(browser, gateway.url)
    tab.enter(form_of(people.a))
    other = tab.context.new_page()
    other.goto(f"http://{host}:{elsewhere}/")
    seen = "".join(other.evaluate(ATTACK, gateway.url))
    for secret in ("a1", "csrf", people.a.user, "Chrysaetos", "WebSocket"):
        assert secret not in seen
    # A form is sent with a navigation, for which SameSite=Lax cookies of another site are kept back.
    other.goto(f"http://{host}:{elsewhere}/")
    other.evaluate(
        """(target) => {
          document.body.innerHTML = '<form method="post" enctype="text/plain"></form>';
          document.forms[0].innerHTML = '<input name="{&quot;a" value="1&quot;}">';
          document.forms[0].action = target; document.forms[0].submit();
        }""",
        f"{gateway.url}/ui/logout",
    )
    other.wait_for_url(f"{gateway.url}/**")
    assert "forbidden" in other.inner_text("body")
    tab.page.reload()
    expect(tab.page.get_by_role("navigation")).to_be_visible()
    tab.close()


FRAMED = """async (target) => {
  const frame = document.createElement('iframe');
  frame.src = target; document.body.append(frame);
  await new Promise((done) => { frame.onload = done; });
}"""
REFUSED = "chrome-error://chromewebdata/"


def without_protection(route: Route) -> None:
    """Remove the headers that refuse frames from a response."""
    answer = route.fetch()
    dropped = {"content-security-policy", "x-frame-options", "content-encoding", "content-length"}
    headers = {name: value for name, value in answer.headers.items() if name not in dropped}
    route.fulfill(status=answer.status, headers=headers, body=answer.body())


@pytest.mark.parametrize("protected", [True, False], ids=["as it is", "without the headers"])
def test_no_other_page_can_frame_it(browser, gateway, elsewhere, protected):
    """Without the headers, to show that the browser would frame it."""
    tab = Tab(browser, gateway.url)
    other = tab.context.new_page()
    if not protected:
        other.route(f"{gateway.url}/ui", without_protection)
    loaded: list[str] = []
    other.on("request", lambda request: loaded.append(request.url))
    other.goto(f"http://127.0.0.1:{elsewhere}/")
    other.evaluate(FRAMED, f"{gateway.url}/ui")
    _, frame = other.frames
    assert (frame.url == REFUSED) is protected
    assert any(url.endswith(".js") for url in loaded) is not protected
    tab.close()


def stored(page: Page) -> str:
    """Return the address, the addresses of all requests, and what the page keeps in the browser."""
    text: str = page.evaluate(
        """() => JSON.stringify([
            location.href, document.cookie, {...localStorage}, {...sessionStorage}, history.state,
            performance.getEntries().map((entry) => entry.name),
        ])"""
    )
    return text


def shown(page: Page) -> str:
    """Return the page's content, and the values of its fields."""
    values = "Array.from(document.querySelectorAll('input, textarea'), (field) => field.value).join(' ')"
    return page.content() + str(page.evaluate(values))


def test_no_secret_stays_in_the_page(browser, gateway, fellow):
    tab = Tab(browser, gateway.url)
    page = tab.page
    secrets = ["gAAAA", fellow.password]

    def check() -> None:
        for secret in secrets:
            assert secret not in stored(page)
            assert secret not in shown(page)

    tab.enter(form_of(fellow), "connect")
    check()
    page.get_by_role("button", name=re.compile("^Switch the project")).click()
    page.get_by_role("button", name=f"{fellow.user}-b").click()
    expect(page.get_by_role("button", name=re.compile(f"{fellow.user}-b$"))).to_be_visible()
    check()
    page.get_by_role("button", name="Create the credential").click()
    secret = page.locator("dl.secret pre[aria-label=Secret]").inner_text()
    assert len(secret) > 30
    assert secret in shown(page)
    assert secret not in stored(page)
    page.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_text("Copy the secret now")).to_have_count(0)
    secrets.append(secret)
    check()
    page.get_by_role("link", name="Explore").click()
    tab.editor()
    check()
    tab.close()


def with_hostile_label_name(route: Route) -> None:
    """Add a label to each series. Prometheus 3 accepts any name."""
    headers = {**route.request.all_headers(), "sec-fetch-site": "same-origin"}
    body = route.fetch(headers=headers).json()
    for series in body["data"]["result"]:
        series["metric"][SCRIPT] = "x"
    route.fulfill(json=body)


def test_stored_scripts_are_shown_as_text(browser, stores_of, gateway_for, people):
    stores = stores_of(PROMETHEUS[0], hostile_text)
    tab = Tab(browser, gateway_for(stores.ab, web={"enabled": "true"}).url)
    tab.page.route(re.compile("/api/v1/query"), with_hostile_label_name)
    tab.enter(form_of(people.a), q0="cpu", view0="table", q1="cpu")
    rows = tab.page.get_by_role("region", name="Table").get_by_role("row")
    expect(rows).to_have_count(len(NAMES) + 1)
    expect(rows.first.get_by_role("columnheader").filter(has_text="onerror")).to_have_count(1)
    expect(tab.page.locator("canvas").first).to_be_visible()
    assert "onerror" in tab.page.inner_text("main")
    assert tab.page.locator("main img, main script").count() == 0
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 1280
    tab.close()


@pytest.mark.parametrize(
    "fragment", ["//evil.example.com", "javascript:alert(1)", '/explore?q0="><script>alert(1)</script>']
)
def test_no_address_leads_elsewhere_or_runs_a_script(browser, gateway, people, fragment):
    tab = Tab(browser, gateway.url, expected="status of 400")
    tab.page.goto(f"{gateway.url}/ui#{fragment}")
    tab.log_in(form_of(people.a))
    tab.page.get_by_role("navigation").wait_for()
    assert tab.page.url.startswith(f"{gateway.url}/ui#")
    tab.close()
