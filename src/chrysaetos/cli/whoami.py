"""``whoami``: the caller as the gateway sees it; ``explain``: a query as the gateway scopes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cliff.show import ShowOne

from chrysaetos.cli.base import MetricsCommand
from chrysaetos.cli.cells import Column, text
from chrysaetos.cli.errors import CommandFailed
from chrysaetos.cli.times import rfc3339
from chrysaetos.client.errors import NotRegistered, NotSupported

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from keystoneauth1.access import AccessInfo

    Row = tuple[Sequence[str], tuple[Any, ...]]

__all__ = ["Explain", "Whoami", "describe_access"]

_ACCESS = {
    "all_projects": "series of all projects",
    "domain": "series of the domain's projects",
    "project": "series of your project",
    "none": "nothing",
}


class Whoami(MetricsCommand, ShowOne):
    """Show user, project, roles and access of the caller, as the gateway sees them."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare ``--rules``."""
        parser.add_argument(
            "--rules",
            action="store_true",
            help="show the access that each policy rule grants",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Return one row."""
        try:
            return _from_gateway(self.client.whoami(), rules=parsed_args.rules)
        except (NotRegistered, NotSupported) as error:
            access = self.app.client_manager.auth_ref
            if access is None:
                raise CommandFailed(f"{error.message}, and Keystone is not used") from error
            return _from_token(access)


class PolicyRules(Column):
    """The access that each policy rule grants."""

    def human_readable(self) -> str:
        """Return a line for each rule."""
        return "\n".join(f"{rule}: {access}" for rule, access in sorted(self._value.items()))


def describe_access(rules: Mapping[str, str]) -> str:
    """Return a description of the series that a caller can query.

    Args:
        rules: the access that each policy rule grants: none, project, domain or all_projects.
    """
    return _ACCESS.get(rules.get("telemetry:query", "none"), "nothing")


def _from_gateway(response: Mapping[str, Any], *, rules: bool) -> Row:
    user, project = response["user"], response["project"] or {}
    expires = response["expires_at"]
    fields = {
        "user": user["name"],
        "user_id": user["id"],
        "scope": response["scope"],
        "project": project.get("name"),
        "project_id": project.get("id"),
        "roles": ", ".join(response["roles"]),
        "credential": response["credential"],
        "expires": None if expires is None else rfc3339(int(expires)),
        "sees": describe_access(response["rules"]),
        "source": "gateway",
    }
    names, values = _row(fields)
    return ([*names, "rules"], (*values, PolicyRules(response["rules"]))) if rules else (names, values)


def _from_token(access: AccessInfo) -> Row:
    scoped = {
        "project": access.project_scoped,
        "domain": access.domain_scoped,
        "system": access.system_scoped,
    }
    fields = {
        "user": access.username,
        "user_id": access.user_id,
        "scope": next((scope for scope, matches in scoped.items() if matches), "none"),
        "project": access.project_name,
        "project_id": access.project_id,
        "roles": ", ".join(access.role_names or ()),
        "credential": "token",
        "expires": None if access.expires is None else rfc3339(int(access.expires.timestamp())),
        "sees": None,
        "source": "Keystone",
    }
    return _row(fields)


def _row(fields: Mapping[str, str | None]) -> Row:
    return list(fields), tuple(field if field is None else text(field) for field in fields.values())


class Explain(MetricsCommand, ShowOne):
    """Show the query that the gateway sends to Prometheus, and why."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the query."""
        parser.add_argument("query", help="the query in PromQL")

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Return one row."""
        try:
            response = self.client.explain(parsed_args.query)
        except NotSupported as error:
            raise CommandFailed(
                f"{error.message}; use chrysaetos scope to see how a gateway would scope the query"
            ) from error
        if response["unrestricted"]:
            why = f"the rule {response['rule']} grants access to all projects"
        else:
            why = (
                f"the rule {response['rule']} grants access to series whose {response['label']} is in values"
            )
        fields = {
            "given": parsed_args.query,
            "sent": "\n".join(each["sent"] for each in response["texts"]),
            "rule": response["rule"],
            "scope": "all projects" if response["unrestricted"] else "project",
            "label": response["label"],
            "values": ", ".join(response["values"]) or None,
            "why": why,
        }
        return _row(fields)
