"""oslo.config and keystoneauth, as the service itself uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions, loading
from oslo_config import cfg

from chrysaetos.migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from keystoneauth1.session import Session

__all__ = ["Identity", "default_sources", "open_session", "read_back", "read_conf"]

_TIMEOUT = 30
"""Seconds that one answer may take, where the section says nothing: a check must end."""


class Identity:
    """Who a session is.

    Args:
        session: of `open_session`.
        group: the section of its credentials.

    Raises:
        MigrateError: Keystone refuses the credentials or cannot be reached.
    """

    def __init__(self, session: Session, group: str) -> None:
        try:
            auth: Any = session.auth
            access = auth.get_access(session)
        except exceptions.ClientException as error:
            raise MigrateError(
                f"no token with the credentials of [{group}]: {error}; try them with openstack token issue"
            ) from error
        self.user: str = access.username or access.user_id
        self.project: str | None = access.project_name or access.project_id
        self.roles: tuple[str, ...] = tuple(access.role_names)


def default_sources(project: str, program: str) -> list[tuple[str, str]]:
    """Where oslo.config looks for a program's files when it is given none."""
    files = cfg.find_config_files(project=project, prog=program)
    folders = cfg.find_config_dirs(project=project, prog=program)
    return [*(("file", path) for path in files), *(("dir", path) for path in folders)]


def read_conf(project: str, paths: Sequence[Path], *, use_env: bool = True) -> Any:
    """Read files with oslo.config.

    Args:
        project: the service.
        paths: in the order in which the service reads them.
        use_env: whether the environment counts as well.

    Raises:
        MigrateError: it cannot read them.
    """
    conf = cfg.ConfigOpts()
    arguments = [argument for path in paths for argument in ("--config-file", str(path))]
    try:
        conf(arguments, project=project, default_config_files=[], default_config_dirs=[], use_env=use_env)
    except cfg.Error as error:
        raise MigrateError(f"oslo.config cannot read the configuration: {error}") from error
    return conf


def read_back(
    project: str, paths: Sequence[Path], expected: Mapping[tuple[str, str], list[str] | str]
) -> None:
    """See that oslo.config reads from files what is expected.

    Raises:
        MigrateError: it does not; the message names the setting.
    """
    conf = read_conf(project, paths, use_env=False)
    for (group, key), value in expected.items():
        option = cfg.ListOpt(key) if isinstance(value, list) else cfg.StrOpt(key)
        conf.register_opt(option, group=group)
        try:
            read = conf[group][key]
        except cfg.Error as error:
            raise MigrateError(f"[{group}] {key} cannot be read: {error}; nothing was changed") from error
        if read != value:
            raise MigrateError(
                f"[{group}] {key} would be read as {read!r} and not as {value!r}; nothing was changed"
            )


def open_session(conf: Any, group: str) -> Session:
    """A Keystone session with the credentials of a section, or of the one that its ``auth_section`` names.

    Args:
        conf: of `read_conf`.
        group: the section.

    Raises:
        MigrateError: the credentials are not complete.
    """
    loading.register_session_conf_options(conf, group)
    loading.register_auth_conf_options(conf, group)
    conf.set_default("timeout", _TIMEOUT, group=group)
    try:
        auth = loading.load_auth_from_conf_options(conf, group)
        if auth is None:
            raise MigrateError(
                f"[{group}] auth_type is not set, so the service has no credentials; set auth_type, for "
                "example to password, and what that needs: auth_url, username, password, project_name"
            )
        session: Session = loading.load_session_from_conf_options(conf, group, auth=auth)
    except (exceptions.ClientException, cfg.Error) as error:
        raise MigrateError(f"[{group}]: {error}; complete the section") from error
    return session
