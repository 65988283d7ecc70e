"""The web page in a real Chromium, with everything that must never happen there.

A ``Tab`` fails its test at the end if the page sent a request to another origin, violated its own Content
Security Policy, wrote an error to the console, or raised an exception.
"""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from axe_playwright_python.base import AXE_SCRIPT

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, Request

    from chrysaetos.demo.identities import Account

__all__ = ["Demo", "Tab", "chromium", "form_of", "serious_faults"]

_SECONDS = 20_000


def chromium() -> str:
    """Return the path of Debian's Chromium."""
    program = shutil.which("chromium")
    assert program is not None, "chromium is not installed: apt-get install chromium"
    return program


def form_of(account: Account) -> dict[str, str]:
    """Return what an account enters into the log-in form."""
    return {
        "user": account.user,
        "password": account.password,
        "project_name": str(account.project_name),
    }


class Demo:
    """A running demo.

    Attributes:
        url: the gateway's root URL.
        keystone_url: URL of Keystone's v3 API.
        tenants: user, project and password of each tenant.
        admin: the same of the administrator.
        folder: its directory.
    """

    def __init__(self, folder: Path, state: dict[str, Any]) -> None:
        people = json.loads((folder / "identities.json").read_text())
        self.folder = folder
        self.url: str = state["gateway_url"]
        self.keystone_url: str = state["keystone_url"]
        self.tenants: list[dict[str, str]] = people["tenants"]
        self.admin: dict[str, str] = people["admin"]


class Tab:
    """A tab of a browser, with what the page did wrong.

    Args:
        browser: the browser.
        url: the gateway's root URL.
        expected: a pattern of messages in the console that are expected.
        origins: other origins that it may visit.
        context: options of the browser's context.
    """

    def __init__(
        self, browser: Browser, url: str, expected: str = "$^", origins: tuple[str, ...] = (), **context: Any
    ) -> None:
        self.url = url
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | context))
        self.context.set_default_timeout(_SECONDS)
        self.faults: list[str] = []
        self._expected = re.compile(expected)
        self._origins = (f"{self.origin}/", "data:", "blob:", *origins)
        self.page = self.open()

    def open(self) -> Page:
        """Open another tab of the same browser."""
        page = self.context.new_page()
        page.on("console", self._on_message)
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("request", self._on_request)
        page.on("dialog", self._on_dialog)
        return page

    def go(self, view: str = "explore", **parameters: str) -> None:
        """Open a view of the page."""
        self.page.goto(f"{self.url}/ui#/{view}{'?' if parameters else ''}{urlencode(parameters)}")

    def log_in(self, account: dict[str, str]) -> None:
        """Fill in the log-in form and send it."""
        page = self.page
        page.locator("input[name=user]").fill(account["user"])
        page.locator("input[name=password]").fill(account["password"])
        page.locator("input[name=project]").fill(account["project_name"])
        page.get_by_role("button", name="Log in", exact=True).click()

    def enter(self, account: dict[str, str], view: str = "explore", **parameters: str) -> None:
        """Open a view and log in."""
        self.go(view, **parameters)
        self.log_in(account)
        self.page.get_by_role("navigation").wait_for()

    def editor(self) -> Locator:
        """Return the editor of the first panel, once it has replaced the text area."""
        editor = self.page.locator(".cm-content").first
        editor.wait_for()
        return editor

    def run(self, query: str) -> None:
        """Write a query into the first panel, and run it."""
        editor = self.editor()
        editor.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(query)
        self.page.keyboard.press("Escape")  # no completion takes the Enter
        editor.click()
        self.page.get_by_role("button", name="Run").first.click()

    def close(self) -> None:
        """Close the browser's context, and fail if the page did something wrong."""
        self.context.close()
        assert not self.faults, self.faults

    def _on_message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not self._expected.search(message.text):
            self.faults.append(f"{message.type}: {message.text}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(self._origins):
            self.faults.append(f"another origin: {request.url}")


def serious_faults(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page for people with disabilities, if it is serious."""
    # Not as a script of the page, which its Content Security Policy would refuse.
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
