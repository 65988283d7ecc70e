"""A fake Keystone, a configuration that points at it, and a clock that a test sets."""

from __future__ import annotations

import base64
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
from oslo_config import cfg
from tests.fakes.clock import Clock
from tests.fakes.keystone import FakeKeystone

from chrysaetos.identity.authenticator import KeystoneAuthenticator
from chrysaetos.identity.basic import BasicCredentials
from chrysaetos.identity.keystone import KeystoneTokens
from chrysaetos.identity.projects import DomainProjects
from chrysaetos.identity.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


@pytest.fixture
def keystone() -> Iterator[FakeKeystone]:
    fake = FakeKeystone()
    yield fake
    fake.stop()


@pytest.fixture
def make_conf(keystone: FakeKeystone, tmp_path: Path) -> Callable[..., cfg.ConfigOpts]:
    """Return a configuration with the given options, without those that are None."""

    def make(**changes: str | None) -> cfg.ConfigOpts:
        options: dict[str, str | None] = {
            "auth_type": "password",
            "auth_url": keystone.url,
            "www_authenticate_uri": "https://public.example/identity",
            "username": "gateway",
            "password": "service-secret",
            "user_domain_name": "Default",
            "project_name": "service",
            "project_domain_name": "Default",
            "http_request_max_retries": "0",
            **changes,
        }
        lines = [f"{name} = {value}" for name, value in options.items() if value is not None]
        file = tmp_path / "aetos.conf"
        file.write_text("\n".join(["[keystone_authtoken]", *lines, ""]), encoding="utf-8")
        conf = cfg.ConfigOpts()
        conf(["--config-file", str(file)], project="chrysaetos")
        return conf

    return make


@pytest.fixture
def tokens(make_conf: Callable[..., cfg.ConfigOpts], clock: Clock) -> Iterator[KeystoneTokens]:
    with closing(KeystoneTokens(make_conf(), clock=clock)) as tokens:
        yield tokens


@pytest.fixture
def basic(tokens: KeystoneTokens, clock: Clock) -> Iterator[BasicCredentials]:
    with closing(BasicCredentials(tokens, clock=clock)) as basic:
        yield basic


@pytest.fixture
def make_projects(
    make_conf: Callable[..., cfg.ConfigOpts], clock: Clock
) -> Iterator[Callable[..., DomainProjects]]:
    """Return the projects of domains, with the given changes of configuration and arguments."""
    with ExitStack() as stack:

        def make(conf: Mapping[str, str] | None = None, **changes: Any) -> DomainProjects:
            loaded = make_conf(**conf or {})
            settings = load_settings(loaded)
            return stack.enter_context(closing(DomainProjects(loaded, settings, clock=clock, **changes)))

        yield make


@pytest.fixture
def authenticator(
    tokens: KeystoneTokens, basic: BasicCredentials, make_projects: Callable[..., DomainProjects]
) -> KeystoneAuthenticator:
    return KeystoneAuthenticator(tokens, basic, make_projects())


@pytest.fixture
def encode() -> Callable[[str], bytes]:
    """Return the value after ``Basic`` in the header."""
    return lambda text: base64.b64encode(text.encode())


@pytest.fixture
def good(keystone: FakeKeystone, encode: Callable[[str], bytes]) -> bytes:
    keystone.application_credentials["ac1"] = ("s3cret", {"user": "grafana"})
    return encode("ac1:s3cret")
