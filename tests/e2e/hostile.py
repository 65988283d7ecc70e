"""Texts that try to see more than they may, as expressions of PromQL.

``A`` and ``B`` as values stand for the projects' ids. Prometheus answers some with an error: then the gateway
over both tenants' store has to answer with the same one as the gateway over A's.
"""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["HOSTILE", "REFUSED", "SELECTORS", "shared", "shared_accepted"]

SELECTORS = (
    '{__name__=~".+"}',
    '{__name__=~".+",vm!="a1"}',
    "cpu",
    "secret",
    "unlabelled",
    "node_load1",
    "target_info",
    "shared",
    'cpu{project="A"}',
    'cpu{project="B"}',
    'cpu{project=~".*"}',
    'cpu{project=~".+"}',
    'cpu{project=""}',
    'cpu{project!="A"}',
    'cpu{project!~"A"}',
    'cpu{project=~"A|B"}',
    'cpu{project="A",project="B"}',
    'cpu{project="A",project=~".+",}',
    '{project="B"}',
    '{project=~".+"}',
    '{"secret"}',
    '{"cpu",project="B"}',
    '{__name__="secret"}',
    '{__name__="\\x73ecret"}',
    '{__name__="\\163ecret"}',
    '{__name__="\\u0073ecret"}',
    "{__name__=`secret`}",
    "{__name__='secret'}",
    'cpu{vm="}"}',
    'cpu{vm="{"}',
    'cpu{vm="# "}',
    'cpu{vm="\\"}"}',
    "cpu{vm='\"}'}",
    "cpu{vm=`\\`}",
    'cpu{# }\nvm="b1"}',
    "cpu # {\n",
    "# cpu{\nsecret",
    'secret # {project="A"}',
    'cpu{vm=~"(a+)+$"}',
    'cpu{vm=~"b.*|a.*"}',
    'cpu{vm="\\xff"}',
    'cpu{vm="\\000"}',
    'cpu{vm="naïve 日本"}',
    '{vm="b1"}',
    '{confidential="yes"}',
    '{secret="yes"}',
    '{operator="only"}',
)

HOSTILE = (
    *SELECTORS,
    'count_values("v",{__name__=~".+"}) and on() cpu',
    'label_replace({vm="b1"},"x","cpu","","")',
    'label_replace(cpu,"project","B","","")',
    'label_replace(vector(1),"project","B","","")',
    'label_join(cpu,"project","","vm")',
    'topk(scalar(count({project="B"})),cpu)',
    "topk(scalar(secret),cpu)",
    "bottomk(scalar(count(secret)),cpu)",
    "quantile(scalar(secret),cpu)",
    'count_values("project",secret)',
    'sum by ("a) (secret) or sum by (b") (cpu)',
    "sum by (project) (cpu)",
    "count by (project) ({__name__=~'.+'})",
    "sum without (project) (cpu)",
    "group by (project) (target_info)",
    "secret offset 5m",
    "secret offset -5m",
    "secret @ end()",
    "secret @ start()",
    "secret @ 0",
    "secret[10m]",
    "cpu[5m] offset 1m",
    "max_over_time(secret[5m:1m])",
    "max_over_time(rate(secret_total[2m])[10m:1m] offset 1m)",
    "sum(sum_over_time(secret[1h:1m] @ end()))",
    "absent(secret)",
    "absent(cpu)",
    'absent(cpu{project="B"})',
    'absent(cpu{project="A"})',
    "absent_over_time(secret[5m])",
    "cpu unless on() secret",
    "cpu and on() secret",
    "cpu or secret",
    "secret or cpu",
    "secret * on(zone) group_right(k) cpu",
    "cpu * on(zone) group_left(k) secret",
    "cpu * ignoring(project, vm, k) group_left secret",
    "shared + on(vm) shared",
    "shared == bool on(vm) shared",
    "sum(cpu)",
    "sum(cpu) - sum(cpu)",
    "vector(scalar(secret))",
    "scalar(shared)",
    "clamp(cpu,scalar(secret),scalar(secret))",
    "clamp_max(cpu,scalar(shared))",
    "round(cpu,scalar(shared))",
    "histogram_quantile(scalar(secret),cpu)",
    "histogram_quantile(0.9,sum by (le) (rate(latency_seconds_bucket[5m])))",
    "predict_linear(cpu[10m],scalar(shared))",
    "quantile_over_time(scalar(shared)/10,cpu[5m])",
    "holt_winters(cpu[10m],0.5,scalar(shared)/10)",
    "-secret",
    "--cpu",
    "((((secret))))",
    "sort_desc(cpu)",
    "timestamp(secret)",
    "changes(cpu[1h])",
    "delta(ended[2h])",
    "1+1",
    "time()",
    "vector(1)",
    "'text'",
    "special",
    "text",
    "sum",
    "sum + on() group_left sum",
    "by",
    "offset offset 5m",
    "cpu == cpu and cpu != cpu or cpu",
    "info(cpu)",
    'info(cpu,{__name__=~".+_info"})',
    'info(cpu,{k8s_cluster_name=~".+"})',
    "limitk(scalar(secret),cpu)",
    "limit_ratio(scalar(secret)/1e6,cpu)",
)
"""Expressions that are PromQL."""

REFUSED = (
    "",
    "{}",
    '{project=""}',
    '{vm=~".*"}',
    'cpu{vm="a1" or project="B"}',
    '{__name__="cpu" or __name__="secret"}',
    "cpu @ 1e300",
    "cpu{",
    'cpu{vm="a1"',
    'cpu{vm="a1}',
    'cpu{vm="\\q"}',
    'cpu{vm="\ufffd"}',
    "cpu}",
    "cpu[5m",
    "cpu cpu",
    "cpu; secret",
    "cpu /* c */",
    "unknown_function(secret)",
    "WITH (x = secret) x",
    "rate(cpu)",
    "sum(cpu",
    "(" * 101 + "cpu" + ")" * 101,
    "(" * 16000 + "cpu" + ")" * 16000,
    "cpu{" + ",".join(f'a{number}="x"' for number in range(10_000)) + "}",
    "x" * 40_000,
)
"""Expressions that the gateway refuses on its own."""


def _shared(name: str) -> Path:
    return Path(__file__).parents[3] / "shared" / "data" / "promql" / name


def shared() -> list[str]:
    """More of the same, where the data that is shared between checkouts is at hand."""
    file = _shared("hostile.tsv")
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()[1:]
    return [_spelled_out(line.split("\t")[0]) for line in lines]


def shared_accepted() -> list[str]:
    """Expressions of Prometheus' own tests, where they are at hand."""
    file = _shared("accept.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def _spelled_out(query: str) -> str:
    """What a placeholder in the shared data stands for."""
    if "...20000..." in query:
        return "(" * 20_000 + "cpu" + ")" * 20_000
    if "...10000 matchers" in query:
        return "cpu{" + ",".join(f'a{number}="x"' for number in range(10_000)) + "}"
    return query.replace("<NUL>", "\0").replace("<lone surrogate>", "\ud800")
