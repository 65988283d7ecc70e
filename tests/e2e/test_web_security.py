"""Attacks on the web page from other pages, and by stored scripts, in a real Chromium."""

from __future__ import annotations

import http.server
import json
import threading
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.e2e.engines import PROMETHEUS
from tests.e2e.stack import STEP
from tests.e2e.web_page import Tab

if TYPE_CHECKING:
    from collections.abc import Iterator

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
  const frame = document.createElement('iframe');
  frame.src = target + '/ui'; document.body.append(frame);
  await new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
  try { seen.push(frame.contentDocument.body.innerText); } catch (error) {}
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


def account(person) -> dict[str, str]:
    return {"user": person.user, "password": person.password, "project_name": person.project_name}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["same site", "another site"])
def test_another_page_can_neither_read_nor_change(browser, gateway, people, elsewhere, host):
    tab = Tab(browser, gateway.url)
    tab.enter(account(people.a))
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


def test_stored_scripts_are_shown_as_text(browser, stores_of, gateway_for, people):
    stores = stores_of(PROMETHEUS[0], hostile_text)
    tab = Tab(browser, gateway_for(stores.ab, web={"enabled": "true"}).url)
    tab.enter(account(people.a), q0="cpu", view0="table", q1="cpu")
    rows = tab.page.get_by_role("region", name="Table").get_by_role("row")
    expect(rows).to_have_count(len(NAMES) + 1)
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
    tab.log_in(account(people.a))
    tab.page.get_by_role("navigation").wait_for()
    assert tab.page.url.startswith(f"{gateway.url}/ui#")
    tab.close()
