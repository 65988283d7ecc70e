"""The adapter with the service's credentials. End-to-end tests check the user in a real Keystone."""

from __future__ import annotations

from contextlib import closing

import pytest

from chrysaetos.errors import Unavailable
from chrysaetos.identity.service_user import ServiceUser
from chrysaetos.identity.settings import load_settings


def explain(conf) -> str | None:
    with closing(ServiceUser(conf, load_settings(conf))) as user:
        return user.explain()


def test_each_user_has_the_region_of_its_own_configuration(make_conf):
    assert explain(make_conf(region_name="r")) is None
    with pytest.raises(Unavailable):
        explain(make_conf(region_name="elsewhere"))
    assert explain(make_conf(region_name="r")) is None
