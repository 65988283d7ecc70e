"""The operator's answers: from options, from an earlier run, and from questions."""

from __future__ import annotations

import json
from argparse import BooleanOptionalAction
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import ConfigError
from chrysaetos.install.settings import ENGINES, PROXIES, Settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["FILE", "QUESTIONS", "add_options", "answer", "earlier_answers", "given_answers", "render"]

FILE = "init.json"
"""The file with the answers of the last run, without secrets."""


@dataclass(frozen=True, slots=True)
class Question:
    """A setting.

    Attributes:
        metavar: the form of its value in the help.
        text: what it is.
        asked: whether it is asked on a terminal; the others have a default that fits most.
    """

    metavar: str
    text: str
    asked: bool = False


QUESTIONS = {
    "keystone_url": Question("URL", "URL of Keystone, such as https://cloud.example/identity", asked=True),
    "public_url": Question(
        "URL", "URL of the gateway in the catalog, such as https://cloud.example/metric-storage", asked=True
    ),
    "prometheus_url": Question("URL", "URL of Prometheus, or of another engine with its API", asked=True),
    "engine": Question("NAME", f"the engine: {', '.join(ENGINES)}", asked=True),
    "tenant": Question("NAME", "with the engine mimir, the tenant that has the series of all projects"),
    "project_label": Question("LABEL", "label that holds the project id of a series", asked=True),
    "region": Question("NAME", "region of the endpoint in the catalog", asked=True),
    "service_user": Question("NAME", "Keystone user with which the gateway validates tokens", asked=True),
    "system_user": Question("NAME", "user of the operating system that runs the gateway"),
    "listen": Question("ADDRESS", "path of a Unix socket, or HOST:PORT, for the load balancer"),
    "workers": Question("NUMBER", "number of processes"),
    "metrics": Question("HOST:PORT", "address of the gateway's own metrics"),
    "proxy": Question("NAME", f"what terminates TLS: {', '.join(PROXIES)}"),
    "proxy_group": Question(
        "NAME", "group of the proxy's processes, for the Unix socket (default: haproxy; www-data for nginx)"
    ),
    "certificate": Question(
        "FILE",
        "the proxy's certificate, with its chain and key in one file (default: "
        "/etc/haproxy/certs/metric-storage.pem; /etc/nginx/certs/metric-storage.pem for nginx)",
    ),
    "keystone_ca": Question("FILE", "CA certificates for Keystone's certificate"),
    "prometheus_ca": Question("FILE", "CA certificates for Prometheus' certificate"),
    "program": Question("FILE", "the command chrysaetos, for the systemd unit"),
}
"""The settings with one value, by name."""

_LISTS = {
    "gateways": ("--gateway", "HOST:PORT", "another gateway for the load balancer; repeat it for each"),
    "trusted_proxies": (
        "--trusted-proxy",
        "ADDRESS",
        "load balancer on another machine, by address or network; repeat it for each",
    ),
}
"""The settings with several values: option, form of a value, and help."""

_WEB = "serve the web page for tenants at the public URL followed by /ui"

_DEFAULTS = {field.name: field.default for field in fields(Settings) if field.default is not MISSING}
_SAVED: dict[str, type] = {
    **{name: type(_DEFAULTS.get(name, "")) for name in QUESTIONS},
    **dict.fromkeys(_LISTS, list),
    "web": bool,
    "system": bool,
    "registered": bool,
}
"""What the file has, with its types."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each setting to a parser."""
    for name, question in QUESTIONS.items():
        default = _DEFAULTS.get(name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=int if isinstance(default, int) else str,
            metavar=question.metavar,
            help=f"{question.text} (default: {default})" if default else question.text,
        )
    for name, (option, metavar, text) in _LISTS.items():
        parser.add_argument(option, dest=name, action="append", metavar=metavar, help=text)
    parser.add_argument("--web", action=BooleanOptionalAction, help=f"{_WEB} (default: --no-web)")


def given_answers(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given as options."""
    given = {name: getattr(options, name) for name in (*QUESTIONS, *_LISTS, "web")}
    return {name: value for name, value in given.items() if value is not None}


def earlier_answers(directory: Path) -> dict[str, Any]:
    """Return the settings of the last run with ``system`` and ``registered``, none if there was none.

    Raises:
        ConfigError: the file is invalid.
    """
    try:
        found = json.loads((directory / FILE).read_text(encoding="utf-8"))
        answers = {name: found[name] for name in _SAVED if name in found}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{directory / FILE} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{directory / FILE} is invalid: {error}; remove it") from error
    for name, value in answers.items():
        texts = value if isinstance(value, list) else ()
        if type(value) is not _SAVED[name] or not all(isinstance(text, str) for text in texts):
            raise ConfigError(f"{directory / FILE} is invalid: {name}: {value!r}; remove it")
    return answers


def render(settings: Settings, *, system: bool, registered: bool) -> str:
    """Return the content of the file with the answers, and what was done with them."""
    done = {"system": system, "registered": registered}
    return json.dumps({**asdict(settings), **done}, indent=2) + "\n"


def answer(
    given: Mapping[str, Any], earlier: Mapping[str, Any], ask: Callable[[str], str] | None
) -> Settings:
    """Return the settings: those that were given, else the answers to questions, else those of earlier.

    Args:
        given: the settings that need no question.
        earlier: the defaults of the questions.
        ask: asks a question and returns the answer; None to ask nothing.

    Raises:
        ConfigError: a setting is missing or invalid, and nothing may be asked.
    """
    known = {**_DEFAULTS, **earlier}
    while True:
        if ask is not None:
            for name, question in QUESTIONS.items():
                if question.asked and name not in given:
                    known[name] = _ask(ask, question.text, known.get(name))
            if "web" not in given:
                default = "yes" if known["web"] else "no"
                known["web"] = _ask(ask, f"{_WEB}: yes or no", default).lower() in {"y", "yes"}
        values = {**known, **given}
        for name, question in QUESTIONS.items():
            if name not in values:
                raise ConfigError(f"--{name.replace('_', '-')} is required: {question.text}")
        try:
            return Settings(**{**values, **{name: tuple(values[name]) for name in _LISTS}})
        except ConfigError as error:
            if ask is None:
                raise
            print(f"{error}\nEnter keeps the answer in brackets.")
            known, given = values, {}


def _ask(ask: Callable[[str], str], text: str, default: Any) -> Any:
    shown = f" [{default}]" if default else ""
    while True:
        value = ask(f"{text}{shown}: ").strip() or default
        if value:
            return value
