"""Read the start date and the weights from a file or a URL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import requests

from chrysaetos.usage.dummy import load_toml
from chrysaetos.usage.records import UsageError, epoch
from chrysaetos.usage.weights import Weights
from chrysaetos.utc import LAST_SECOND

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["fetch_start", "fetch_weights", "parse_date", "read_weights", "today"]

_TIMEOUT = 30


def read_weights(path: Path) -> Weights:
    """Return the weights under ``weights`` in a TOML file.

    Raises:
        UsageError: the file cannot be read or has no valid weights.
    """
    document = load_toml(path)
    if "weights" not in document:
        raise UsageError(f"{path} has no [[weights]]", reason="weights")
    return Weights.parse(document["weights"])


def fetch_weights(url: str) -> Weights:
    """Return the weights that a URL returns as JSON.

    Raises:
        UsageError: the request failed, or the response has another form.
    """
    return Weights.parse(_fetch_json(url, "weights"))


def fetch_start(url: str) -> float:
    """Return the start date that a URL returns as ``[{"start_date": "2026-01-01"}]``, in epoch seconds.

    Raises:
        UsageError: the request failed, or the response has another form.
    """
    document = _fetch_json(url, "start date")
    if isinstance(document, list) and document and isinstance(document[0], dict):
        start = document[0].get("start_date")
        if start is not None:
            return parse_date(str(start))
    raise UsageError(
        'the start date endpoint did not return [{"start_date": "YYYY-MM-DD"}]', reason="endpoint"
    )


def parse_date(text: str) -> float:
    """Return a date in seconds since the epoch. A date without a zone is UTC.

    Raises:
        UsageError: the text is not a date, or not one of the years 1970 to 9999.
    """
    try:
        date = epoch(text.strip())
    except ValueError as error:
        raise UsageError(f"{text!r} is not a date such as 2026-01-31 or 2026-01-31T12:00:00+01:00") from error
    if not 0 <= date <= LAST_SECOND:
        raise UsageError(f"{text!r} is not between 1970 and 9999")
    return date


def today() -> float:
    """Return the start of the current day in UTC, in seconds since the epoch."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _fetch_json(url: str, content: str) -> object:
    try:
        response = requests.get(url, timeout=_TIMEOUT)
        response.raise_for_status()
        document: object = response.json()
    except (requests.RequestException, ValueError) as error:
        # The URL may contain a password, so neither the URL nor the error's text is logged.
        raise UsageError(
            f"the {content} endpoint cannot be used: {type(error).__name__}", reason="endpoint"
        ) from error
    return document
