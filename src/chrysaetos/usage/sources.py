"""Where weights and the start date come from: a file or an endpoint."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import requests

from chrysaetos.usage.dummy import load_toml
from chrysaetos.usage.records import UsageError, epoch
from chrysaetos.usage.weights import Weights

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["fetched_start", "fetched_weights", "parsed_start", "today", "weights_of_file"]

_TIMEOUT = 30


def weights_of_file(path: Path) -> Weights:
    """The weights under ``weights`` in a TOML file.

    Raises:
        UsageError: if there are none that can be read.
    """
    document = load_toml(path)
    if "weights" not in document:
        raise UsageError(f"{path} has no [[weights]]", reason="weights")
    return Weights.parse(document["weights"])


def fetched_weights(url: str) -> Weights:
    """The weights that an endpoint answers, as JSON.

    Raises:
        UsageError: if it cannot be asked, or answers something else.
    """
    return Weights.parse(_json(url, "weights"))


def fetched_start(url: str) -> float:
    """The start date that an endpoint answers, as JSON: ``[{"start_date": "2026-01-01"}]``; in epoch seconds.

    Raises:
        UsageError: if it cannot be asked, or answers something else.
    """
    answer = _json(url, "start date")
    if isinstance(answer, list) and answer and isinstance(answer[0], dict) and "start_date" in answer[0]:
        return parsed_start(str(answer[0]["start_date"]))
    raise UsageError(
        'the start date endpoint does not answer [{"start_date": "YYYY-MM-DD"}]', reason="endpoint"
    )


def parsed_start(text: str) -> float:
    """A start date as people write it, in seconds since the epoch; without a zone it is UTC.

    Raises:
        UsageError: if it is none.
    """
    try:
        return epoch(text.strip())
    except ValueError as error:
        raise UsageError(f"{text!r} is not a date such as 2026-01-31 or 2026-01-31T12:00:00+01:00") from error


def today() -> float:
    """The start of this day in UTC, in seconds since the epoch."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _json(url: str, what: str) -> object:
    try:
        answer = requests.get(url, timeout=_TIMEOUT)
        answer.raise_for_status()
        document: object = answer.json()
    except (requests.RequestException, ValueError) as error:
        # The address may hold a password: it is in the options, not in the log.
        raise UsageError(
            f"the {what} endpoint cannot be used: {type(error).__name__}", reason="endpoint"
        ) from error
    return document
