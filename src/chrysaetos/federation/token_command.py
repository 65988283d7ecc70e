"""``chrysaetos federate token``: make, list, revoke and rotate the tokens of portals."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import Token, changing, new_token, read_tokens, write_tokens
from chrysaetos.promql.units import duration_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFAULT_FILE", "add_arguments", "run"]

DEFAULT_FILE = Path("/etc/chrysaetos/federation-tokens.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(dest="token_action", metavar="ACTION", required=True)

    new = actions.add_parser("new", help="make a token; it is shown once")
    new.add_argument("name", help="whose it is, for the log")
    new.add_argument(
        "--allow",
        action="append",
        required=True,
        metavar="SELECTOR",
        help="what it may see, such as '{job=\"project_usages\"}'; several are added up",
    )
    new.add_argument(
        "--expires",
        required=True,
        metavar="SPAN",
        help="how long it is good: 90d, 12h, 1y; or never",
    )
    listing = actions.add_parser("list", help="what tokens there are")
    listing.add_argument("--json", action="store_true", help="as JSON")
    revoke = actions.add_parser("revoke", help="end all tokens of a name at once")
    revoke.add_argument("name")
    rotate = actions.add_parser("rotate", help="make a new token with the same policy; the old one ends soon")
    rotate.add_argument("name")
    rotate.add_argument(
        "--expires", metavar="SPAN", help="how long the new one is good (default: as long as the old one was)"
    )
    rotate.add_argument(
        "--grace", default="1d", metavar="SPAN", help="how long the old one stays good (default: %(default)s)"
    )
    for action in (new, listing, revoke, rotate):
        action.add_argument(
            "--tokens",
            type=Path,
            # The command's own --tokens has the default.
            default=argparse.SUPPRESS,
            metavar="FILE",
            help=f"the file with their hashes (default: {DEFAULT_FILE})",
        )


def run(options: argparse.Namespace) -> int:
    """Do what was asked for.

    Returns:
        The exit status: 0, or 1 when it could not be done.
    """
    action = {"new": _new, "list": _list, "revoke": _revoke, "rotate": _rotate}[options.token_action]
    try:
        with nullcontext() if action is _list else changing(options.tokens):
            action(options, time.time())
    except ConfigError as error:
        print(f"chrysaetos federate token: {error}", file=sys.stderr)
        return 1
    return 0


def _new(options: argparse.Namespace, now: float) -> None:
    tokens = _known(options.tokens, missing_ok=True)
    if any(one.name == options.name and one.valid(now) for one in tokens):
        raise ConfigError(f"there is a token {options.name}: rotate or revoke it, or take another name")
    span = parse_span(options.expires)
    policy = Policy(tuple(options.allow))
    secret, token = new_token(options.name, policy, now=now, expires=None if span is None else now + span)
    write_tokens(options.tokens, [*tokens, token])
    _show(secret, token)


def _list(options: argparse.Namespace, now: float) -> None:
    tokens = _known(options.tokens)
    if options.json:
        document = [
            {
                "name": one.name,
                "allow": list(one.policy.selectors),
                "created": _moment(one.created),
                "expires": None if one.expires is None else _moment(one.expires),
                "valid": one.valid(now),
            }
            for one in tokens
        ]
        print(json.dumps(document, indent=2))
        return
    for one in tokens:
        state = "valid " if one.valid(now) else "ended "
        print(f"{state} {one.name}  {_until(one)}  {'  '.join(one.policy.selectors)}")


def _revoke(options: argparse.Namespace, now: float) -> None:
    tokens = _known(options.tokens)
    kept = [one for one in tokens if one.name != options.name]
    if len(kept) == len(tokens):
        raise ConfigError(f"there is no token {options.name}")
    write_tokens(options.tokens, kept)
    ended = sum(one.valid(now) for one in tokens) - sum(one.valid(now) for one in kept)
    print(f"revoked: {ended} valid token{'s' if ended != 1 else ''} of {options.name}", file=sys.stderr)


def _rotate(options: argparse.Namespace, now: float) -> None:
    tokens = _known(options.tokens)
    own = [one for one in tokens if one.name == options.name]
    if not own:
        raise ConfigError(f"there is no token {options.name}")
    latest = max(own, key=lambda one: one.created)
    if options.expires is not None:
        span = parse_span(options.expires)
    else:
        span = None if latest.expires is None else latest.expires - latest.created
    grace = parse_span(options.grace)
    secret, token = new_token(
        options.name, latest.policy, now=now, expires=None if span is None else now + span
    )
    # Those that are over already have no more use; the others end with the grace.
    kept = [
        one if one.name != options.name or grace is None else one.ending(now + grace)
        for one in tokens
        if one.name != options.name or one.valid(now)
    ]
    write_tokens(options.tokens, [*kept, token])
    _show(secret, token)


def _known(path: Path, *, missing_ok: bool = False) -> Sequence[Token]:
    return () if missing_ok and not path.exists() else read_tokens(path)


def _show(secret: str, token: Token) -> None:
    """The secret alone goes to the standard output, so that it can go to a file."""
    print(secret)
    print(
        f"This is the token of {token.name}, {_until(token)}. It is shown this once: give it to the portal, "
        "for its credentials_file.",
        file=sys.stderr,
    )


def _until(token: Token) -> str:
    return "without an end" if token.expires is None else f"until {_moment(token.expires)}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_span(text: str) -> float | None:
    """A span of time in seconds; None for ``never``.

    Raises:
        ConfigError: it is none.
    """
    if text == "never":
        return None
    try:
        length = duration_milliseconds(text)
    except (ValueError, OverflowError):
        length = 0
    if not length:
        raise ConfigError(f"{text!r} is not a span of time such as 90d, 12h, 1y, or never")
    return length / 1000
