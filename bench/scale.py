"""Measure the gateway as the number of projects, tokens and series grows, and its load on Keystone.

    python -m bench.scale [--engine NAME] [--steps PROJECTS:TOKENS:SERIES ...] [--json FILE] [--plot FILE]

Each step starts an engine with so many projects and series of each project, and a gateway, and asks it as
tenants (``--clients`` connections that use the tokens in turn), as a reader of a domain with up to 1,000 of
the projects, and as an admin who sees everything. The engine is asked directly as well: compare the ratios.
Keystone is a fake in this process. Validations are cached for longer than the run, so that they do not
disturb it: ``bench.keystone`` counts them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from bench.chart import Panel, draw
from bench.load import Measure, load
from tests.fakes.keystone import SERVICE_USER, FakeKeystone
from tools.engines import ENGINES, built

from chrysaetos.demo import engines
from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.processes import DemoError, Server
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.demo.thanos import Query, Sidecar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DOMAIN_PROJECTS = 1000
METRICS = 10
DOMAIN_RULE = "(role:reader or role:member) and (project_id:%(project_id)s or domain_id:%(domain_id)s)"
STEPS = (
    "100:100:200",
    "1000:1000:200",
    "10000:10000:200",
    "1000:10000:200",
    "1000:1000:20",
    "1000:1000:2000",
)


class Step(NamedTuple):
    """A size to measure: projects, tokens of tenants, and series of each project."""

    projects: int
    tokens: int
    series: int

    @classmethod
    def parse(cls, text: str) -> Step:
        """Return the step of ``PROJECTS:TOKENS:SERIES``."""
        return cls(*map(int, text.split(":")))


@dataclass(frozen=True, slots=True)
class Row:
    """The measurements of a caller in a step.

    Attributes:
        step: the size.
        caller: who asks.
        through: through the gateway.
        direct: the scoped query, sent to the engine.
    """

    step: Step
    caller: str
    through: Measure
    direct: Measure


def project_id(number: int) -> str:
    """Return the id of a project, as long as Keystone's."""
    return f"{number:032x}"


def samples(step: Step, now: int) -> Iterator[str]:
    """Yield a sample of each series at a time, as lines.

    Args:
        step: the size.
        now: seconds since the epoch.
    """
    for metric in range(METRICS):
        for number in range(step.projects):
            labels = f'project="{project_id(number)}"'
            for series in range(metric, step.series, METRICS):
                yield f'metric_{metric}{{{labels},vm="vm-{series // METRICS}"}} {series} {now}\n'


class VictoriaMetrics(engines.VictoriaMetrics):
    """A VictoriaMetrics for a sample of each series."""

    def __init__(self, directory: Path, program: str) -> None:
        super().__init__(
            directory,
            # The default is 16 KiB, less than a query of a domain with 1,000 projects.
            "-search.maxQueryLen=1MiB",
            *("-memory.allowedBytes=6GiB", "-search.maxUniqueTimeseries=5000000"),
            # The default is twice the number of cores, and tells others to come back.
            *("-search.maxQueueDuration=30s", "-search.maxConcurrentRequests=16"),
            program=program,
        )


def start_engine(stack: ExitStack, directory: Path, name: str, step: Step, now: int) -> list[Server]:
    """Start an engine with the samples; return its servers, the one to ask first."""
    if name == "victoriametrics":
        victoria = VictoriaMetrics(directory / "victoriametrics", program_of(name, "victoria-metrics"))
        stack.enter_context(victoria).write(samples(step, now))
        return [victoria]
    prometheus = Prometheus(directory / "prometheus")
    prometheus.external_labels = {"replica": "one"}
    prometheus.backfill([*samples(step, now), "# EOF\n"])
    stack.enter_context(prometheus)
    program = program_of("thanos", "thanos")
    sidecar = stack.enter_context(Sidecar(directory / "sidecar", program, prometheus.root_url))
    query = stack.enter_context(Query(directory / "query", program, [sidecar]))
    return [query, sidecar, prometheus]


def program_of(engine: str, command: str) -> str:
    """Return the program that ``tools/engines.py`` built, else the one on PATH.

    Raises:
        DemoError: there is none.
    """
    program = built(ENGINES[engine]) or shutil.which(command)
    if program is None:
        raise DemoError(f"{command} is not on PATH: run tools/engines.py build {engine}")
    return str(program)


def create_gateway(
    directory: Path, keystone: FakeKeystone, upstream: str, options: dict[str, dict[str, str]]
) -> Gateway:
    """Return a gateway that lets readers of a domain in."""
    gateway = Gateway(
        directory,
        keystone_url=f"{keystone.url}/v3",
        prometheus_url=upstream,
        user=SERVICE_USER[0],
        password=SERVICE_USER[1],
        # The fake's region.
        options={
            **options,
            "keystone_authtoken": {"region_name": "r", **options.get("keystone_authtoken", {})},
        },
    )
    gateway.policy_file.write_text(json.dumps({"telemetry:query": DOMAIN_RULE}))
    return gateway


def issue(keystone: FakeKeystone, step: Step) -> list[str]:
    """Issue the tokens of tenants, each of a user of its own, in their projects in turn."""
    tokens = []
    for number in range(step.tokens):
        token = keystone.issue(user=f"user-{number}").decode()
        keystone.tokens[token]["project"]["id"] = project_id(number % step.projects)
        tokens.append(token)
    return tokens


def measure(engine: str, step: Step, clients: int, seconds: float) -> Iterator[Row]:
    """Start an engine and a gateway, and yield the measurements of each caller."""
    now = int(time.time()) - 60
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        keystone = FakeKeystone()
        stack.callback(keystone.stop)
        servers = start_engine(stack, Path(folder), engine, step, now)
        options = {
            "gateway": {
                "token_cache_seconds": "3600",
                "domain_cache_seconds": "3600",
                # All tokens are new at first, and come from one address.
                "auth_failures_per_second": "0",
            },
            # As an enforcer, Thanos would refuse domains.
            "prometheus": {"engine": "prometheus" if engine == "thanos" else engine},
        }
        gateway = create_gateway(Path(folder) / "gateway", keystone, servers[0].root_url, options)
        stack.enter_context(gateway)
        tokens = Path(folder) / "tokens"
        projects = [project_id(number) for number in range(min(step.projects, DOMAIN_PROJECTS))]
        keystone.projects["all-id"] = projects
        callers = {
            "tenants": (clients, issue(keystone, step), f'project="{projects[0]}"'),
            "domain": (2, [keystone.issue(domain="all").decode()], f'project=~"{"|".join(projects)}"'),
            "admin": (2, [keystone.issue(roles=("admin",)).decode()], ""),
        }
        for caller, (connections, issued, matcher) in callers.items():
            tokens.write_text("\n".join(issued))
            asked = _path("sum(metric_0)", now), _path(f"sum(metric_0{{{matcher}}})", now)
            warm = len(keystone.validations) + len(issued)
            for _ in range(100):
                run(gateway, gateway.root_url + asked[0], connections, 3, tokens)
                if len(keystone.validations) >= warm:
                    break
            through = run(gateway, gateway.root_url + asked[0], connections, seconds, tokens)
            direct = run(servers[0], servers[0].root_url + asked[1], connections, seconds)
            yield Row(step, caller, through, direct)


def run(server: Server, url: str, clients: int, seconds: float, tokens: Path | None = None) -> Measure:
    """Ask a server for a URL."""
    return load(url, clients=clients, seconds=seconds, pid=server.pid or 0, tokens=tokens)


def _path(query: str, now: int) -> str:
    return "/api/v1/query?" + urlencode({"query": query, "time": now})


def show(row: Row) -> None:
    """Print a row of the table."""
    through, direct = row.through, row.direct
    print(
        f"{row.step.projects:8} {row.step.tokens:7} {row.step.projects * row.step.series:9} {row.caller:8}"
        f"{through.rate:8.0f}{through.p50:9.1f}{through.p99:9.1f}{direct.p50:9.1f}{direct.p99:9.1f}"
        f"{through.cpu_ms * 1000:9.0f}{through.memory:7.0f}{direct.memory:7.0f}{through.errors:7}",
        flush=True,
    )


def plot(file: Path, engine: str, rows: Sequence[Row]) -> None:
    """Draw the rows."""
    steps = list(dict.fromkeys(row.step for row in rows))
    columns = [f"{step.projects}/{step.tokens}/{step.projects * step.series}" for step in steps]

    def panel(title: str, value: Callable[[Row], float]) -> Panel:
        found = {(row.caller, row.step): value(row) for row in rows}
        callers = dict.fromkeys(row.caller for row in rows)
        return Panel(title, columns, {name: [found.get((name, step)) for step in steps] for name in callers})

    panels = [
        panel("p50, ratio to the engine asked directly", lambda row: row.through.p50 / row.direct.p50),
        panel("p99, ratio to the engine asked directly", lambda row: row.through.p99 / row.direct.p99),
        panel("CPU of the gateway per request, microseconds", lambda row: row.through.cpu_ms * 1000),
        panel("Memory of the gateway, MiB", lambda row: row.through.memory),
    ]
    draw(file, f"The gateway before {engine}, by projects / tokens / series", panels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", choices=("victoriametrics", "thanos"), default="victoriametrics")
    parser.add_argument("--steps", nargs="+", type=Step.parse, default=[Step.parse(text) for text in STEPS])
    parser.add_argument("--clients", type=int, default=1000, help="connections of the tenants")
    parser.add_argument("--seconds", type=float, default=10.0, help="duration of each measurement")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    parser.add_argument("--plot", type=Path, help="file for a plot: .svg or .png")
    arguments = parser.parse_args()
    rows = measured_rows(arguments.engine, arguments.steps, arguments.clients, arguments.seconds)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    if arguments.plot:
        plot(arguments.plot, arguments.engine, rows)


def measured_rows(engine: str, steps: Sequence[Step], clients: int, seconds: float) -> list[Row]:
    """Measure and print each step."""
    print(
        f"{'projects':>8} {'tokens':>7} {'series':>9} {'caller':8}{'req/s':>8}{'p50 ms':>9}{'p99 ms':>9}"
        f"{'direct':>9}{'direct':>9}{'CPU µs':>9}{'MiB':>7}{'engine':>7}{'errors':>7}"
    )
    rows = []
    for step in steps:
        for row in measure(engine, step, clients, seconds):
            show(row)
            rows.append(row)
    return rows


if __name__ == "__main__":
    main()
