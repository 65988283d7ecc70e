from __future__ import annotations

import pytest

from chrysaetos.cloudkitty.common.prometheus_client_base import (
    NotPrivilegedError,
    PrometheusClientBase,
    PrometheusResponseError,
    TooLargeError,
)


def test_a_client_has_to_implement_the_query():
    with pytest.raises(TypeError, match="get_instant"):
        PrometheusClientBase()  # type: ignore[abstract]


@pytest.mark.parametrize("error", [NotPrivilegedError, TooLargeError])
def test_all_exceptions_have_a_common_base(error):
    assert issubclass(error, PrometheusResponseError)
