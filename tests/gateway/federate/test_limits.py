"""The description of limits covers every limit, and both ways to configure them."""

import argparse
from dataclasses import fields

import pytest

from chrysaetos.federation.main import add_arguments
from chrysaetos.gateway.federate.handler import GateLimits
from chrysaetos.gateway.federate.limits import LIMITS
from chrysaetos.gateway.federate.options import FEDERATION_OPTIONS


def test_every_limit_is_described_once():
    assert [limit.field for limit in LIMITS] == [field.name for field in fields(GateLimits)]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.option)
def test_options_and_arguments_have_the_same_default_and_minimum(limit):
    default = getattr(GateLimits(), limit.field)
    (option,) = (option for option in FEDERATION_OPTIONS if option.name == limit.option)
    assert option.default == default
    assert option.type(str(limit.minimum)) == limit.minimum
    with pytest.raises(ValueError, match=r"greater than or equal|Should be"):
        option.type(str(limit.minimum - 1))
    if limit.argument is None:
        return
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    assert getattr(parser.parse_args([]), limit.field) == default
    assert getattr(parser.parse_args([limit.argument, str(limit.minimum)]), limit.field) == limit.minimum
    with pytest.raises(argparse.ArgumentError, match="of at least"):
        parser.parse_args([f"{limit.argument}={limit.minimum - 1}"])
