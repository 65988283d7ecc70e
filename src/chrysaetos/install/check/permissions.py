"""Permissions of files: secrets that others can read, and logs that the gateway cannot write."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from oslo_config import cfg

from chrysaetos.access.policy_files import policy_paths
from chrysaetos.findings import failed, ok, warning
from chrysaetos.gateway.unknown_options import configuration_files, registered_options
from chrysaetos.identity.settings import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.findings import Finding
    from chrysaetos.install.check.configuration import Setup

__all__ = ["check_logs", "check_permissions"]

_CHECK = "permissions"
_KEYS = (
    *(("prometheus", "key_file"), (GROUP, "keyfile")),
    *(("federation", "tokens_file"), ("web", "session_key_file")),
)
"""Options that name a file with secrets."""


def check_permissions(setup: Setup) -> Iterator[Finding]:
    """Check that only the gateway's group can read secrets, and that nobody else can change a file."""
    conf = setup.conf
    files = list(configuration_files(conf))
    secret = {path: "passwords" for path in files if _has_secret(conf, path)}
    keys = {
        Path(conf[group][name]): f"[{group}] {name}"
        for group, name in _KEYS
        if group in conf and conf[group][name]
    }
    secret |= dict.fromkeys(keys, "secrets")
    policies = [path for path, status in policy_paths(conf) if stat.S_ISREG(status.st_mode)]
    sound = True
    for path in dict.fromkeys((*files, *secret, *policies)):
        try:
            mode = path.stat().st_mode
        except OSError as error:
            # The gateway does not start without a file that it reads, so this one is not in use.
            sound = False
            yield warning(
                _CHECK,
                f"{keys.get(path, 'configuration')}: {path}: {error.strerror}",
                "correct the path, or remove the option",
            )
            continue
        if mode & stat.S_IWOTH:
            sound = False
            yield warning(_CHECK, f"everybody can change {path}", f"run: chmod o-w {path}")
        if path in secret and mode & stat.S_IROTH:
            sound = False
            yield warning(
                _CHECK,
                f"everybody can read {path}, which has {secret[path]}",
                f"let only root and the gateway's group read it: chmod 0640 {path}",
            )
    if sound:
        yield ok(_CHECK, "others cannot read secrets, or change the configuration and the policy")


def check_logs(setup: Setup) -> Iterator[Finding]:
    """Check that the gateway can write the audit log and its own log."""
    conf = setup.conf
    audit = conf.gateway.audit_file if conf.gateway.audit else None
    log = conf.log_file and str(Path(conf.log_dir or "", conf.log_file))
    for option, path in (("[gateway] audit_file", audit), ("[DEFAULT] log_file", log)):
        if not path:
            continue
        try:
            target = Path(path) if Path(path).exists() else Path(path).parent
            found = target.exists()
        except OSError as error:
            yield failed(
                "logs",
                f"{option}: {path}: {error.strerror}",
                "correct the path, and let the gateway's user enter its directory",
            )
            continue
        if not found:
            yield failed(
                "logs",
                f"{option}: there is no directory {target}",
                "create it, owned by the gateway's user",
            )
        elif target.is_dir() and target == Path(path):
            yield failed("logs", f"{option}: {path} is a directory", "name a file in it")
        elif not os.access(target, os.W_OK):
            yield failed(
                "logs",
                f"{option}: this user cannot write {target}",
                "make the gateway's user its owner, and run this check as that user (--user)",
            )
        else:
            yield ok("logs", f"{option}: {path} can be written")


def _has_secret(conf: cfg.ConfigOpts, path: Path) -> bool:
    """Return whether a configuration file sets an option that oslo.config does not print."""
    sections: dict[str, dict[str, list[str]]] = {}
    cfg.ConfigParser(str(path), sections).parse()
    known = registered_options(conf)
    return any(
        option.secret and (option.dest in options or option.name in options)
        for section, options in sections.items()
        for option in known.get(section, ())
    )
