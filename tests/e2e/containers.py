"""The services of compose files as processes that have a container's files, variables and arguments.

Docker Compose's own loader reads the files. Each service gets a directory in place of the container's root,
and free ports on loopback in place of those of its image. In its arguments, variables and configuration,
the container's paths, and the addresses of services in the same networks, are replaced by these.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tests.engines import program_of
from tests.support.commands import run

from chrysaetos.demo.processes import LOOPBACK, Process, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["COMPOSE", "Containers"]

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


class _Image(NamedTuple):
    """What an image adds to a service.

    Attributes:
        entrypoint: its entry point.
        ports: the ports that it listens on, by the option that sets each.
        environment: its variables.
        volumes: the paths of its volumes.
        health: the command of its health check, if it has one.
    """

    entrypoint: Sequence[str]
    ports: Mapping[str, int]
    environment: Mapping[str, str]
    volumes: Sequence[str]
    health: Sequence[str]


_PROMETHEUS = _Image(["prometheus"], {"--web.listen-address": 9090}, {}, ["/prometheus"], [])
_PORTS = {"usage": {"--port": 8080}, "federate": {"--port": 9091, "--metrics-port": 9092}}


def _built_image(target: str) -> _Image:
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    stage = text.partition(f" AS {target}\n")[2].partition("\nFROM ")[0]
    words = " ".join(re.findall(r"(?m)^ENV (.*)$", stage)).split()
    return _Image(
        json.loads(*re.findall(r"(?m)^ENTRYPOINT (.*)$", stage)),
        _PORTS[target],
        dict(word.split("=", 1) for word in words),
        re.findall(r"(?m)^VOLUME (.*)$", stage),
        json.loads(*re.findall(r"(?m)^HEALTHCHECK .* CMD +(.*)$", stage)),
    )


class Containers:
    """The containers of a project. A context manager, which stops them at the end.

    Args:
        directory: the directory for their files.
        files: the compose files.
        hosts: addresses outside of the project, such as ``gate.example:9091``, and what replaces them.
    """

    def __init__(self, directory: Path, *files: Path, hosts: Mapping[str, str] | None = None) -> None:
        variables = {"CHRYSAETOS_SOURCE": str(ROOT), "GRAFANA_PASSWORD": "secret"}
        loader = [program_of("compose_spec"), *map(str, files)]
        self.services: dict[str, Any] = run(loader, cwd=files[0].parent, env=variables).json["services"]
        self._directory = directory
        self._hosts = dict(hosts or {})
        self._images = {
            name: _built_image(service["build"]["target"]) if "build" in service else _PROMETHEUS
            for name, service in self.services.items()
            if "build" in service or "/prom/prometheus:" in service["image"]
        }
        self._ports: dict[tuple[str, int], int] = {}
        for name, image in self._images.items():
            for port in image.ports.values():
                self._ports[name, port] = free_port(taken=set(self._ports.values()))
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def address(self, name: str, port: int) -> str:
        """Return the address at which a port of a container can be reached."""
        return f"{LOOPBACK}:{self._ports[name, port]}"

    def volume(self, name: str) -> Path:
        """Return the directory of a named volume."""
        path = self._directory / "volumes" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def run(self, name: str) -> None:
        """Run a container to its end."""
        self._mount(name)
        assert run(self._command(name), env={**self._environment(name), "PATH": _PATH}).out == ""

    def start(self, *names: str) -> None:
        """Start containers, and wait for each until its health check succeeds."""
        for name in names:
            self._mount(name)
            image = self._images[name]
            command = self._command(name)
            for option, port in image.ports.items():
                address = self.address(name, port)
                command.append(f"{option}={address if 'address' in option else address.split(':')[1]}")
            log = self._directory / f"{name}.log"
            process = Process(name, command, log=log, environment=self._environment(name))
            self._stack.callback(process.stop)
            health = self._localize(name, *image.health)

            def is_healthy(process: Process = process, health: list[str] = health) -> bool:
                process.check()
                return not health or run(health).status == 0

            assert wait_for(is_healthy, timeout=60), process.tail()

    def _command(self, name: str) -> list[str]:
        service = self.services[name]
        entrypoint = service["entrypoint"] or self._images[name].entrypoint
        return self._localize(name, *entrypoint, *(service["command"] or ()))

    def _environment(self, name: str) -> dict[str, str]:
        environment = {**self._images[name].environment, **self.services[name].get("environment", {})}
        return {variable: self._replace(name, value) for variable, value in environment.items()}

    def _localize(self, name: str, *words: str) -> list[str]:
        """Return a command with the program's path on this machine."""
        program = [str(shutil.which(word, path=_PATH)) for word in words[:1]]
        return [*program, *(self._replace(name, word) for word in words[1:])]

    def _root(self, name: str) -> Path:
        return self._directory / "roots" / name

    def _volumes(self, name: str) -> dict[str, Path]:
        """Return what is mounted, by the path in the container; a path below another comes later."""
        mounted = {path: self.volume(f"{name}{path}") for path in self._images[name].volumes}
        for volume in self.services[name].get("volumes", ()):
            source = volume["source"]
            mounted[volume["target"]] = Path(source) if volume["type"] == "bind" else self.volume(source)
        return dict(sorted(mounted.items()))

    def _mount(self, name: str) -> None:
        """Link what is mounted. Configuration is copied, with what has to be replaced in it."""

        def copy(source: str, target: str) -> None:
            Path(target).write_text(self._replace(name, Path(source).read_text()))

        for path, source in self._volumes(name).items():
            target = self._root(name) / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".yml":
                copy(str(source), str(target))
            elif any(source.glob("*.yml")):
                shutil.copytree(source, target, copy_function=copy, dirs_exist_ok=True)
            elif not target.is_symlink():
                target.symlink_to(source)

    def _replace(self, name: str, text: str) -> str:
        """Return a text with the paths and addresses of this machine in place of the container's."""
        networks = self.services[name].get("networks", {}).keys()
        hosts = {
            f"{other}:{port}": self.address(other, port)
            for other, port in self._ports
            if networks & self.services[other].get("networks", {}).keys()
        }
        own = {f"{LOOPBACK}:{port}": self.address(name, port) for port in self._images[name].ports.values()}
        for address, replacement in {**hosts, **own, **self._hosts}.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(address)}\b", replacement, text)
        for path in self._volumes(name):
            text = re.sub(rf"(?<![\w./]){path}(?![\w.-])", f"{self._root(name)}{path}", text)
        # No process listens on other addresses, and only root may change the group of a file.
        text = re.sub(r"\b0\.0\.0\.0\b", LOOPBACK, text)
        text = text if os.geteuid() == 0 else text.replace("chgrp 10001", "test -f")
        # For Prometheus 2.42 of Debian 12, and to be fast.
        text = text.replace("track_timestamps_staleness: true", "honor_timestamps: false")
        return re.sub("interval: [0-9]+m", "interval: 1s", text)
