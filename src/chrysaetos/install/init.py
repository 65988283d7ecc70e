"""``chrysaetos gateway init``: write the files of a gateway, and register it in Keystone."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from oslo_config import cfg, iniparser

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.options import DEFAULT_FILE
from chrysaetos.install import answers
from chrysaetos.install.files import CONFIG, EXAMPLE_PASSWORD, SESSION_KEYS, installation_files, next_steps
from chrysaetos.install.register import admin_region, register
from chrysaetos.install.review import Review
from chrysaetos.install.settings import check_path
from chrysaetos.install.system import UNIT_DIRECTORY, check_root, create_user, group_exists
from chrysaetos.scaffold import File, find_changes, write_files
from chrysaetos.secret import new_secret
from chrysaetos.web.sessions import format_key, new_key

if TYPE_CHECKING:
    import argparse

    from chrysaetos.install.settings import Settings

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=DEFAULT_FILE.parent,
        metavar="DIR",
        help="directory to write the files to (default: %(default)s)",
    )
    answers.add_options(parser)
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="file with the password of the Keystone user (default: the one in DIR, or a new one)",
    )
    parser.add_argument(
        "--system",
        action="store_true",
        default=None,
        help=f"as root, create the user and group of the gateway, and write the units to {UNIT_DIRECTORY}",
    )
    parser.add_argument(
        "--register", action="store_true", help="create user, role, service and endpoints in Keystone"
    )
    parser.add_argument(
        "--os-cloud",
        metavar="NAME",
        default=os.environ.get("OS_CLOUD"),
        help="with --register, the administrator's cloud in clouds.yaml (default: the variables OS_*)",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="ask nothing, and overwrite files of an earlier run, except those that were edited",
    )
    parser.add_argument("--force", action="store_true", help="also overwrite files that were edited")


def run(options: argparse.Namespace) -> int:
    """Write the files.

    Returns:
        The exit status: 0; 1 for an error, or if a file was kept because there was no terminal to ask.
    """
    try:
        return _Run(options).run()
    except ConfigError as error:
        print(f"chrysaetos gateway init: {error}", file=sys.stderr)
    except (EOFError, KeyboardInterrupt):
        print("\nchrysaetos gateway init: interrupted", file=sys.stderr)
    return 1


class _Run:
    """A run of the command.

    Raises:
        ConfigError: an answer is missing or invalid, or ``--system`` is not run as root.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._directory: Path = options.directory.absolute()
        check_path("DIR", str(self._directory))
        self._interactive = not options.yes and sys.stdin.isatty()
        earlier = answers.earlier_answers(self._directory)
        system = earlier.pop("system", False)
        self._system = bool(system if options.system is None else options.system)
        if self._system:
            check_root()  # before any question
        self._registered = bool(earlier.pop("registered", False))
        if self._interactive and "OS_AUTH_URL" in os.environ:
            earlier.setdefault("keystone_url", os.environ["OS_AUTH_URL"])
        given = {**_program(), **answers.given_answers(options)}
        ask = input if self._interactive else None
        self._settings: Settings = answers.answer(given, earlier, ask)
        self._password = self._find_password()
        self._session_keys = _earlier_keys(self._directory / SESSION_KEYS) or f"{format_key(new_key())}\n"

    def run(self) -> int:
        """Write the files and register the gateway."""
        options, settings = self._options, self._settings
        group = None
        if self._system:
            group = create_user(settings.system_user)
            os.umask(0o022)  # the gateway and Prometheus read files in the new directories
        files = installation_files(
            settings,
            self._directory,
            self._password,
            self._session_keys,
            units=UNIT_DIRECTORY if self._system else "systemd",
        )
        # Files with a mode of their own have secrets, which the gateway's user may read.
        files = [file if file.mode is None else replace(file, group=group) for file in files]
        files.append(self._answers())
        may_ask = self._confirm if not options.yes else None
        review = Review(self._directory, ask=may_ask, force=options.force)
        accepted = review.accepted(find_changes(self._directory, files, update=True))
        written = write_files(self._directory, accepted, force=True, update=True)
        for name in written:
            print(f"written: {self._directory / name}")
        for name in review.kept:
            print(f"kept as it is: {self._directory / name}")
        if options.register:
            # After the files, with the password in them, so that that of a new user cannot be lost.
            password = _earlier_password(self._directory / CONFIG)
            region = admin_region(options.os_cloud, os.environ)
            for line in register(settings, password, region, self._confirm_or_yes):
                print(f"Keystone: {line}")
            self._registered = True
            write_files(self._directory, [self._answers()], force=True, update=True)
        if written or review.kept:
            steps = next_steps(
                settings,
                self._directory,
                system=self._system,
                registered=self._registered,
                group_exists=group_exists(settings.socket_group) or settings.proxy == "none",
            )
            print(steps)
        else:
            print("All files are current.")
        return 1 if review.kept and not (self._interactive or options.yes) else 0

    def _answers(self) -> File:
        text = answers.render(self._settings, system=self._system, registered=self._registered)
        return File(answers.FILE, text, rewrite=True)

    def _confirm(self, question: str) -> bool:
        """Ask a question; without a terminal the answer is no."""
        if not self._interactive:
            return False
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}

    def _confirm_or_yes(self, question: str) -> bool:
        return bool(self._options.yes) or self._confirm(question)

    def _find_password(self) -> str:
        """Return the password of the service user: the given one, that of an earlier run, or a new one."""
        source: Path | None = self._options.password_file
        try:
            if source is not None:
                password = source.read_text(encoding="utf-8").strip()
                # oslo.config removes quotes around a value.
                if not password.isprintable() or not password or password[0] in "'\"":
                    raise ConfigError(f"--password-file {source}: it should contain one line, the password")
                return password
            return _earlier_password(self._directory / CONFIG) or new_secret()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the password cannot be read: {error}") from error


def _earlier_password(path: Path) -> str:
    """Return the password in an existing configuration, empty for none or that of the example."""
    sections: dict[str, dict[str, list[str]]] = {}
    try:
        cfg.ConfigParser(str(path), sections).parse()
    except FileNotFoundError:
        return ""
    except iniparser.ParseError as error:
        # The message would show the line.
        raise ConfigError(f"{path} is not a configuration file ({type(error).__name__})") from None
    values = sections.get("keystone_authtoken", {}).get("password", [""])
    password = values[-1].replace("$$", "$")
    return "" if password == EXAMPLE_PASSWORD else password


def _earlier_keys(path: Path) -> str:
    """Return the current keys of sessions, empty if there are none."""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the keys of sessions cannot be read: {error}") from error


def _program() -> dict[str, str]:
    """Return the path of this command as an answer, none if it is not installed as such."""
    path = Path(sys.executable).with_name("chrysaetos")
    return {"program": str(path)} if path.exists() else {}
