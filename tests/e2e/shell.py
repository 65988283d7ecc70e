"""The variables of a user's shell, for tests of commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.e2e.asking import password_variables
from tests.fakes.environment import without_credentials

from chrysaetos.demo.keystone import REGION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stack import People, Tokens
    from tests.support.commands import Output

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import Account, IdentityApi
    from chrysaetos.demo.keystone import Keystone

__all__ = ["MACHINES_OF_A", "STEPS", "ShellVariables", "apart", "by", "states_of"]

Variables = dict[str, str]
MACHINES_OF_A = {"a1", "a2"}
STEPS = ("credentials", "token", "roles", "catalog", "gateway", "prometheus", "data")


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave a test without credentials."""
    without_credentials(monkeypatch, tmp_path)


class ShellVariables:
    """The ``OS_`` variables of a user, by kind of credentials."""

    def __init__(self, keystone_url: str, tokens: Tokens, people: People) -> None:
        self.people = people
        self._common = {
            "OS_AUTH_URL": keystone_url,
            "OS_IDENTITY_API_VERSION": "3",
            "OS_REGION_NAME": REGION,
        }
        self._tokens = tokens

    def password(self, who: str) -> Variables:
        """Return the variables for user and password, with the project if there is one."""
        return password_variables(self._common["OS_AUTH_URL"], getattr(self.people, who))

    def token(self, who: str) -> Variables:
        """Return the variables for a token, with the project."""
        account: Account = getattr(self.people, who)
        return {
            **self._common,
            "OS_AUTH_TYPE": "v3token",
            "OS_TOKEN": self._tokens.unscoped(account),
            "OS_PROJECT_ID": str(account.project_id),
        }

    def application_credential(self, who: str) -> Variables:
        """Return the variables for an application credential."""
        credential = getattr(self.people, who).application_credential
        assert credential is not None
        return {
            **self._common,
            "OS_AUTH_TYPE": "v3applicationcredential",
            "OS_APPLICATION_CREDENTIAL_ID": credential.id,
            "OS_APPLICATION_CREDENTIAL_SECRET": credential.secret,
        }


@pytest.fixture
def by(
    keystone: Keystone, identity: IdentityApi, gateway_ab: Gateway, tokens: Tokens, people: People
) -> ShellVariables:
    """The variables of all users, with the gateway of store AB in the catalog."""
    identity.register_endpoint("metric-storage", "aetos", gateway_ab.url)
    return ShellVariables(keystone.url, tokens, people)


def states_of(output: Output) -> dict[str, str]:
    return {row["step"]: row["state"] for row in json.loads(output.printed)}
