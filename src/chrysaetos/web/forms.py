"""Read what the page sends."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from chrysaetos.errors import BadRequest
from chrysaetos.identity.credentials import is_token
from chrysaetos.identity.login import APPLICATION_CREDENTIAL, PASSWORD, Login

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["new_credential", "project_id", "read_login", "websso_token"]

_MAX_TEXT = 1024
_SURROGATE = re.compile("[\ud800-\udfff]")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_login(body: Mapping[str, Any]) -> Login:
    """Return the credentials of a log-in.

    Raises:
        BadRequest: a part is missing or not a text.
    """
    method = body.get("method")
    if method == APPLICATION_CREDENTIAL:
        return Login(credential_id=_identifier(body, "id"), secret=_text(body, "secret"))
    if method != PASSWORD:
        raise BadRequest('"method" must be "password" or "application_credential"')
    project = body.get("project")
    if project is not None and not isinstance(project, dict):
        raise BadRequest('"project" must be an object with "name" and "domain", or null')
    return Login(
        user=(_text(body, "user"), _text(body, "domain")),
        secret=_text(body, "password"),
        project=None if project is None else (_text(project, "name"), _text(project, "domain")),
    )


def project_id(body: Mapping[str, Any]) -> str:
    """Return the id of the project to enter.

    Raises:
        BadRequest: it is missing or not an id.
    """
    return _identifier(body, "id")


def new_credential(body: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the name of a new application credential, and its expiry as Keystone writes times.

    Raises:
        BadRequest: the name is missing or too long, or the expiry is not a time.
    """
    name, expires_at = _text(body, "name"), body.get("expires_at")
    if len(name) > 255:
        raise BadRequest('"name" must have at most 255 characters')
    if expires_at is None:
        return name, None
    try:
        time = datetime.fromtimestamp(expires_at, UTC)
    except (OSError, OverflowError, TypeError, ValueError) as error:
        raise BadRequest('"expires_at" must be seconds since the epoch') from error
    return name, time.strftime("%Y-%m-%dT%H:%M:%S.%f")


def websso_token(form: bytes) -> str:
    """Return the token that Keystone's page posts.

    Raises:
        BadRequest: there is none.
    """
    try:
        values = [value for name, value in parse_qsl(form, max_num_fields=10) if name == b"token"]
    except ValueError:  # too many fields
        values = []
    if len(values) != 1 or not is_token(values[0]):
        raise BadRequest("there is no token in the form")
    return values[0].decode("ascii")


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise BadRequest(f'"{name}" must be a text of 1 to {_MAX_TEXT} characters')
    if _SURROGATE.search(value):
        raise BadRequest(f'"{name}" is not Unicode')
    return value


def _identifier(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise BadRequest(f'"{name}" must be an id')
    return value
