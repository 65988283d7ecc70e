from __future__ import annotations

import pytest

from chrysaetos.cloudkitty.common.prometheus_client_base import (
    NotPrivilegedError,
    PrometheusClientBase,
    PrometheusResponseError,
    TooLargeError,
)


def test_a_client_has_to_say_how_it_asks():
    with pytest.raises(TypeError, match=r"_get.*get_instant"):
        PrometheusClientBase()


@pytest.mark.parametrize("error", [NotPrivilegedError, TooLargeError])
def test_whoever_catches_one_error_catches_all(error):
    assert issubclass(error, PrometheusResponseError)
