"""The section ``[federation]``."""

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.build import build
from chrysaetos.gateway.federate.options import load_gate
from chrysaetos.gateway.options import load_conf
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import new_token, write_tokens

UPSTREAM = Upstream(UpstreamOptions(host="127.0.0.1", port=1))


OFFLOAD = Offload(CpuBudget(), timeout=1)


def configured(directory, **options):
    lines = [f"{name} = {value}" for name, value in options.items()]
    file = directory / "aetos.conf"
    (directory / "policy.yaml").write_text("{}")
    text = f"[DEFAULT]\nauth_mode = noauth\n[oslo_policy]\npolicy_file = {directory / 'policy.yaml'}\n"
    file.write_text(text + "\n".join(["[federation]", *lines, ""]))
    return load_conf(["--config-file", str(file)])


def test_without_a_token_file_there_is_no_gate(tmp_path):
    assert load_gate(configured(tmp_path), UPSTREAM, OFFLOAD) == (None, ())


def test_a_token_file_enables_the_gate_with_limits_and_metrics(tmp_path):
    tokens = tmp_path / "tokens.json"
    write_tokens(tokens, [new_token("portal", Policy(("up",)), now=0.0, expires=None)[1]])
    conf = configured(
        tmp_path,
        tokens_file=tokens,
        timeout=1.5,
        total_seconds=2.5,
        max_response_bytes=3,
        max_requests_per_portal=4,
        requests_per_second=5.5,
        failures_burst=6,
        failures_per_second=7.5,
    )
    handler, _ = load_gate(conf, UPSTREAM, OFFLOAD)
    assert handler is not None
    limits = handler._limits
    assert (limits.timeout, limits.total_seconds, limits.response_bytes) == (1.5, 2.5, 3)
    assert (limits.requests, limits.requests_per_second) == (4, 5.5)
    assert (limits.failures, limits.failures_per_second) == (6, 7.5)
    shown = build(conf).telemetry.render()
    assert b'chrysaetos_federation_token_expires_timestamp_seconds{token="portal"} +Inf' in shown


def test_an_invalid_token_file_fails_the_start(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        build(configured(tmp_path, tokens_file=tmp_path / "none.json"))
