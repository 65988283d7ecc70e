"""The development set-up of the compose files, with each service as a process instead of a container."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests
import yaml
from tests.support.commands import run

from chrysaetos.demo.processes import LOOPBACK, Process, free_port, wait_for

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
SITES = ("alpha", "beta")
PROGRAM = [sys.executable, "-m"]


def services(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / path).read_text())["services"]
    return content


def entrypoint(target: str) -> list[str]:
    """Return the entry point of an image, without listening on all addresses."""
    stage = (ROOT / "Containerfile").read_text().partition(f" AS {target}\n")[2].partition("\nFROM ")[0]
    (words,) = re.findall(r"(?m)^ENTRYPOINT (\[.*\])$", stage)
    return [LOOPBACK if word == "0.0.0.0" else word for word in json.loads(words)]  # noqa: S104  # not bound


def test_usage_of_both_sites_reaches_the_portal(tmp_path: Path) -> None:
    portal, development = services("portal/compose.yaml"), services("development/compose.override.yaml")
    ports = {"prometheus": free_port()}
    for name in development:
        ports.setdefault(name, free_port(taken=set(ports.values())))

    def local(text: str) -> str:
        """Return a text with the addresses and paths of this machine in place of a container's."""
        for name, port in sorted(ports.items(), key=lambda entry: -len(entry[0])):
            text = re.sub(rf"\b{name}:(8080|909\d)\b", f"{LOOPBACK}:{port}", text)
        text = text.replace("/tokens", str(tmp_path / "tokens")).replace("/data/", f"{ROOT}/docs/examples/")
        text = text.replace("/etc/prometheus/", f"{tmp_path}/").replace("$$", "$")
        text = text.replace("chgrp 10001", "test -f")  # only root may
        # For Prometheus 2.42 of Debian 12, and to be fast.
        text = text.replace("track_timestamps_staleness: true", "honor_timestamps: false")
        return re.sub("(scrape|evaluation)_interval: [0-9]+m", r"\1_interval: 1s", text)

    def config(source: str, name: str) -> None:
        (tmp_path / name).write_text(local((FOLDER / source).read_text()))

    shutil.copytree(FOLDER / "portal" / "rules", tmp_path / "rules")
    config("development/prometheus.yml", "prometheus.yml")
    (tmp_path / "tokens").mkdir()
    tokens = development["tokens"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    generated = run([*tokens["entrypoint"], local(tokens["command"][0])], env={"PATH": path})
    assert generated.status == 0, generated.err

    with ExitStack() as stack:

        def start(name: str, command: list[str], **environment: str) -> None:
            process = Process(name, command, log=tmp_path / f"{name}.log", environment=environment)
            stack.callback(process.stop)

        def prometheus(name: str, command: list[str]) -> None:
            words = [
                local(word).replace("path=/prometheus", f"path={tmp_path}/{name}-data") for word in command
            ]
            start(name, ["prometheus", f"--web.listen-address={LOOPBACK}:{ports[name]}", *words])

        for site in SITES:
            exporter = development[f"exporter-{site}"]
            environment = {key: local(value) for key, value in exporter["environment"].items()}
            command = [*PROGRAM, *entrypoint("usage"), "--port", str(ports[f"exporter-{site}"])]
            start(f"exporter-{site}", command, **environment)
            config(f"development/prometheus-{site}.yml", f"prometheus-{site}.yml")
            own = development[f"prometheus-{site}"]["command"]
            prometheus(
                f"prometheus-{site}",
                [word.replace("prometheus.yml", f"prometheus-{site}.yml") for word in own],
            )
            arguments = [local(word) for word in development[f"gate-{site}"]["command"]]
            gate = [*PROGRAM, *entrypoint("federate"), "--port", str(ports[f"gate-{site}"]), *arguments]
            gate[gate.index("--metrics-port") + 1] = str(free_port(taken=set(ports.values())))
            start(f"gate-{site}", gate)
        prometheus("prometheus", portal["prometheus"]["command"])

        def found() -> set[str]:
            try:
                response = requests.get(
                    f"http://{LOOPBACK}:{ports['prometheus']}/api/v1/query",
                    params={"query": "project_vcpu_usage > 0 and on (location) usage_exporter_up == 1"},
                    timeout=10,
                )
                return {series["metric"]["location"] for series in response.json()["data"]["result"]}
            except (requests.RequestException, KeyError):
                return set()

        assert wait_for(lambda: found() == set(SITES), timeout=90), found()
