"""Keystone: whether the gateway's own user can log in and validate tokens, and its clock."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from keystoneauth1 import exceptions

from chrysaetos.client.connection_errors import short_message
from chrysaetos.errors import ApiError
from chrysaetos.findings import failed, ok
from chrysaetos.identity.service_user import ServiceUser, keystone_adapter
from chrysaetos.identity.settings import GROUP
from chrysaetos.install.check.clocks import compare_clock
from chrysaetos.install.check.probing import SECONDS, within

if TYPE_CHECKING:
    from keystoneauth1.access import AccessInfoV3
    from keystoneauth1.session import Session

    from chrysaetos.findings import Finding
    from chrysaetos.identity.settings import KeystoneSettings
    from chrysaetos.install.check.configuration import Setup

__all__ = ["Login", "check_keystone"]

_CHECK = "keystone"
_LOOK = "look at the log of Keystone"
_VALIDATORS = frozenset({"service", "admin"})
"""Roles that may validate tokens by Keystone's default policy, ``identity:validate_token``. A reader of the
system may as well."""
_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (
        exceptions.Unauthorized,
        f"check username, password, project_name and the domains in [{GROUP}], and the user's role there",
    ),
    (exceptions.SSLError, f"set cafile in [{GROUP}] to the authority of Keystone's certificate"),
    (exceptions.ConnectFailure, f"check auth_url in [{GROUP}], that Keystone is running, and the firewall"),
    (TimeoutError, "check that Keystone works, and the firewall"),
    (exceptions.BadRequest, f"check the domains in [{GROUP}]: user_domain_name and project_domain_name"),
    (exceptions.ClientException, f"check auth_url in [{GROUP}]: it is the URL of Keystone's API"),
    (OSError, f"check certfile and keyfile in [{GROUP}], and that the gateway's user can read them"),
)


@dataclass(frozen=True, slots=True)
class Login:
    """The result of the checks.

    Attributes:
        findings: the findings.
        access: the token of the gateway's user, with the catalog; None if it cannot log in.
    """

    findings: tuple[Finding, ...]
    access: AccessInfoV3 | None = None


def check_keystone(setup: Setup, settings: KeystoneSettings) -> Login:
    """Check that the gateway's user can log in, and that it can validate tokens."""
    conf = setup.conf
    try:
        if isinstance(settings.verify, str):
            ssl.create_default_context(cafile=settings.verify)
    except OSError as error:
        advice = "name a PEM file that the gateway's user can read"
        return Login((failed(_CHECK, f"[{GROUP}] cafile: {error}", advice),))
    limited = replace(settings, timeout=SECONDS)
    session = limited.session()
    conf.set_override("http_request_max_retries", 0, group=GROUP)
    try:
        keystone = keystone_adapter(conf, session)
        user = ServiceUser(conf, limited)
    finally:
        conf.clear_override("http_request_max_retries", group=GROUP)
    try:
        clock = within(_compare_clock, session, settings.auth_url)
        access: AccessInfoV3 = within(keystone.auth.get_access, session)
    except (exceptions.ClientException, OSError) as error:
        return Login((_login_failed(error, settings.auth_url),))
    logged_in = ok(_CHECK, f"{access.username} can log in at {settings.auth_url}")
    return Login((logged_in, *clock, _check_validation(user, access, conf[GROUP].region_name)), access)


def _compare_clock(session: Session, url: str) -> tuple[Finding, ...]:
    """Compare the clocks by the header ``Date`` of a response, which has whole seconds."""
    before = time.time()
    response = session.get(url, authenticated=False, raise_exc=False, redirect=False)
    after = time.time()
    try:
        theirs = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except ValueError:
        return ()
    return (compare_clock("Keystone", theirs, before=before, after=after, step=1.0),)


def _login_failed(error: Exception, url: str) -> Finding:
    advice = next(advice for kind, advice in _ADVICE if isinstance(error, kind))
    if isinstance(error, exceptions.Unauthorized):
        return failed(_CHECK, f"Keystone rejected the credentials in [{GROUP}]", advice)
    if isinstance(error, TimeoutError | exceptions.ConnectTimeout):
        return failed(_CHECK, f"Keystone at {url} does not answer within {SECONDS:.0f} s", advice)
    # Keystone's messages repeat nothing of a login.
    reason = short_message(error)
    return failed(_CHECK, f"the gateway's user cannot log in at {url}: {reason}", advice)


def _check_validation(user: ServiceUser, access: AccessInfoV3, region: str | None) -> Finding:
    """Check that the user can validate tokens.

    It may always validate its own, which shows whether Keystone's endpoint works. Whether it may validate
    those of callers is up to its role.
    """
    try:
        cause = within(user.explain)
    except TimeoutError:
        return failed("validation", f"Keystone does not validate tokens within {SECONDS:.0f} s", _LOOK)
    except ApiError as error:
        if isinstance(error.__cause__, exceptions.EndpointNotFound):
            where = f"region {region}" if region else "any region"
            return failed(
                "validation",
                f"the catalog has no endpoint of Keystone in {where}",
                f"set region_name and interface in [{GROUP}] to those of the service identity in: "
                "openstack catalog list",
            )
        reason = type(error.__cause__).__name__
        return failed("validation", f"Keystone does not validate tokens: {reason}", _LOOK)
    if cause is not None:
        return failed("validation", cause, _LOOK)
    roles = frozenset(access.role_names or ())
    if roles & _VALIDATORS or (access.system_scoped and "reader" in roles):
        return ok("validation", f"{access.username} can validate tokens")
    return failed(
        "validation",
        f"{access.username} has no role with which Keystone's default policy lets it validate tokens; "
        f"it has: {', '.join(sorted(roles)) or 'none'}",
        f"run: openstack role add --project {access.project_name} --user {access.username} service",
    )
