"""``doctor``: each thing that a query needs, in turn, with what is wrong and what to do."""

from __future__ import annotations

import re
import time
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from cliff.lister import Lister
from keystoneauth1 import exceptions as keystone

from chrysaetos.cli.base import MetricsCommand
from chrysaetos.cli.failures import CredentialsError
from chrysaetos.cli.times import rfc3339
from chrysaetos.cli.whoami import reach
from chrysaetos.client import errors

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from keystoneauth1.access import AccessInfo
    from openstack.config.cloud_region import CloudRegion

    from chrysaetos.client import MetricsClient

__all__ = ["Doctor", "Finding"]

_READERS = frozenset({"reader", "admin", "service"})
"""The roles that the gateway's default policy lets query."""
_LIBRARY = re.compile(": HTTPS?ConnectionPool")
"""Where keystoneauth's words end and urllib3's, which say the same at length, begin."""
_SKEW_SECONDS = 30
_METRICS = 1000

_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (CredentialsError, "name a cloud of clouds.yaml with --os-cloud, or set the variables OS_*"),
    (keystone.Unauthorized, "check user, password, domain and project, or the application credential"),
    (keystone.SSLError, "give the certificate authority with --os-cacert or OS_CACERT"),
    (keystone.ConnectFailure, "check the address (auth_url), and whether Keystone runs"),
    (keystone.ClientException, "check the address (auth_url): it ends with /v3"),
    (errors.NotRegistered, "check region and interface, or have the operator register the gateway"),
    (errors.Unauthorized, "check the credentials; the gateway's log says what it was told by Keystone"),
    (errors.Forbidden, "have somebody give you the role reader in the project"),
    (errors.Timeout, "try again; give it more time with --timeout"),
    (errors.Unreachable, "check that the gateway runs, and the way to it: DNS, firewall, certificates"),
    (errors.NotPrometheus, "check the endpoint in the catalog: another server answers there"),
    (errors.Unavailable, "try again; else ask the operator: the gateway's /-/ready says what it misses"),
    (errors.MetricsError, "ask the operator: the gateway's log has the request"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step has shown.

    Attributes:
        step: what was looked at.
        state: ok, failed or skipped.
        detail: what was found.
        advice: what to do; empty where nothing has to be done.
    """

    step: str
    state: str
    detail: str
    advice: str = ""


class Doctor(MetricsCommand, Lister):
    """Check everything that a query needs: credentials, token, roles, catalog, gateway, Prometheus.

    The exit status is 1 if something is wrong.
    """

    auth_required = False  # openstackclient would fail before anything can be told
    _findings: Sequence[Finding] = ()

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Look at everything, show it, and give the status."""
        super().run(parsed_args)
        return int(any(finding.state == "failed" for finding in self._findings))

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], list[tuple[Any, ...]]]:  # noqa: ARG002 - cliff's signature
        """A row for each step."""
        self._findings = _Examination(self.app).findings()
        return ["step", "state", "detail", "advice"], [astuple(finding) for finding in self._findings]


class _Skip(Exception):
    """A step does not apply. The message says why."""


class _Failed(Exception):
    """Args: what was found; what to do."""


class _Examination:
    """Looks at one thing after the other. A step may use what those before it have found."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._direct = bool(getattr(app.client_manager, "direct", False))
        self._region: CloudRegion
        self._access: AccessInfo
        self._client: MetricsClient

    def findings(self) -> list[Finding]:
        """What all steps have shown. Those behind one that failed are skipped."""
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
        broken = ""
        for step, look in steps.items():
            if broken:
                found.append(Finding(step, "skipped", f"needs {broken}"))
                continue
            found.append(_examined(step, look))
            if found[-1].state == "failed":
                broken = step
        return found

    def _credentials(self) -> tuple[str, str]:
        if self._direct:
            self._client = self._app.client_manager.chrysaetos
            return f"asking {self._client.endpoint} without Keystone", ""
        from chrysaetos.cli.clouds import client_of, region_of_openstackclient  # noqa: PLC0415 - half a second

        if hasattr(self._app, "cloud_config"):
            self._region = region_of_openstackclient(self._app)
            self._client = client_of(self._region)
        else:
            self._region = self._app.client_manager.region
            self._client = self._app.client_manager.chrysaetos
        config = self._region.config
        return f"{config['auth_type']} at {config['auth'].get('auth_url', 'no auth_url')}", ""

    def _token(self) -> tuple[str, str]:
        self._needs_keystone()
        session = self._region.get_session()
        get_access = getattr(session.auth, "get_access", None)
        if get_access is None:
            raise _Skip("these credentials are not for Keystone")
        self._access = get_access(session)
        expires = self._access.expires
        until = "" if expires is None else f" until {rfc3339(int(expires.timestamp()))}"
        return f"user {self._access.username}{until}", ""

    def _roles(self) -> tuple[str, str]:
        self._needs_keystone()
        access, roles = self._access, sorted(self._access.role_names or ())
        if not access.project_scoped:
            raise _Failed("the token is for no project", "name one with --os-project-name or OS_PROJECT_NAME")
        detail = f"{', '.join(roles)} in project {access.project_name} ({access.project_id})"
        if _READERS.isdisjoint(roles):
            return detail, "the default policy of the gateway asks for the role reader, admin or service"
        return detail, ""

    def _catalog(self) -> tuple[str, str]:
        self._needs_keystone()
        return self._client.endpoint, ""

    def _gateway(self) -> tuple[str, str]:
        try:
            answer = self._client.whoami()
        except errors.NotSupported:
            if self._direct:
                raise _Skip("no gateway: what answers tells nothing about callers") from None
            return "answers; it is no Chrysaetos, and tells nothing about callers", ""
        seen = reach(answer["rules"])
        if seen == "nothing":
            raise _Failed("you may query nothing", "have somebody give you the role reader in the project")
        return f"you see {seen}", ""

    def _prometheus(self) -> tuple[str, str]:
        before = time.time()
        try:
            answer: Any = self._client.query("vector(1)")
        except errors.BadQuery:
            # Aetos cannot scope a query without a selector, and breaks it for tenants.
            raise _Skip("the clock: this server takes no query without a selector") from None
        skew = answer[0].time - (before + time.time()) / 2
        if abs(skew) > _SKEW_SECONDS:
            raise _Failed(
                f"answers, but its clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}",
                "set the clocks of both machines by NTP: times such as -1h mean something else there",
            )
        return "answers queries", ""

    def _data(self) -> tuple[str, str]:
        now = time.time()
        names = self._client.label_values("__name__", start=now - 3600, end=now, limit=_METRICS)
        if not names:
            return "no metric in the last hour", (
                "if there should be some: does their project label hold your project's id, "
                "and is it the label that the gateway expects (project_label_name)?"
            )
        count = f"{len(names)}" if len(names) < _METRICS else f"{_METRICS} or more"
        return f"{count} metrics in the last hour", ""

    def _needs_keystone(self) -> None:
        if self._direct:
            raise _Skip("Keystone is not asked")


def _examined(step: str, look: Callable[[], tuple[str, str]]) -> Finding:
    try:
        return Finding(step, "ok", *look())
    except _Skip as skip:
        return Finding(step, "skipped", str(skip))
    except _Failed as failed:
        return Finding(step, "failed", *failed.args)
    except (CredentialsError, errors.MetricsError, keystone.ClientException) as error:
        advice = next(advice for kind, advice in _ADVICE if isinstance(error, kind))
        return Finding(step, "failed", _LIBRARY.split(str(error).partition("\n")[0])[0], advice)
