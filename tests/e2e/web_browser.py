"""What a browser does for the web page, without a browser: cookies, CSRF tokens and Fetch Metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from tests.e2e.web_page import Demo

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import Account

__all__ = ["PageClient", "password_login"]


def password_login(account: Account) -> dict[str, Any]:
    """Return the log-in of an account with its password, in its project."""
    project = {"name": account.project_name, "domain": "Default"} if account.project_name else None
    return {
        "method": "password",
        "user": account.user,
        "domain": "Default",
        "password": account.password,
        "project": project,
    }


class PageClient:
    """The page in a browser.

    Attributes:
        http: the browser, with its cookies.
        csrf: the page's CSRF token.
    """

    def __init__(self, gateway: Gateway | Demo) -> None:
        self.http = requests.Session()
        self.http.trust_env = False
        self._url = gateway.url
        self.csrf = ""
        self.describe()

    def describe(self) -> Any:
        """Return what the page knows about the session."""
        shown = self.get("/ui/session").json()
        self.csrf = shown["csrf"]
        return shown

    def get(
        self, path: str, headers: dict[str, str | None] | None = None, **options: Any
    ) -> requests.Response:
        """Send a GET as the page does."""
        own = {"Sec-Fetch-Site": "same-origin", **(headers or {})}
        return self.http.get(self._url + path, headers=own, timeout=30, **options)

    def post(
        self, path: str, body: object, headers: dict[str, str | None] | None = None
    ) -> requests.Response:
        """Send a POST as the page does."""
        own: dict[str, str | None] = {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": self.csrf}
        own |= headers or {}
        answer = self.http.post(self._url + path, json=body, headers=own, timeout=30)
        if answer.ok and "csrf" in answer.json():
            self.csrf = answer.json()["csrf"]
        return answer

    def log_in(self, account: Account) -> Any:
        """Log in with a password and return the session."""
        answer = self.post("/ui/login", password_login(account))
        assert answer.status_code == 200, answer.text
        return answer.json()["session"]

    def vms(self, **options: Any) -> set[str]:
        """Return the VMs whose series the page sees."""
        answer = self.get("/api/v1/query", params={"query": "cpu"}, **options)
        assert answer.status_code == 200, answer.text
        return {each["metric"]["vm"] for each in answer.json()["data"]["result"]}
