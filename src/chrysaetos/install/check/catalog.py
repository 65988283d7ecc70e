"""The gateway's entry in the catalog, through which its users find it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from chrysaetos.client.transport import SERVICE_TYPE
from chrysaetos.findings import Finding, Status, failed, ok, warning
from chrysaetos.http.upstream.pool import UpstreamOptions
from chrysaetos.install.check.certificates import check_expiry
from chrysaetos.install.check.listening import from_gateway
from chrysaetos.install.check.probing import FAILURES, describe, get, remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keystoneauth1.access import AccessInfoV3

    from chrysaetos.identity.settings import KeystoneSettings
    from chrysaetos.install.check.configuration import Setup

__all__ = ["check_catalog", "server_of"]

_CHECK = "catalog"
_API = "/api/v1"
_HEADER = "x-openstack-request-id"
"""The header of each response of the gateway."""


def check_catalog(
    setup: Setup, settings: KeystoneSettings, access: AccessInfoV3, *, running: bool
) -> Iterator[Finding]:
    """Check the endpoints of the gateway: their region, their URLs, and what answers there.

    Args:
        setup: the set-up.
        settings: how to connect to Keystone.
        access: the token of the gateway's user.
        running: whether a gateway is known to run with this configuration.
    """
    if not access.has_service_catalog():
        yield Finding(_CHECK, Status.SKIPPED, "the token of the gateway's user has no catalog")
        return
    catalog = access.service_catalog.get_endpoints_data()
    wanted = setup.conf.keystone_authtoken.region_name
    others = {each.region_name for kind, data in catalog.items() if kind != SERVICE_TYPE for each in data}
    region = wanted or next(iter(sorted(filter(None, others))), "RegionOne")
    found = catalog.get(SERVICE_TYPE)
    if not found:
        create = f"run: openstack service create --name aetos {SERVICE_TYPE}, and {_create(region)}"
        yield failed(_CHECK, f"no service has the type {SERVICE_TYPE}", create)
        return
    public = [each for each in found if each.interface == "public"]
    if not public:
        yield failed(_CHECK, f"{SERVICE_TYPE} has no public endpoint", f"run: {_create(region)}")
        return
    regions = {each.region_name for each in public}
    if not regions & ({wanted} if wanted else others):
        where = f"{SERVICE_TYPE} is in region {', '.join(sorted(map(str, regions)))}, but not in {region}"
        create = f"run: {_create(region, str(public[0].url))}"
        if regions & others:
            # Regions may share a Keystone, whose region the option names.
            yield warning(
                _CHECK, where, f"{create}, unless the gateway serves another region than Keystone's"
            )
        else:
            yield failed(_CHECK, where, create)
    for endpoint in public:
        yield from _check_endpoint(setup, settings, str(endpoint.url), running=running)


def _create(region: str, url: str = "URL") -> str:
    return f"openstack endpoint create --region {region} {SERVICE_TYPE} public {url}"


def _check_endpoint(
    setup: Setup, settings: KeystoneSettings, url: str, *, running: bool
) -> Iterator[Finding]:
    prefix = setup.conf.gateway.path_prefix
    server = server_of(url, settings)
    if server is None:
        yield failed(_CHECK, f"{url} is not a URL of HTTP", "run: openstack endpoint set --url URL ID")
        return
    path = server.path_prefix
    set_prefix = f"set [gateway] path_prefix = {path}" if path else "remove [gateway] path_prefix"
    if path.endswith(_API):
        set_prefix = f"run: openstack endpoint set --url {url.rstrip('/').removesuffix(_API)} ID"
    mismatch = f"the path of {url} in the catalog is not [gateway] path_prefix ({prefix or 'unset'})"
    try:
        reply = get(server, "/-/healthy")
        found = from_gateway(reply)
        # The gateway has its health endpoints also without the prefix. Without credentials, a query is 401.
        wrong = get(server, f"{_API}/query").status == 404 and (found or _HEADER in reply.headers)
    except FAILURES as error:
        if path != prefix:
            yield warning(_CHECK, mismatch, f"{set_prefix}, unless the load balancer removes the path")
        if running or isinstance(error, ssl.SSLError):
            advice = remedy(
                error, address="the endpoint", ca="cafile in [keystone_authtoken], and in clients,"
            )
            yield warning(_CHECK, f"{url} {describe(error)}", advice)
        else:
            reason = f"{url} {describe(error)}; the gateway may not be running yet"
            yield Finding(_CHECK, Status.SKIPPED, reason)
        return
    yield from check_expiry(server, url)
    if wrong:
        yield failed(_CHECK, f"{mismatch}: requests get 404", set_prefix)
    elif found:
        yield ok(_CHECK, f"{url} reaches a gateway")
    else:
        if path != prefix:
            yield warning(_CHECK, mismatch, f"{set_prefix}, unless the load balancer removes the path")
        answer = f"{url}/-/healthy returns {reply.status}, but not from a gateway"
        if running:
            yield failed(_CHECK, answer, "check the load balancer: its servers, and its health check")
        else:
            yield Finding(_CHECK, Status.SKIPPED, f"{answer}, which may not be running yet")


def server_of(url: str, settings: KeystoneSettings) -> UpstreamOptions | None:
    """Return the server of a URL, whose certificate is verified like Keystone's; None if it is no URL."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    tls = None
    if parts.scheme == "https":
        own = settings.verify if isinstance(settings.verify, str) else None
        tls = ssl.create_default_context(cafile=own or DEFAULT_CA_BUNDLE_PATH)
    default = 80 if tls is None else 443
    return UpstreamOptions(
        host=parts.hostname, port=port or default, tls=tls, path_prefix=parts.path.rstrip("/")
    )
