"""The servers of the end-to-end tests: tenants A and B in a real Keystone, and two real Prometheus stores.

Store AB has the series of both tenants and some without a project. Store A has only those of tenant A, from
the same text. So for every query of A, the gateway over AB must return the same as store A itself.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import requests

from chrysaetos.demo.cloud import Family, Series, Target
from chrysaetos.demo.identities import DOMAIN, Account, ApplicationCredential, IdentityApi, password_auth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from tests.e2e.asking import HasUrl
    from tests.e2e.engines import Engine, Store
    from tests.e2e.oracle import Oracle

    from chrysaetos.demo.gateway import Gateway

__all__ = [
    "STEP",
    "Compared",
    "GatewayFor",
    "People",
    "Stores",
    "StoresOf",
    "TextOf",
    "Tokens",
    "Window",
    "create_people",
    "exemplar_target",
    "password_options",
    "revoke",
    "store_text",
]

STEP = 60
"""Seconds between samples."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time range of the samples in the stores, in seconds since the epoch.

    Attributes:
        start: time of the first sample.
        now: a time in the middle for queries, so that identical queries have identical results.
        end: time of the last sample; after the end of any test session, so that a query without a time
            finds samples as well.
    """

    start: int
    now: int
    end: int

    @classmethod
    def around(cls, moment: float) -> Window:
        """Return the two hours before a moment and the two after it."""
        now = int(moment) // STEP * STEP
        return cls(now - 7200, now, now + 7200)


@dataclass(frozen=True, slots=True)
class People:
    """All accounts.

    Attributes:
        a: role member in tenant A's project.
        b: role reader in tenant B's project.
        admin: role admin in the project admin.
        service: role service in the project service.
        stranger: a user without any role.
        auditor: role reader in a project without series, on the default domain and on the system.
        gateway: the user with which the gateways validate tokens.
    """

    a: Account
    b: Account
    admin: Account
    service: Account
    stranger: Account
    auditor: Account
    gateway: Account


@dataclass(frozen=True, slots=True)
class Stores:
    """Two stores of the same text: ``ab`` has everything, ``a`` only the series of tenant A."""

    ab: Store
    a: Store


class GatewayFor(Protocol):
    """Starts a gateway, or returns the one that was started with the same arguments."""

    def __call__(self, store: HasUrl, /, **conf: Mapping[str, str]) -> Gateway: ...


class TextOf(Protocol):
    """Writes a store's content as OpenMetrics text with timestamps."""

    def __call__(self, window: Window, project_a: str, project_b: str | None = None) -> Iterator[str]: ...


class StoresOf(Protocol):
    """Starts store AB and store A of an engine, or returns those that were started."""

    def __call__(self, engine: Engine, text_of: TextOf = ...) -> Stores: ...


class Compared(Protocol):
    """Opens the oracle for the stores of an engine. It is closed at the end of the block."""

    def __call__(self, engine: Engine, stores: Stores, /) -> AbstractContextManager[Oracle]: ...


def create_people(api: IdentityApi, admin_password: str) -> People:
    """Create all accounts in a Keystone that has only ``admin``."""
    projects = {name: api.create_project(name) for name in ("tenant-a", "tenant-b", "audit", "service")}

    def account(user: str, project: str, role: str) -> Account:
        return api.create_account(user, projects[project], project, role)

    auditor = account("auditor", "audit", "reader")
    api.grant(auditor.user_id, "reader", on=f"/domains/{DOMAIN}")
    api.grant(auditor.user_id, "reader", on="/system")
    stranger_password = "no-role-anywhere"
    return People(
        a=account("alice", "tenant-a", "member"),
        b=account("bob", "tenant-b", "reader"),
        admin=api.admin_account(admin_password),
        service=account("watcher", "service", "service"),
        stranger=Account(
            user="stranger",
            user_id=api.create_user("stranger", stranger_password),
            password=stranger_password,
        ),
        auditor=auditor,
        gateway=account("aetos", "service", "service"),
    )


def password_options(account: Account, auth_url: str) -> dict[str, str]:
    """Return keystoneauth's options for the password of an account, in a section of a configuration."""
    return {
        "auth_type": "password",
        "auth_url": auth_url,
        "username": account.user,
        "password": account.password,
        "project_name": str(account.project_name),
        "user_domain_id": DOMAIN,
        "project_domain_id": DOMAIN,
    }


class Tokens:
    """Issues tokens of every kind.

    Args:
        api: the Keystone that issues them.
    """

    def __init__(self, api: IdentityApi) -> None:
        self._api = api
        self._made = 0

    def project(self, account: Account) -> str:
        """A token of the account's project."""
        assert account.project_id is not None
        return self._api.token(account.auth())

    def unscoped(self, account: Account) -> str:
        """A token without a project."""
        return self._api.token(password_auth(account.user_id, account.password))

    def domain(self, account: Account) -> str:
        """A token of the default domain; the account needs a role there."""
        scope = {"domain": {"id": DOMAIN}}
        return self._api.token(password_auth(account.user_id, account.password, scope))

    def system(self, account: Account) -> str:
        """A token of the system; the account needs a role there."""
        return self._api.token(password_auth(account.user_id, account.password, {"system": {"all": True}}))

    def application_credential(self, credential: ApplicationCredential) -> str:
        """A token of an application credential."""
        method = "application_credential"
        return self._api.token({"auth": {"identity": {"methods": [method], method: asdict(credential)}}})

    def new_credential(self, account: Account, **attributes: Any) -> ApplicationCredential:
        """Create another application credential for the account, with these attributes, as JSON values."""
        self._made += 1
        return self._api.create_application_credential(account, name=f"test-{self._made}", **attributes)

    def revoked(self, account: Account) -> str:
        """A token of the account's project that was revoked."""
        token = self.project(account)
        revoke(self._api, token)
        return token

    def short_lived(self, account: Account, seconds: float = 2.0) -> tuple[str, float]:
        """Return a token of the account's project that expires soon.

        It is from an application credential that expires soon: no token outlives its credential.

        Returns:
            The token, and the time (seconds since the epoch) from which it is expired.
        """
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        credential = self.new_credential(account, expires_at=ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        return self.application_credential(credential), ends.timestamp()

    def expired(self, account: Account) -> str:
        """Return a token of the account's project that was valid and has expired."""
        token, ends = self.short_lived(account)
        time.sleep(max(0.0, ends - time.time()) + 0.1)
        return token


def revoke(api: IdentityApi, token: str) -> None:
    """Revoke a token."""
    headers = {"X-Auth-Token": api.admin_token, "X-Subject-Token": token}
    requests.delete(f"{api.url}/auth/tokens", headers=headers, timeout=30).raise_for_status()


def _labels(**labels: str) -> dict[str, str]:
    return labels


def _tenant_series(project: str, vms: Sequence[str], *, is_b: bool) -> list[tuple[str, dict[str, str], str]]:
    """Name, labels and shape (see `_value`) of a tenant's series."""
    series: list[tuple[str, dict[str, str], str]] = []
    for number, vm in enumerate(vms):
        common = _labels(project=project, vm=vm, zone=f"z{number + 1}", job="vm", instance=f"{vm}:9100")
        cpu = common | _labels(k="v") | (_labels(secret="yes") if is_b else {})
        series.append(("cpu", cpu, "gauge"))
        series += [("requests_total", common | _labels(code=code), "counter") for code in ("200", "500")]
        series += [
            ("latency_seconds_bucket", common | _labels(le=le), f"bucket {part}")
            for le, part in (("0.1", 0.5), ("0.5", 0.8), ("1.0", 0.9), ("+Inf", 1.0))
        ]
        series.append(("latency_seconds_count", common, "bucket 1.0"))
        series.append(("latency_seconds_sum", common, "bucket 0.3"))
        info = _labels(project=project, job="vm", instance=f"{vm}:9100")
        series.append(("target_info", info | _labels(k8s_cluster_name=f"cluster-{vm}", version="1"), "one"))
        series.append(("build_info", info | _labels(revision=f"r-{vm}"), "one"))
    # The labels differ only in the project: one tenant's series must not make the other's ambiguous.
    series.append(("shared", _labels(project=project, vm="s", zone="z1"), "gauge"))
    series.append(("special", _labels(project=project, kind="nan"), "nan"))
    series.append(("special", _labels(project=project, kind="inf"), "inf"))
    series.append(("text", _labels(project=project, note='naïve \\"quoted\\" back\\\\slash'), "one"))
    series.append(("ended", _labels(project=project, vm="gone"), "ended"))
    if is_b:
        series.append(("secret", _labels(project=project, vm="b1", zone="z1", k="w"), "gauge"))
        series.append(("secret_total", _labels(project=project, vm="b1", confidential="yes"), "counter"))
    return series


_NOBODYS: tuple[tuple[str, dict[str, str], str], ...] = (
    ("unlabelled", _labels(vm="host", zone="z1"), "gauge"),
    ("cpu", _labels(vm="host", zone="z1", k="v"), "gauge"),
    ("node_load1", _labels(fqdn="compute-0.cloud.example", instance="compute-0:9100", job="node"), "gauge"),
    ("target_info", _labels(job="vm", instance="a1:9100", operator="only"), "one"),
)
"""Return series without a project label: the operator's. Some share names or labels with tenants' series."""


def _value(shape: str, seed: int, tick: int) -> float | None:
    """Return a series' value in a sample, by its number; None for no sample."""
    kind, _, part = shape.partition(" ")
    count = tick * (seed % 7 + 3)
    values: dict[str, float] = {
        "gauge": (tick * 7 + seed) % 101 / 10,
        # Two of three counters are reset in between, like those of restarted processes.
        "counter": count if seed % 3 == 0 or tick < 100 else (tick - 100) * (seed % 7 + 3),
        "bucket": float(int(count * float(part or 0))),
        "one": 1.0,
        "nan": float("nan"),
        "inf": float("inf"),
        "ended": float(tick),
    }
    return None if kind == "ended" and tick > 60 else values[kind]


def store_text(window: Window, project_a: str, project_b: str | None = None) -> Iterator[str]:
    """Yield a store's content as OpenMetrics text with timestamps.

    Args:
        window: the time to fill.
        project_a: the id of tenant A's project.
        project_b: the id of tenant B's project, to include the series of B and of the operator.
    """
    series = _tenant_series(project_a, ("a1", "a2"), is_b=False)
    if project_b is not None:
        series += _tenant_series(project_b, ("b1", "b2"), is_b=True)
        series += _NOBODYS
    times = range(window.start, window.end + 1, STEP)
    for name, labels, shape in sorted(series, key=lambda one: one[0]):
        pairs = ",".join(f'{key}="{value}"' for key, value in labels.items())
        selector = f"{name}{{{pairs}}}"
        # Not hash(), which differs between processes.
        seed = sum(map(ord, selector.replace(project_a, "A")))
        points = ((_value(shape, seed, tick), moment) for tick, moment in enumerate(times))
        yield "".join(f"{selector} {value} {moment}\n" for value, moment in points if value is not None)
    yield "# EOF\n"


def exemplar_target(window: Window, projects: Mapping[str, str]) -> Target:
    """A scrape target with a histogram for each project, whose exemplars do not change.

    Args:
        window: exemplars are at its `now`.
        projects: the project id of each VM.
    """

    def series(vm: str, project: str) -> list[Series]:
        labels = {"project": project, "vm": vm}
        exemplar = f'{{trace_id="trace-of-{vm}"}} 0.07 {window.now}'
        return [
            Series("traced_seconds_bucket", {**labels, "le": "0.1"}, lambda _: 3.0, lambda _: exemplar),
            Series("traced_seconds_bucket", {**labels, "le": "+Inf"}, lambda _: 4.0),
            Series("traced_seconds_count", labels, lambda _: 4.0),
            Series("traced_seconds_sum", labels, lambda _: 1.5),
        ]

    everything = tuple(one for vm, project in projects.items() for one in series(vm, project))
    family = Family("traced_seconds", "histogram", "A histogram with exemplars.", everything)
    return Target("traced", "/traced", {"instance": "traced:8080"}, (family,))
