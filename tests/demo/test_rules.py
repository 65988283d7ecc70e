import json
import subprocess
from pathlib import Path

from chrysaetos.demo.cloud import Tenant
from chrysaetos.demo.rules import rule_groups
from chrysaetos.tenancy.rules import is_whole_query
from chrysaetos.tenancy.scope import Scope

TENANTS = (Tenant("aquila", "id-a", "user-a"), Tenant("bubo", "id-b", "user-b"))


def test_prometheus_accepts_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": rule_groups(TENANTS)}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "6 rules found" in done.stdout


def test_the_rules_of_a_tenant_select_only_its_series() -> None:
    for tenant, group in zip(TENANTS, rule_groups(TENANTS), strict=True):
        assert group["name"] == tenant.name
        for rule in group["rules"]:
            assert is_whole_query(rule["expr"], Scope("project", (tenant.project_id,)))
