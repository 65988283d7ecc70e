"""``grafana``: a data source and dashboards for the caller's project, as files or in a running Grafana."""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.cli.application_credentials import Credential
from chrysaetos.cli.base import MetricsCommand
from chrysaetos.cli.cells import printable
from chrysaetos.cli.errors import CommandFailed
from chrysaetos.cli.grafana_login import Login
from chrysaetos.cli.grafana_server import GrafanaServer
from chrysaetos.cli.grafana_sources import FOLDER, DataSource, provider_file, read_credential, source_file
from chrysaetos.dashboards import DASHBOARDS, GATEWAY, LIBVIRT_RULES, load_dashboard, load_libvirt_rules
from chrysaetos.regular_file import regular_file, why_unreadable
from chrysaetos.scaffold import File, write_files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

__all__ = ["Grafana"]

_SECRET = re.compile(r"^([-+ ]? *basicAuthPassword: ).*", re.MULTILINE)
_LATER = Credential("(will be created)", "")
_MAX_UID = 40


class Grafana(MetricsCommand):
    """Create a Grafana data source and dashboards of your project, as files or in a running Grafana.

    The data source has an application credential with the least of your roles that can query. The command
    shows what it will do, and asks.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own arguments."""
        parser.add_argument(
            "directory",
            nargs="?",
            type=Path,
            default=Path("grafana"),
            metavar="DIR",
            help="the folder for Grafana's provisioning files (default: %(default)s)",
        )
        parser.add_argument(
            "--dashboards-path",
            metavar="PATH",
            help="the path where Grafana finds DIR/dashboards (default: its present path)",
        )
        parser.add_argument("--grafana-url", metavar="URL", help="send everything to this Grafana instead")
        parser.add_argument(
            "--grafana-token-file",
            metavar="FILE",
            help="a file with the token of a service account of Grafana (or GRAFANA_TOKEN)",
        )
        parser.add_argument(
            "--all-projects",
            action="store_true",
            help="for operators: show the metrics of all projects, with a choice of the project",
        )
        parser.add_argument(
            "--dashboard",
            dest="dashboards",
            action="append",
            choices=list(DASHBOARDS),
            metavar="NAME",
            help=f"a dashboard: {', '.join(DASHBOARDS)}; repeat it for several "
            "(default: those whose metrics you can read)",
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Create everything, and return the exit status."""
        manager, all_projects = self.app.client_manager, parsed_args.all_projects
        if getattr(manager, "direct", False):
            raise CommandFailed("Grafana needs an application credential: log in to Keystone, without --url")
        login = Login(manager, self.client.endpoint, all_projects=all_projects)
        uid = "metrics-all-projects" if all_projects else f"metrics-{login.project_id}"[:_MAX_UID]
        scope = "all projects" if all_projects else login.project_name
        source = DataSource(
            uid=uid, name=f"Metrics of {scope}", url=login.url, ca=login.ca, verify=login.verify
        )
        names = parsed_args.dashboards or self._useful(all_projects=all_projects)
        dashboards = {name: load_dashboard(name, choose_project=all_projects) for name in names}
        if parsed_args.grafana_url is None:
            return self._write(parsed_args, login, source, dashboards)
        token = _read_token(parsed_args.grafana_token_file)
        server = GrafanaServer(parsed_args.grafana_url, token, getattr(parsed_args, "timeout", 60.0))
        try:
            return self._send(parsed_args, login, source, list(dashboards.values()), server)
        finally:
            server.close()

    def _write(
        self, options: argparse.Namespace, login: Login, source: DataSource, dashboards: Mapping[str, str]
    ) -> int:
        """Write the provisioning files."""
        directory: Path = options.directory
        name = f"provisioning/datasources/{source.uid}.yaml"
        path = options.dashboards_path or str(directory.absolute() / "dashboards")
        others = {
            "provisioning/dashboards/chrysaetos.yaml": provider_file(path),
            **{f"dashboards/{each}.json": text for each, text in dashboards.items()},
        }
        if options.all_projects and "vms-libvirt" in dashboards:
            others[LIBVIRT_RULES] = load_libvirt_rules()
        stored = _read(directory / name)
        known = login.reusable(None if stored is None else read_credential(stored, directory / name))
        changes = _difference(name, stored, source_file(source, known or _LATER))
        for each, text in others.items():
            changes += _difference(each, _read(directory / each), text)
        if not self._agreed(options, changes if known else [login.announcement, *changes]):
            return int(bool(changes))
        with login.provided(known) as credential:
            files = [File(name, source_file(source, credential), mode=0o600)]
            files += [File(each, text) for each, text in others.items()]
            written = write_files(directory, files, force=True)
        for each in written:
            self._print(f"written: {directory / each}")
        self._print(
            f"Only you can read {directory / name}, which has the secret. Give it to Grafana's user, or "
            f"start a Grafana of yours with GF_PATHS_PROVISIONING={directory.absolute() / 'provisioning'}"
        )
        return 0

    def _send(
        self,
        options: argparse.Namespace,
        login: Login,
        source: DataSource,
        dashboards: Sequence[str],
        server: GrafanaServer,
    ) -> int:
        """Send data source and dashboards to a Grafana. It keeps a data source that works."""
        existing = server.data_source(source.uid)
        own = login.reusable(None)
        wanted = source.settings(own or Credential((existing or {}).get("basicAuthUser", ""), ""))
        del wanted["secureJsonData"]
        works = (
            existing is not None
            and all(existing.get(field) == value for field, value in wanted.items())
            and server.works(source.uid)
        )
        changes, changed = [], []
        for text in dashboards:
            content = json.loads(text)
            old = server.dashboard(content["uid"])
            if old is None or json.loads(old) != content:
                changed.append(text)
                changes += _difference(f"dashboard {content['title']}", old, text)
        if not works:
            state = "new" if existing is None else "changed, since it does not work or differs"
            changes.append(f"{state}: data source {source.name}")
            if own is None:
                changes.append(login.announcement)
        if not self._agreed(options, changes):
            return int(bool(changes))
        server.write_dashboards(changed)
        if not works:
            # Last, so that a failure leaves no credential behind.
            with login.provided(own) as credential:
                server.write_data_source(source.settings(credential), exists=existing is not None)
        self._print(f"sent to {options.grafana_url}: folder {FOLDER}, data source {source.name}")
        return 0

    def _useful(self, *, all_projects: bool) -> list[str]:
        """Return the dashboards whose metrics the caller can read; those of servers if there are none."""
        names = [name for name in DASHBOARDS if all_projects or name != GATEWAY]
        found = [name for name in names if self.client.query_vector(f"count({DASHBOARDS[name]})")]
        if not found:
            metrics = ", ".join(DASHBOARDS[name] for name in names)
            self.write_notes(f"the dashboards are empty until there are metrics: none of {metrics} was found")
        return found or [name for name in names if name != GATEWAY]

    def _agreed(self, options: argparse.Namespace, changes: Sequence[str]) -> bool:
        """Show the changes, and return whether the user agrees to them."""
        if not changes:
            self._print("everything is up to date")
            return False
        for change in changes:
            self._print(change)
        if options.yes:
            return True
        if not sys.stdin.isatty():
            raise CommandFailed("nothing was changed: add --yes to do this without a question")
        try:
            answer = input("Continue? [y/N] ")
        except EOFError:
            answer = ""
        if answer.strip().lower() in {"y", "yes"}:
            return True
        self._print("nothing was changed")
        return False

    def _print(self, text: str) -> None:
        self.app.stdout.write("\n".join(map(printable, text.splitlines())) + "\n")


def _difference(name: str, old: str | None, new: str) -> list[str]:
    """Return the change of a text as a list of one description, without the secret, or none."""
    if old == new:
        return []
    if old is None:
        return [f"new: {name}"]
    before, after = (_SECRET.sub(r"\1(secret)", text).splitlines() for text in (old, new))
    return [
        "\n".join(difflib.unified_diff(before, after, name, name, lineterm="", n=1)) or f"changed: {name}"
    ]


def _read(path: Path) -> str | None:
    try:
        with open(path, encoding="utf-8", opener=regular_file) as file:  # Path.open has no opener
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{path} cannot be read: {why_unreadable(error)}") from error


def _read_token(path: str | None) -> str:
    token = os.environ.get("GRAFANA_TOKEN", "") if path is None else _read(Path(path))
    if token is None or not token.strip():
        raise CommandFailed(
            "Grafana needs a token: create a service account with the role Admin, and set GRAFANA_TOKEN or "
            "--grafana-token-file"
        )
    return token.strip()
