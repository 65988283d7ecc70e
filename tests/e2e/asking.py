"""Send requests to gateways and stores, and compare their responses."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import requests
from tests.support.commands import run

from chrysaetos.demo.keystone import REGION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.e2e.stack import Window
    from tests.support.commands import Output

    from chrysaetos.demo.identities import Account

__all__ = [
    "ALL_VMS",
    "Asker",
    "Pairs",
    "answers_alike",
    "basic",
    "close",
    "meaning",
    "openstack_client",
    "out_of_time",
    "password_variables",
    "visible_vms",
]

ALL_VMS = {"a1", "a2", "b1", "b2", "host"}
"""The VMs in the result of the query ``cpu`` without a scope: of A, of B and of the operator."""
Pairs = "Sequence[tuple[str, str | bytes]]"
_TRIES = 3


def basic(account: Account) -> tuple[str, str]:
    """The account's application credential, for Basic authentication."""
    credential = account.application_credential
    assert credential is not None
    return credential.id, credential.secret


def password_variables(auth_url: str, account: Account) -> dict[str, str]:
    """Return the variables of a shell for an account's password, and for its project if it has one."""
    variables = {
        "OS_AUTH_URL": auth_url,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_REGION_NAME": REGION,
        "OS_USERNAME": account.user,
        "OS_PASSWORD": account.password,
        "OS_USER_DOMAIN_ID": account.domain,
    }
    if account.project_name is not None:
        variables |= {"OS_PROJECT_NAME": account.project_name, "OS_PROJECT_DOMAIN_ID": account.domain}
    return variables


def openstack_client(variables: Mapping[str, str], *words: str) -> Output:
    """Run the openstack client with these credentials and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "PYTHON"))}
    program = Path(sys.executable).with_name("openstack")
    return run([program, *words], env={**kept, "NO_PROXY": "127.0.0.1", **variables})


class HasUrl(Protocol):
    """A gateway or a store."""

    @property
    def url(self) -> str: ...


class Asker:
    """Sends requests to one server over persistent connections, with one set of credentials.

    Args:
        server: the server.
        auth: user and password for Basic authentication.
        headers: additional headers.
    """

    def __init__(
        self, server: HasUrl, auth: tuple[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self._url = server.url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = auth
        self._session.headers.update(headers or {})

    def __call__(
        self, path: str, pairs: Sequence[tuple[str, str | bytes]] = (), *, method: str = "GET"
    ) -> requests.Response:
        """Return the response to a request; the parameters of a POST are in its body."""
        in_body = method == "POST"
        return self._session.request(
            method,
            self._url + path,
            data=list(pairs) if in_body else None,
            params=None if in_body else list(pairs),
            timeout=60,
            allow_redirects=False,
        )

    def message(self, path: str, body: bytes) -> requests.Response:
        """Return the response to a remote read; the body is compressed."""
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
        return self._session.post(self._url + path, data=body, headers=headers, timeout=60)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def meaning(response: requests.Response) -> tuple[int, Any]:
    """Return status and content, sorted where Prometheus guarantees no order."""
    # VictoriaMetrics returns another type for a bare range selector.
    if response.content.startswith(b'{"status":'):
        # Prometheus writes the bytes of a label's value unchanged, even if they are not valid in JSON.
        content = json.loads(response.content.decode("utf-8", "surrogateescape"))
        for notes in ("warnings", "infos"):
            if notes in content:
                content[notes].sort()
        data = content.get("data")
        if isinstance(data, dict) and isinstance(data.get("result"), list):
            data["result"] = sorted(data["result"], key=lambda one: json.dumps(one, sort_keys=True))
        elif isinstance(data, list):
            content["data"] = sorted(data, key=lambda one: json.dumps(one, sort_keys=True))
        return response.status_code, content
    return response.status_code, sorted(response.text.splitlines())


def visible_vms(gateway: HasUrl, account: Account, window: Window, *pairs: tuple[str, str]) -> set[str]:
    """Return the VMs in an account's result of the query ``cpu``; the pairs are additional parameters."""
    asker = Asker(gateway, basic(account))
    content = asker("/api/v1/query", [("query", "cpu"), ("time", str(window.now)), *pairs]).json()
    asker.close()
    return {series["metric"]["vm"] for series in content["data"]["result"]}


def close(one: Any, other: Any) -> bool:
    """Return whether contents are equal except for the last digits of numbers: engines add in any order."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if one == other or not (isinstance(one, str) and isinstance(other, str)):
        return bool(one == other)
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-9, abs_tol=1e-9)
    except ValueError:
        return False


def out_of_time(answer: tuple[int, Any]) -> bool:
    """Return whether Prometheus aborted a query: such errors cannot be compared."""
    return answer[0] == 503 and answer[1].get("errorType") == "timeout"


def answers_alike(
    one: Asker,
    other: Asker,
    path: str,
    pairs: Sequence[tuple[str, str | bytes]] = (),
    *,
    method: str = "GET",
) -> tuple[int, Any]:
    """Send a request to both servers, check that the responses are equivalent, and return the content.

    If a request has no time, a sample may arrive between the two, and a comparison may depend on the last
    digits of a sum. So the requests are repeated if the responses differ.
    """
    for left in range(_TRIES, 0, -1):
        answers = [meaning(asker(path, pairs, method=method)) for asker in (one, other)]
        alike = answers[0][0] == answers[1][0] and close(answers[0][1], answers[1][1])
        if alike or any(map(out_of_time, answers)):
            return answers[0]
        if left == 1:
            break
    raise AssertionError(f"{method} {path} {pairs!r}:\n  {answers[0]}\n  {answers[1]}")
