"""``whoami``: who the caller is to the gateway; ``explain``: what it makes of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cliff.show import ShowOne

from chrysaetos.cli.base import MetricsCommand
from chrysaetos.cli.cells import Column, text
from chrysaetos.cli.failures import CommandFailed
from chrysaetos.cli.times import rfc3339
from chrysaetos.client.errors import NotRegistered, NotSupported

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from keystoneauth1.access import AccessInfo

    One = tuple[Sequence[str], tuple[Any, ...]]

__all__ = ["Explain", "Whoami", "reach"]

_REACHES = {
    "all_projects": "every project's series",
    "domain": "the series of the domain's projects",
    "project": "the own project's series",
    "none": "nothing",
}


class Whoami(MetricsCommand, ShowOne):
    """Show who is asking, as the gateway sees it: user, project, roles, and what may be seen."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Whether to show rules."""
        parser.add_argument(
            "--rules", action="store_true", help="each rule of the gateway's policy, and how far it reaches"
        )

    def take_action(self, parsed_args: argparse.Namespace) -> One:
        """One row."""
        try:
            return _of_gateway(self.client.whoami(), rules=parsed_args.rules)
        except (NotRegistered, NotSupported) as error:
            access = self.app.client_manager.auth_ref
            if access is None:
                raise CommandFailed(
                    f"{error.message}: no Chrysaetos gateway, and Keystone was not asked for a token"
                ) from error
            return _of_token(access)


class Reaches(Column):
    """Rule → how far it reaches, in the gateway's words."""

    def human_readable(self) -> str:
        """A line for each rule."""
        return "\n".join(f"{rule}: {far}" for rule, far in sorted(self._value.items()))


def reach(rules: Mapping[str, str]) -> str:
    """What a caller may see with queries, in words.

    Args:
        rules: the gateway's answer: rule → none, project, domain or all_projects.
    """
    return _REACHES.get(rules.get("telemetry:query", "none"), "nothing")


def _of_gateway(answer: Mapping[str, Any], *, rules: bool) -> One:
    user, project = answer["user"], answer["project"] or {}
    expires = answer["expires_at"]
    fields = {
        "user": user["name"],
        "user_id": user["id"],
        "scope": answer["scope"],
        "project": project.get("name"),
        "project_id": project.get("id"),
        "roles": ", ".join(answer["roles"]),
        "credential": answer["credential"],
        "expires": None if expires is None else rfc3339(int(expires)),
        "sees": reach(answer["rules"]),
        "said_by": "gateway",
    }
    names, values = _one(fields)
    return ([*names, "rules"], (*values, Reaches(answer["rules"]))) if rules else (names, values)


def _of_token(access: AccessInfo) -> One:
    scoped = {
        "project": access.project_scoped,
        "domain": access.domain_scoped,
        "system": access.system_scoped,
    }
    fields = {
        "user": access.username,
        "user_id": access.user_id,
        "scope": next((kind for kind, is_it in scoped.items() if is_it), "none"),
        "project": access.project_name,
        "project_id": access.project_id,
        "roles": ", ".join(access.role_names or ()),
        "credential": "token",
        "expires": None if access.expires is None else rfc3339(int(access.expires.timestamp())),
        "sees": None,
        "said_by": "Keystone",
    }
    return _one(fields)


def _one(fields: Mapping[str, str | None]) -> One:
    return list(fields), tuple(one if one is None else text(one) for one in fields.values())


class Explain(MetricsCommand, ShowOne):
    """Show what the gateway would send to Prometheus for a query, and why."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The query."""
        parser.add_argument("query", help="the query in PromQL")

    def take_action(self, parsed_args: argparse.Namespace) -> One:
        """One row."""
        try:
            answer = self.client.explain(parsed_args.query)
        except NotSupported as error:
            raise CommandFailed(
                f"{error.message}: what answers there is no Chrysaetos gateway; "
                "chrysaetos scope shows what one would make of a query"
            ) from error
        sent = [one["sent"] for one in answer["texts"]]
        if answer["unrestricted"]:
            why = f"the rule {answer['rule']} lets you see every project"
        else:
            why = f"the rule {answer['rule']} lets you see series whose {answer['label']} is among the values"
        fields = {
            "given": parsed_args.query,
            "sent": "\n".join(sent),
            "rule": answer["rule"],
            "scope": "all projects" if answer["unrestricted"] else "project",
            "label": answer["label"],
            "values": ", ".join(answer["values"]) or None,
            "why": why,
        }
        return list(fields), tuple(fields.values())
