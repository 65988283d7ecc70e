from __future__ import annotations

from contextlib import closing

import pytest
from keystoneauth1.exceptions import ClientException
from keystoneauth1.identity import Password
from keystoneauth1.session import Session
from tests.fakes.keystone import FakeKeystone

from chrysaetos.auth_url import reject_other_services


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", ["", "/v3", "/v2.1"])
def test_an_auth_url_that_requires_credentials_is_an_error(path):
    """Without the function, this waits for a lock that it holds."""
    keystone = FakeKeystone()
    keystone.status = 401
    auth = Password(keystone.url + path, username="alice", password="b", user_domain_id="default")
    session = reject_other_services(Session(auth=auth))
    try:
        with closing(session.session), pytest.raises(ClientException):
            session.get_token()
    finally:
        keystone.stop()
