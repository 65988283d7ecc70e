"""The project of the credentials. ``test_cloud`` tests the projects of Keystone."""

import pytest
from keystoneauth1 import access, exceptions, session
from keystoneauth1.identity.base import BaseIdentityPlugin

from chrysaetos.usage.projects import OwnProject
from chrysaetos.usage.records import Project, UsageError


class Plugin(BaseIdentityPlugin):
    """A log-in with a token."""

    def __init__(self, **token):
        super().__init__()
        self.token = {"expires_at": "2999-01-01T00:00:00Z", **token}
        self.error = None

    def get_auth_ref(self, session):  # needs no request
        if self.error:
            raise self.error
        return access.AccessInfoV3({"token": self.token}, auth_token="token")


PROJECT = {"id": "p", "name": "one", "domain": {"id": "d", "name": "Default"}}


def test_the_project_is_that_of_the_token():
    assert OwnProject(session.Session(auth=Plugin(project=PROJECT))).list() == [
        Project("p", "one", "d", "Default")
    ]


def test_a_token_without_a_project_is_an_error():
    with pytest.raises(UsageError, match="requires the credentials of a project") as caught:
        OwnProject(session.Session(auth=Plugin(system={"all": True}))).list()
    assert caught.value.reason == "keystone"


def test_a_keystone_that_is_down_is_an_error_and_is_asked_again():
    plugin = Plugin(project=PROJECT)
    projects = OwnProject(session.Session(auth=plugin))
    plugin.error = exceptions.ConnectFailure("down")
    with pytest.raises(UsageError, match="down") as caught:
        projects.list()
    assert caught.value.reason == "keystone"
    plugin.error = None
    assert projects.list()[0].id == "p"
