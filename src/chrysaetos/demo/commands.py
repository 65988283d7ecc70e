"""Files with credentials, and a list of commands to paste into a shell to try the demo."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.demo.identities import DOMAIN_NAME
from chrysaetos.demo.keystone import REGION
from chrysaetos.regular_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chrysaetos.demo.identities import Account, Identities

__all__ = ["render_commands", "render_sections", "write_credentials"]

_UNSET = """for name in $(env | sed -n 's/^\\(OS_[A-Z0-9_]*\\)=.*/\\1/p'); do unset "$name"; done"""
"""Unset the variables of other clouds."""


def write_credentials(directory: Path, accounts: Iterable[Account], keystone_url: str) -> None:
    """Write ``<user>.openrc`` to source, and ``<user>.auth.json`` with the body of a token request.

    Args:
        directory: the directory to write to.
        accounts: the accounts.
        keystone_url: URL of Keystone's v3 API.
    """
    for account in accounts:
        variables = {
            "OS_AUTH_URL": keystone_url,
            "OS_AUTH_TYPE": "password",
            "OS_USERNAME": account.user,
            "OS_PASSWORD": account.password,
            "OS_USER_DOMAIN_ID": account.domain,
            "OS_IDENTITY_API_VERSION": "3",
            "OS_REGION_NAME": REGION,
            "OS_INTERFACE": "public",
        }
        if account.project_name is not None:
            variables |= {"OS_PROJECT_NAME": account.project_name, "OS_PROJECT_DOMAIN_ID": account.domain}
        credential = account.application_credential
        if credential is not None:
            variables["APPLICATION_CREDENTIAL"] = f"{credential.id}:{credential.secret}"
        lines = [_UNSET, *(f"export {name}={shlex.quote(value)}" for name, value in variables.items())]
        programs = Path(sys.executable).parent
        if (programs / "chrysaetos").exists():
            lines.append(f'export PATH={shlex.quote(str(programs))}:"$PATH"')
        lines.append('export NO_PROXY="127.0.0.1,$NO_PROXY" no_proxy="127.0.0.1,$no_proxy"')
        replace_file(directory / f"{account.user}.openrc", "\n".join(lines) + "\n")
        replace_file(directory / f"{account.user}.auth.json", json.dumps(account.auth()) + "\n")


@dataclass(frozen=True)
class _Shell:
    """Renders commands for a new shell, each with the credentials of an account.

    Attributes:
        directory: the directory that ``write_credentials`` wrote to.
        keystone_url: URL of Keystone's v3 API.
        gateway_url: root URL of the gateway.
    """

    directory: Path
    keystone_url: str
    gateway_url: str

    def source(self, account: Account) -> str:
        """Return the command that sets the variables of an account."""
        return f". {shlex.quote(str(self.directory / f'{account.user}.openrc'))}"

    def basic(self, account: Account, query: str) -> str:
        """Return a query with an application credential."""
        url = f"{self.gateway_url}/api/v1/query"
        return (
            f"{self.source(account)} && "
            f"curl -sS -u \"$APPLICATION_CREDENTIAL\" {url} --data-urlencode 'query={query}'"
        )

    def with_token(self, account: Account, query: str) -> str:
        """Return a query with a new token."""
        body = shlex.quote(f"@{self.directory / f'{account.user}.auth.json'}")
        return (
            f"{self.source(account)} && TOKEN=$(curl -sS -i -H 'Content-Type: application/json' "
            f"--data {body} {self.keystone_url}/auth/tokens "
            "| tr -d '\\r' | awk 'tolower($1) == \"x-subject-token:\" {print $2}') && "
            f'curl -sS -H "X-Auth-Token: $TOKEN" -G {self.gateway_url}/api/v1/query '
            f"--data-urlencode 'query={query}'"
        )

    def promtool(self, account: Account, query: str) -> str:
        """Return a query with promtool."""
        url = self.gateway_url.replace("://", "://$APPLICATION_CREDENTIAL@")
        return f"{self.source(account)} && promtool query instant \"{url}\" '{query}'"

    def openstack(self, account: Account, arguments: str) -> str:
        """Return a command of python-observabilityclient."""
        return f"{self.source(account)} && openstack metric {arguments}"

    def own(self, account: Account, arguments: str) -> str:
        """Return a command of this package."""
        return f"{self.source(account)} && chrysaetos {arguments}"


def render_commands(directory: Path, identities: Identities, *, keystone_url: str, gateway_url: str) -> str:
    """Return the list of commands for this run. Each command works in a new shell.

    Args:
        directory: the directory that ``write_credentials`` wrote to.
        identities: the accounts of the demo.
        keystone_url: URL of Keystone's v3 API.
        gateway_url: root URL of the gateway.
    """
    shell = _Shell(directory, keystone_url, gateway_url)
    first, *others = identities.tenants
    servers = "count by (project_name) (ceilometer_cpu)"
    cpu = "sum by (resource_name) (rate(ceilometer_cpu[5m])) / 1e9"
    has_client = bool(
        importlib.util.find_spec("observabilityclient") and importlib.util.find_spec("openstackclient")
    )
    clients = [
        ("the names of its metrics, without node_…", shell.openstack(first, "list")),
        ("the vCPU usage of its three servers", shell.openstack(first, f"query '{cpu}'")),
    ]
    same = [("the same", shell.openstack(identities.admin, "query node_load1"))]
    sections: list[tuple[str, list[tuple[str, str]]]] = [
        (
            f"In a browser: {gateway_url}/ui",
            [
                (
                    f"the password of {account.user}, in the domain {DOMAIN_NAME}; no project is needed",
                    f'{shell.source(account)} && echo "$OS_PASSWORD"',
                )
                for account in (first, identities.admin)
            ],
        ),
        (
            f"As {first.user} (role {first.role} in project {first.project_name})",
            [
                ("check the setup", shell.own(first, "doctor")),
                ("its three servers by CPU", shell.own(first, "top")),
                ("plot the vCPU usage of its servers", shell.own(first, f"range '{cpu}' --start 3h --plot")),
                (
                    "write a Grafana data source and dashboards",
                    shell.own(first, f"grafana --yes {shlex.quote(str(directory / 'grafana'))}"),
                ),
                ("show how the gateway rewrites a query", shell.own(first, f"explain '{cpu}'")),
                (f"only {first.project_name}: 3 servers", shell.basic(first, servers)),
                ("the same with a token", shell.with_token(first, servers)),
                ("the vCPU usage of its three servers", shell.promtool(first, cpu)),
                *(clients if has_client else []),
                ("nothing: hosts belong to no project", shell.basic(first, "node_load1")),
                (
                    f"nothing: the servers of {others[0].user} are invisible to {first.user}",
                    shell.basic(first, f'ceilometer_cpu{{project="{others[0].project_id}"}}'),
                ),
            ],
        ),
        *(
            (
                f"As {tenant.user} (role {tenant.role} in project {tenant.project_name})",
                [(f"only {tenant.project_name}: 2 servers", shell.basic(tenant, servers))],
            )
            for tenant in others
        ),
        (
            "As admin (role admin)",
            [
                ("all three projects", shell.basic(identities.admin, servers)),
                ("three hosts", shell.promtool(identities.admin, "node_load1")),
                *(same if has_client else []),
            ],
        ),
        (
            "As service (role service)",
            [("all three projects", shell.with_token(identities.service, servers))],
        ),
        (
            "As stranger (a user without a role)",
            [
                ("403: the token has no project", shell.with_token(identities.stranger, "up")),
                ("401: no credentials", f"curl -sS -i {gateway_url}/api/v1/query?query=up"),
            ],
        ),
    ]
    return render_sections(sections)


def render_sections(sections: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Return commands with comments, as they are printed.

    Args:
        sections: titles, each with comments and commands.
    """
    lines: list[str] = []
    for title, examples in sections:
        lines += ["", title]
        for comment, command in examples:
            lines += [f"  # {comment}", f"  {command}"]
    return "\n".join(lines) + "\n"
