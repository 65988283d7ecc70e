from __future__ import annotations

import pytest

from chrysaetos.client import errors
from chrysaetos.watcher.failures import Place

AETOS = Place("public", "RegionOne")


def test_not_registered() -> None:
    assert AETOS.line(errors.NotRegistered("whatever")) == (
        "Aetos service not registered in Keystone: no metric-storage endpoint for interface public "
        "in region RegionOne"
    )
    assert AETOS.line(errors.NotRegistered("whatever")).startswith(
        Place("internal").line(errors.NotRegistered("")).replace("internal", "public")
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.Unauthorized("401 it was"), ("unauthorized", "[watcher_clients_auth]", "401 it was")),
        (errors.Forbidden("not for you"), ("forbidden", "role admin or service", "not for you")),
        (errors.Unavailable("come back"), ("come back",)),
    ],
)
def test_each_failure_is_one_line(error: errors.MetricsError, words: tuple[str, ...]) -> None:
    line = AETOS.line(error)
    assert line.startswith("Aetos: ")
    assert all(word in line for word in words)


def test_a_long_message_is_cut_to_its_first_line() -> None:
    assert AETOS.line(errors.Unavailable("one\ntwo")) == "Aetos: one"


def test_prometheus_itself_knows_no_keystone() -> None:
    assert Place().line(errors.Forbidden("no")) == "Prometheus: no"


def test_no_hosts_names_the_option() -> None:
    assert "[aetos_client] fqdn_label" in AETOS.no_hosts("fqdn")
    assert "[prometheus_client] fqdn_label" in Place().no_hosts("fqdn")
