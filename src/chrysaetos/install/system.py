"""The user of the operating system that runs the gateway."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess

from chrysaetos.errors import ConfigError

__all__ = ["UNIT_DIRECTORY", "USER_OPTIONS", "check_root", "create_user", "group_exists"]

UNIT_DIRECTORY = "/etc/systemd/system"
USER_OPTIONS = (
    *("--system", "--user-group", "--no-create-home"),
    *("--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"),
)
"""The options with which ``useradd`` creates the gateway's user."""


def check_root() -> None:
    """Check that this process may create users and write to /etc.

    Raises:
        ConfigError: this is not root.
    """
    if os.geteuid() != 0:
        raise ConfigError("--system creates a user and writes to /etc: run it as root")


def create_user(name: str) -> int:
    """Create a user with a group of the same name, and without a home and a shell, if it does not exist.

    Returns:
        The id of the user's group.

    Raises:
        ConfigError: the user cannot be created.
    """
    try:
        pwd.getpwnam(name)
    except KeyError:
        _add(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigError(f"the user {name} exists, but not a group of this name") from None


def group_exists(name: str) -> bool:
    """Return whether a group exists."""
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _add(name: str) -> None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
    if useradd is None:
        raise ConfigError(f"useradd is not installed: create the system user and group {name}")
    command = [useradd, *USER_OPTIONS, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # checked name
    if done.returncode != 0:
        raise ConfigError(f"the user {name} cannot be created: {done.stderr.strip()}")
