"""Read configuration and open sessions with oslo.config and keystoneauth1, like the service itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions, loading
from keystoneauth1.adapter import Adapter
from oslo_config import cfg

from chrysaetos.auth_url import reject_other_services
from chrysaetos.migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from keystoneauth1.session import Session

__all__ = [
    "Identity",
    "default_sources",
    "nova_adapter",
    "open_session",
    "read_conf",
    "read_value",
    "verify_values",
]

_TIMEOUT = 30
"""The default time limit of a request in seconds, so that every check ends."""


class Identity:
    """User, project and roles of a session.

    Args:
        session: the session.
        group: the section with its credentials.

    Raises:
        MigrateError: Keystone rejects the credentials or cannot be reached.
    """

    def __init__(self, session: Session, group: str) -> None:
        try:
            auth: Any = session.auth
            access = auth.get_access(session)
        except exceptions.ClientException as error:
            raise MigrateError(
                f"no token for the credentials of [{group}]: {error}; test them with openstack token issue"
            ) from error
        self.user: str = access.username or access.user_id
        self.project: str | None = access.project_name or access.project_id
        self.roles: tuple[str, ...] = tuple(access.role_names)


def default_sources(project: str, program: str) -> list[tuple[str, str]]:
    """Return the default configuration files and directories of a program in oslo.config."""
    files = cfg.find_config_files(project=project, prog=program)
    directories = cfg.find_config_dirs(project=project, prog=program)
    return [*(("file", path) for path in files), *(("dir", path) for path in directories)]


def read_conf(project: str, paths: Sequence[Path], *, use_env: bool = True) -> Any:
    """Read files with oslo.config.

    Args:
        project: the service's name.
        paths: the files in the order in which the service reads them.
        use_env: whether to read the environment, too.

    Raises:
        MigrateError: oslo.config cannot read the files.
    """
    conf = cfg.ConfigOpts()
    arguments = [argument for path in paths for argument in ("--config-file", str(path))]
    try:
        conf(arguments, project=project, default_config_files=[], default_config_dirs=[], use_env=use_env)
    except cfg.Error as error:
        raise MigrateError(f"oslo.config cannot read the configuration: {error}") from error
    return conf


def read_value(conf: Any, group: str, key: str, default: str) -> str:
    """Return a value as the service reads it, with references such as ``$name`` and ``$$`` resolved.

    Args:
        conf: the configuration of ``read_conf``.
        group: the section.
        key: the option.
        default: the option's default.

    Raises:
        MigrateError: a reference cannot be resolved. The message has no part of the value, which may be
            a secret.
    """
    conf.register_opt(cfg.StrOpt(key, default=default), group=group)
    try:
        return str(conf[group][key])
    except cfg.Error as error:
        raise MigrateError(
            f"[{group}] {key}: a reference ($name) in the value cannot be resolved; write the value itself, "
            "and $$ for a dollar sign"
        ) from error


def verify_values(
    project: str, paths: Sequence[Path], expected: Mapping[tuple[str, str], list[str] | str]
) -> None:
    """Verify that oslo.config reads the expected values from files.

    Args:
        project: the service's name.
        paths: the files in the order in which the service reads them.
        expected: the expected values by group and key.

    Raises:
        MigrateError: a value differs; the message names the setting.
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
                f"[{group}] {key} would be read as {read!r} instead of {value!r}; nothing was changed"
            )


def open_session(conf: Any, group: str) -> Session:
    """Return a Keystone session with the credentials of a section, or of its ``auth_section``.

    Args:
        conf: the configuration of ``read_conf``.
        group: the section.

    Raises:
        MigrateError: the credentials are incomplete.
    """
    session = _session(conf, group)
    if session is None:
        raise MigrateError(
            f"[{group}] auth_type is not set, so the service has no credentials; set auth_type, for "
            "example to password, and its options: auth_url, username, password, project_name"
        )
    return session


def nova_adapter(conf: Any, session: Session, *, reads_nova_section: bool) -> Adapter:
    """Return the endpoint of Nova as Watcher uses it.

    Args:
        conf: the configuration of ``read_conf``.
        session: the session of ``[watcher_clients_auth]``, for a ``[nova]`` without credentials.
        reads_nova_section: whether Watcher reads ``[nova]``, as from release 16 on.

    Raises:
        MigrateError: the credentials in ``[nova]`` are incomplete, or an option is invalid.
    """
    old = [cfg.StrOpt("endpoint_type", default="publicURL"), cfg.StrOpt("region_name")]
    conf.register_opts(old, group="nova_client")
    interface = conf.nova_client.endpoint_type.removesuffix("URL")
    if not reads_nova_section:
        region = conf.nova_client.region_name
        return Adapter(session, service_type="compute", interface=interface, region_name=region)
    renamed = {"region_name": [cfg.DeprecatedOpt("region_name", group="nova_client")]}
    loading.register_adapter_conf_options(conf, "nova", deprecated_opts=renamed)
    conf.set_default("service_type", "compute", group="nova")
    try:
        if conf.nova.interface is None and conf.nova.valid_interfaces is None:
            conf.set_default("valid_interfaces", [interface], group="nova")
        own = _session(conf, "nova") or session
        adapter: Adapter = loading.load_adapter_from_conf_options(conf, "nova", session=own)
    except (exceptions.ClientException, cfg.Error, TypeError) as error:
        raise MigrateError(f"[nova]: {error}; correct the section") from error
    return adapter


def _session(conf: Any, group: str) -> Session | None:
    """Return a session, None without credentials."""
    loading.register_session_conf_options(conf, group)
    loading.register_auth_conf_options(conf, group)
    conf.set_default("timeout", _TIMEOUT, group=group)
    try:
        auth = loading.load_auth_from_conf_options(conf, group)
        if auth is None:
            return None
        session = reject_other_services(loading.load_session_from_conf_options(conf, group, auth=auth))
    except (exceptions.ClientException, cfg.Error) as error:
        raise MigrateError(f"[{group}]: {error}; complete the section") from error
    return session
