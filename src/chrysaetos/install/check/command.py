"""The command ``chrysaetos gateway check``."""

from __future__ import annotations

import json
import logging
import os
import pwd
import sys
from typing import TYPE_CHECKING

from chrysaetos.arguments import add_format
from chrysaetos.findings import Finding, Status, failed, format_table, to_json, warning, worst
from chrysaetos.gateway.options import DEFAULT_FILE
from chrysaetos.identity.settings import GROUP
from chrysaetos.install.check.catalog import check_catalog, server_of
from chrysaetos.install.check.certificates import check_expiry, check_file
from chrysaetos.install.check.configuration import check_options, check_python, load
from chrysaetos.install.check.keystone import check_keystone
from chrysaetos.install.check.labels import check_labels
from chrysaetos.install.check.listening import check_addresses, check_exposure, check_file_limit
from chrysaetos.install.check.memcached import check_memcached
from chrysaetos.install.check.permissions import check_logs, check_permissions
from chrysaetos.install.check.policy import check_policy
from chrysaetos.install.check.probing import FAILURES, describe
from chrysaetos.install.check.prometheus import NoResult, check_server, name_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from chrysaetos.install.check.configuration import Setup
    from chrysaetos.install.check.tables import Table

__all__ = ["add_arguments", "run"]

_BAD = frozenset({Status.WARNING, Status.FAILED})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument(
        "--config-file",
        action="append",
        default=[],
        metavar="FILE",
        help=f"a configuration file of the gateway; repeat it for several (default: {DEFAULT_FILE}, or else "
        "/etc/aetos/aetos.conf)",
    )
    parser.add_argument(
        "--config-dir",
        action="append",
        default=[],
        metavar="DIR",
        help="a directory of configuration files, *.conf",
    )
    parser.add_argument(
        "--offline", action="store_true", help="send no requests: check files, values, policy and ports"
    )
    parser.add_argument("--strict", action="store_true", help="exit with status 1 for warnings, too")
    parser.add_argument("--user", help="run as this user, such as the gateway's; requires root")
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="also show what is right or was skipped, and the tables of labels and of the policy",
    )
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Run all checks and show their findings.

    Returns:
        The exit status: 0, or 1 for an error, or with ``--strict`` for a warning.
    """
    hidden: list[str] = []
    if options.user:
        needed = [sys.executable, *filter(os.path.exists, sys.path)]
        try:
            _become(options.user)
        except (KeyError, PermissionError) as error:
            reason = "there is no such user" if isinstance(error, KeyError) else "this requires root"
            print(f"chrysaetos gateway check: --user {options.user}: {reason}", file=sys.stderr)
            return 2
        hidden = [path for path in needed if not os.access(path, os.R_OK)]
    # Libraries log what the findings say.
    logging.disable(logging.CRITICAL)
    try:
        findings, tables = ([_unreadable(options.user, hidden)], []) if hidden else _check(options)
    finally:
        logging.disable(logging.NOTSET)
    _show(findings, tables, options)
    status = worst(findings)
    return int(status is Status.FAILED or (options.strict and status is Status.WARNING))


def _become(name: str) -> None:
    """Become another user for the rest of the process."""
    user = pwd.getpwnam(name)
    os.initgroups(name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def _unreadable(user: str, paths: Sequence[str]) -> Finding:
    """Tell that the user cannot run this program, which any other check would need."""
    return failed(
        "interpreter",
        f"the user {user} cannot read the Python that runs this program: {', '.join(paths)}",
        "create the virtual environment with a Python that all users can read, such as /usr/bin/python3, "
        "and in a folder that they can read, such as /opt/chrysaetos",
    )


def _check(options: argparse.Namespace) -> tuple[list[Finding], list[Table]]:
    files = [f"--config-file={path}" for path in options.config_file]
    directories = [f"--config-dir={path}" for path in options.config_dir]
    setup, findings = load([*files, *directories])
    findings.insert(0, check_python())
    if setup is None:
        skipped = "everything else: correct the configuration first"
        return [*findings, Finding("configuration", Status.SKIPPED, skipped)], []
    policy, tables = check_policy(setup)
    addresses = check_addresses(setup, offline=options.offline)
    findings += [
        *check_options(setup),
        *check_permissions(setup),
        *check_logs(setup),
        *policy,
        *addresses.findings,
        check_file_limit(setup),
    ]
    if setup.conf.prometheus.cert_file:
        findings.append(check_file(setup.conf.prometheus.cert_file))
    if options.offline:
        findings.append(Finding("network", Status.SKIPPED, "Keystone, Prometheus and memcached: --offline"))
        return findings, tables
    findings += [*_check_keystone(setup, running=addresses.running), *check_exposure(setup)]
    prometheus, labels = _check_prometheus(setup)
    return [*findings, *prometheus], [*tables, *labels]


def _check_keystone(setup: Setup, *, running: bool) -> Iterator[Finding]:
    settings = setup.keystone
    if settings is None:
        return
    login = check_keystone(setup, settings)
    yield from login.findings
    if login.access is not None:
        server = server_of(settings.auth_url, settings)
        if server is not None:
            yield from check_expiry(server, f"Keystone (auth_url in [{GROUP}])")
        yield from check_catalog(setup, settings, login.access, running=running)
    yield from check_memcached(setup)


def _check_prometheus(setup: Setup) -> tuple[list[Finding], list[Table]]:
    """Check each server, and the series of the first that answers."""
    findings: list[Finding] = []
    tables: list[Table] = []
    working = []
    for server in setup.servers:
        try:
            findings += check_server(setup, server)
            working.append(server)
        except NoResult as error:
            findings.append(failed("prometheus", error.found, error.remedy))
        except FAILURES as error:
            findings.append(warning("prometheus", f"{name_of(server)} {describe(error)}", "look at its log"))
    if working:
        found, tables = check_labels(setup, working[0])
        findings += found
    return findings, tables


def _show(findings: Sequence[Finding], tables: Sequence[Table], options: argparse.Namespace) -> None:
    shown = [finding for finding in findings if options.verbose or finding.status in _BAD]
    if options.format == "json":
        report: dict[str, object] = {"findings": to_json(shown)}
        if options.verbose:
            report |= {table.name: table.to_json() for table in tables}
        print(json.dumps(report, indent=2))
        return
    print(format_table(shown), end="")
    for table in tables if options.verbose else ():
        print(f"\n{table}", end="")
    if options.verbose and tables:
        print()
    errors = sum(finding.status is Status.FAILED for finding in findings)
    warnings = sum(finding.status is Status.WARNING for finding in findings)
    good = sum(finding.status is Status.OK for finding in findings)
    print(f"errors: {errors}, warnings: {warnings}, passed: {good}")
