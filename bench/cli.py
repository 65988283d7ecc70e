"""Measure the CPU time of the command ``chrysaetos``: its start, and one query with a login.

    python -m bench.cli [--rounds N] [--program PATH]

The query logs in to a real Keystone and reads from a Prometheus in its catalog. Each round runs each command
once; the median, minimum and maximum of the rounds are printed, of user and system time together.
``--program`` measures another installation, such as one with the extra ``cli`` alone.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from chrysaetos.demo.identities import DOMAIN, IdentityApi
from chrysaetos.demo.keystone import REGION, Keystone
from chrysaetos.demo.prometheus import Prometheus


def cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    """Return the CPU time of a command that succeeds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--program", default=str(Path(sys.executable).with_name("chrysaetos")))
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-cli-")))
        keystone = Keystone(folder / "keystone")
        prometheus = Prometheus(folder / "prometheus")
        for server in (keystone, prometheus):
            stack.callback(server.stop)
            server.start()
        keystone.wait_ready()
        prometheus.wait_ready()
        api = IdentityApi(keystone.url, keystone.admin_password)
        stack.callback(api.close)
        api.register_endpoint("metric-storage", "aetos", prometheus.url)
        tenant = api.create_account("bench", api.create_project("bench"), "bench", "reader")
        auth = {
            "auth_url": keystone.url,
            "username": tenant.user,
            "password": tenant.password,
            "user_domain_id": DOMAIN,
            "project_id": tenant.project_id or "",
        }
        plain = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        variables = {f"OS_{name.upper()}": value for name, value in auth.items()}
        clouds = folder / "clouds.yaml"
        clouds.write_text(json.dumps({"clouds": {"bench": {"auth": auth, "region_name": REGION}}}))
        query = [options.program, "query", "vector(1)"]
        cases: dict[str, tuple[list[str], dict[str, str]]] = {
            "--help": ([options.program, "--help"], plain),
            "query --help": ([options.program, "query", "--help"], plain),
            "query, variables OS_*": (query, {**plain, **variables, "OS_REGION_NAME": REGION}),
            "query, clouds.yaml": (
                [*query, "--os-cloud", "bench"],
                {**plain, "OS_CLIENT_CONFIG_FILE": str(clouds)},
            ),
            "query --url": ([*query, "--url", prometheus.url], plain),
        }
        taken: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(options.rounds):
            for name, (command, environment) in cases.items():
                taken[name].append(cpu_seconds(command, environment) * 1000)
    print(f"{'CPU time in ms':24} {'median':>7} {'min':>7} {'max':>7}")
    for name, times in taken.items():
        print(f"{name:24} {statistics.median(times):7.0f} {min(times):7.0f} {max(times):7.0f}")


if __name__ == "__main__":
    main()
