"""The options of the audit log and the gateway's own metrics."""

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.options import load_conf


def load(tmp_path, line):
    file = tmp_path / "aetos.conf"
    file.write_text(f"[gateway]\n{line}\n")
    return load_conf(["--config-file", str(file)]).gateway


def test_requests_are_audited_and_metrics_are_not_served_by_default(tmp_path):
    section = load(tmp_path, "")
    assert section.audit
    assert section.audit_file is None
    assert not section.audit_own_endpoints
    assert section.metrics_port == 0
    assert not section.metrics_per_project


@pytest.mark.parametrize(
    "line", ["audit_format = xml", "audit_max_text = 63", "metrics_port = 65536", "metrics_max_projects = 0"]
)
def test_an_invalid_value_is_named(tmp_path, line):
    with pytest.raises(ConfigError, match=rf"\[gateway\] {line.split()[0]}: "):
        load(tmp_path, line)
