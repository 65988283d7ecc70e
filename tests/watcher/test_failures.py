from __future__ import annotations

import pytest

from chrysaetos.client import errors
from chrysaetos.watcher.failures import Endpoint

AETOS = Endpoint("public", "RegionOne")


def test_not_registered_has_a_remedy() -> None:
    assert AETOS.error_message(errors.NotRegistered("no metric-storage service\nat all")) == (
        "Aetos service not registered in Keystone: no metric-storage service. Register the endpoint, or "
        "correct interface and region_name in [aetos_client]"
    )


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (errors.Unauthorized("401 it was"), ("unauthorized", "[watcher_clients_auth]", "401 it was")),
        (errors.Forbidden("not for you"), ("forbidden", "role admin or service", "not for you")),
        (errors.Unavailable("come back"), ("come back",)),
    ],
)
def test_each_failure_is_one_line(error: errors.MetricsError, parts: tuple[str, ...]) -> None:
    line = AETOS.error_message(error)
    assert line.startswith("Aetos: ")
    assert all(part in line for part in parts)


def test_a_long_message_is_cut_to_its_first_line() -> None:
    assert AETOS.error_message(errors.Unavailable("one\ntwo")) == "Aetos: one"


def test_messages_for_prometheus_do_not_mention_keystone() -> None:
    assert Endpoint().error_message(errors.Forbidden("no")) == "Prometheus: no"


def test_the_message_for_no_hosts_names_the_option() -> None:
    assert "[aetos_client] fqdn_label" in AETOS.no_hosts_message("fqdn")
    assert "[prometheus_client] fqdn_label" in Endpoint().no_hosts_message("fqdn")
