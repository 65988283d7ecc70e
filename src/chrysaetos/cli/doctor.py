"""``doctor``: checks each requirement of a query, and gives advice for what fails."""

from __future__ import annotations

import time
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from cliff.lister import Lister
from keystoneauth1 import exceptions as keystone

from chrysaetos.cli.base import MetricsCommand, Table
from chrysaetos.cli.errors import CredentialsError
from chrysaetos.cli.regions import create_client, find_access
from chrysaetos.cli.times import rfc3339
from chrysaetos.cli.whoami import describe_access
from chrysaetos.client import errors
from chrysaetos.client.connection_errors import short_message
from chrysaetos.client.keystone import CHECK_CREDENTIALS
from chrysaetos.findings import Finding, Status, failed, worst

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from keystoneauth1.access import AccessInfo

    from chrysaetos.cli.regions import Region
    from chrysaetos.client import MetricsClient

__all__ = ["Doctor"]

_READERS = frozenset({"reader", "admin", "service"})
"""The roles that may query by the gateway's default policy."""
_MAX_SKEW = 30
_MAX_METRICS = 1000

_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (CredentialsError, "select a cloud of clouds.yaml with --os-cloud, or set the variables OS_*"),
    (keystone.Unauthorized, CHECK_CREDENTIALS),
    (keystone.BadRequest, CHECK_CREDENTIALS),
    (keystone.SSLError, "pass the CA certificate with --os-cacert or OS_CACERT"),
    (keystone.ConnectFailure, "check auth_url, and that Keystone is running"),
    (keystone.ClientException, "check auth_url: it should be Keystone's URL, and end with /v3"),
    (errors.NotRegistered, "check region and interface, or ask the operator to register the gateway"),
    (errors.Unauthorized, "check the credentials; the gateway's log has Keystone's response"),
    (errors.Forbidden, "ask an administrator for the role reader in the project"),
    (errors.Timeout, "try again, with a longer --timeout"),
    (errors.Unreachable, "check DNS, the firewall, --os-cacert, and that the gateway is running"),
    (errors.NotPrometheus, "check the endpoint in the catalog: it belongs to another server"),
    (errors.Unavailable, "try again, or ask the operator to run chrysaetos gateway check"),
    (errors.MetricsError, "ask the operator to look for the request in the gateway's log"),
)


class Doctor(MetricsCommand, Lister):
    """Check the requirements of a query: credentials, token, roles, catalog, gateway, Prometheus.

    The exit status is 1 if a check failed.
    """

    auth_required = False  # else openstackclient would fail before the first check
    _findings: Sequence[Finding] = ()

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run all checks, show their results, and return the exit status."""
        super().run(parsed_args)
        return int(worst(self._findings) is Status.FAILED)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:  # noqa: ARG002  # cliff's signature
        """Return a row for each step."""
        self._findings = _Checks(self.app).results()
        # Not the enumeration, which YAML would show as an object.
        rows = [tuple(map(str, astuple(finding))) for finding in self._findings]
        return ["step", "state", "detail", "advice"], rows


class _Skip(Exception):
    """A step does not apply; the message is the reason."""


class _Failed(Exception):
    """A check failed; the arguments are the detail and the advice."""


class _Checks:
    """The steps in order. A step may use the results of earlier steps."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._direct = bool(getattr(app.client_manager, "direct", False))
        self._region: Region
        self._access: AccessInfo
        self._client: MetricsClient

    def results(self) -> list[Finding]:
        """Run all steps and return their results. The steps after a failed one are skipped."""
        steps: dict[str, Callable[[], tuple[str, str]]] = {
            "credentials": self._credentials,
            "token": self._token,
            "roles": self._roles,
            "catalog": self._catalog,
            "gateway": self._gateway,
            "prometheus": self._prometheus,
            "data": self._data,
        }
        found: list[Finding] = []
        missing = ""
        for step, check in steps.items():
            if missing:
                found.append(Finding(step, Status.SKIPPED, f"needs {missing}"))
                continue
            found.append(_run_step(step, check))
            if found[-1].status is Status.FAILED:
                missing = step
        return found

    def _credentials(self) -> tuple[str, str]:
        if self._direct:
            self._client = self._app.client_manager.chrysaetos
            return f"{self._client.endpoint} without Keystone", ""
        if hasattr(self._app, "cloud_config"):
            from chrysaetos.cli.clouds import openstackclient_region  # noqa: PLC0415  # slow to import

            self._region = openstackclient_region(self._app)
            self._client = create_client(self._region)
        else:
            self._region = self._app.client_manager.region
            self._client = self._app.client_manager.chrysaetos
        config = self._region.config
        return f"{config['auth_type']} at {config['auth'].get('auth_url', 'no auth_url')}", ""

    def _token(self) -> tuple[str, str]:
        self._needs_keystone()
        session = self._region.get_session()
        if auth_url := self._region.config["auth"].get("auth_url"):
            # Another server at a URL with a version would be a wrong password.
            session.get(auth_url, authenticated=False, raise_exc=False)
        access = find_access(session)
        if access is None:
            raise _Skip("these credentials do not use Keystone")
        self._access, expires = access, access.expires
        until = "" if expires is None else f" until {rfc3339(int(expires.timestamp()))}"
        return f"user {access.username}{until}", ""

    def _roles(self) -> tuple[str, str]:
        self._needs_keystone()
        access, roles = self._access, sorted(self._access.role_names or ())
        if not access.project_scoped:
            raise _Failed("the token has no project", "select one with --os-project-name or OS_PROJECT_NAME")
        detail = f"{', '.join(roles)} in project {access.project_name} ({access.project_id})"
        if _READERS.isdisjoint(roles):
            return detail, "the gateway's default policy requires the role reader, admin or service"
        return detail, ""

    def _catalog(self) -> tuple[str, str]:
        self._needs_keystone()
        return self._client.endpoint, ""

    def _gateway(self) -> tuple[str, str]:
        try:
            response = self._client.whoami()
        except errors.NotSupported:
            if self._direct:
                raise _Skip("not a gateway") from None
            return "responds, but is not a Chrysaetos gateway", ""
        seen = describe_access(response["rules"])
        if seen == "nothing":
            raise _Failed(
                "you are not allowed to query", "ask an administrator for the role reader in the project"
            )
        return f"you can see {seen}", ""

    def _prometheus(self) -> tuple[str, str]:
        before = time.time()
        try:
            vector: Any = self._client.query("vector(1)")
        except errors.BadQuery:
            # Aetos cannot scope a query without a selector.
            raise _Skip(
                "this server does not accept a query without a selector, so its clock is unknown"
            ) from None
        skew = vector[0].time - (before + time.time()) / 2
        if abs(skew) > _MAX_SKEW:
            raise _Failed(
                f"responds, but its clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}",
                "synchronize the clocks of both machines with NTP, or relative times such as -1h are wrong",
            )
        return "responds to queries", ""

    def _data(self) -> tuple[str, str]:
        now = time.time()
        names = self._client.label_values("__name__", start=now - 3600, end=now, limit=_MAX_METRICS)
        if not names:
            return "no metric in the last hour", (
                "if metrics are expected, check that their project label has your project's id, "
                "and that the gateway uses the same label (project_label_name)"
            )
        count = f"{len(names)}" if len(names) < _MAX_METRICS else f"{_MAX_METRICS} or more"
        return f"{count} metrics in the last hour", ""

    def _needs_keystone(self) -> None:
        if self._direct:
            raise _Skip("Keystone is not used")


def _run_step(step: str, check: Callable[[], tuple[str, str]]) -> Finding:
    try:
        return Finding(step, Status.OK, *check())
    except _Skip as skip:
        return Finding(step, Status.SKIPPED, str(skip))
    except _Failed as failure:
        return failed(step, *failure.args)
    except (CredentialsError, errors.MetricsError, keystone.ClientException) as error:
        advice = next(advice for kind, advice in _ADVICE if isinstance(error, kind))
        return failed(step, short_message(error), advice)
