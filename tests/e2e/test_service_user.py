"""The gateway's own user in a real Keystone: a wrong password, a disabled user, and a missing role."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from oslo_config import cfg

from chrysaetos.errors import Unavailable
from chrysaetos.gateway.own.health import Health
from chrysaetos.identity.authenticator import create_authenticator
from chrysaetos.identity.service_user import ServiceUserRejected
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chrysaetos.demo.identities import Account, IdentityApi
    from chrysaetos.demo.keystone import Keystone
    from chrysaetos.identity.authenticator import KeystoneAuthenticator

REJECTED = "Keystone rejected the credentials in [keystone_authtoken]"
NO_ROLE = "Keystone does not let the user in [keystone_authtoken] validate tokens: give it the role service"


@pytest.fixture
def accounts(identity: IdentityApi) -> tuple[Account, str]:
    """A service user of its own, and the token of a tenant."""
    name = f"validator-{new_secret()}"
    project = identity.create_project(name)
    tenant = identity.create_account(f"tenant-{name}", project, name, "reader")
    return identity.create_account(name, project, name, "service"), identity.token(tenant.auth())


@asynccontextmanager
async def authenticator(
    keystone: Keystone, account: Account, folder: Path, password: str | None = None
) -> AsyncIterator[KeystoneAuthenticator]:
    file = folder / "aetos.conf"
    file.write_text(
        f"[keystone_authtoken]\nauth_type = password\nauth_url = {keystone.url}\n"
        f"www_authenticate_uri = {keystone.url}\nusername = {account.user}\n"
        f"password = {password or account.password}\nuser_domain_name = Default\n"
        f"project_name = {account.project_name}\nproject_domain_name = Default\n"
    )
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(file)], project="chrysaetos")
    made = create_authenticator(conf, cache_seconds=0)
    try:
        yield made
    finally:
        await made.close()


async def identify(authenticator: KeystoneAuthenticator, token: str) -> str | None:
    caller = await authenticator.identify([(b"x-auth-token", token.encode())], "GET", "/api/v1/query")
    return caller.user_name


async def assert_rejected(authenticator: KeystoneAuthenticator, token: str, cause: str) -> None:
    with pytest.raises(Unavailable, match="does not accept the gateway's own credentials"):
        await identify(authenticator, token)
    with pytest.raises(ServiceUserRejected) as caught:
        await authenticator.probe()
    assert str(caught.value) == cause
    health = Health(identity=authenticator, upstream=None)  # type: ignore[arg-type] # only Keystone is asked
    assert await health._keystone() == cause


async def test_a_good_user_is_accepted(keystone, accounts, tmp_path):
    account, token = accounts
    async with authenticator(keystone, account, tmp_path) as made:
        await made.probe()
        assert (await identify(made, token) or "").startswith("tenant-")
        await asyncio.gather(*(made.probe() for _ in range(5)))


async def test_a_wrong_password_is_named(keystone, accounts, tmp_path, caplog):
    account, token = accounts
    async with authenticator(keystone, account, tmp_path, password="wrong") as made:
        with pytest.raises(ServiceUserRejected):
            await made.probe()
        await assert_rejected(made, token, REJECTED)
    assert caplog.text.count(REJECTED) == 1
    assert "wrong" not in caplog.text
    assert token not in caplog.text


async def test_a_disabled_user_is_named(keystone, identity, accounts, tmp_path):
    account, token = accounts
    async with authenticator(keystone, account, tmp_path) as made:
        await identify(made, token)
        identity.call("PATCH", f"/users/{account.user_id}", {"user": {"enabled": False}})
        await assert_rejected(made, token, REJECTED)


async def test_a_user_without_the_role_is_named(keystone, identity, accounts, tmp_path):
    account, token = accounts
    project = account.project_id
    path = f"/projects/{project}/users/{account.user_id}/roles"
    identity.grant(account.user_id, "reader", on=f"/projects/{project}")
    identity.call("DELETE", f"{path}/{identity.role_id('service')}")
    async with authenticator(keystone, account, tmp_path) as made:
        await made.probe()
        await assert_rejected(made, token, NO_ROLE)
        made._tokens.service_user.on_validation()
        await made.probe()
