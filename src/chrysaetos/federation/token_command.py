"""``chrysaetos federate token``: generate, list, revoke and rotate the tokens of portals."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import Token, lock_tokens, new_token, read_tokens, write_tokens
from chrysaetos.promql.units import duration_milliseconds
from chrysaetos.utc import utc_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFAULT_FILE", "add_arguments", "run"]

DEFAULT_FILE = Path("/etc/chrysaetos/federation-tokens.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    actions = parser.add_subparsers(dest="token_action", metavar="ACTION", required=True)

    new = actions.add_parser("new", help="generate a token and print it once")
    new.add_argument("name", help="name of the portal, for the log")
    new.add_argument(
        "--allow",
        action="append",
        required=True,
        metavar="SELECTOR",
        help="selector that the portal may read, such as '{job=\"project_usages\"}'; may be repeated",
    )
    new.add_argument(
        "--expires",
        required=True,
        metavar="DURATION",
        help="lifetime of the token, such as 90d, 12h or 1y; or never",
    )
    listing = actions.add_parser("list", help="list the tokens")
    listing.add_argument("--json", action="store_true", help="print JSON")
    revoke = actions.add_parser("revoke", help="revoke all tokens of a portal immediately")
    revoke.add_argument("name", help="name of the portal")
    rotate = actions.add_parser(
        "rotate", help="generate a new token with the same policy; the old token expires after --grace"
    )
    rotate.add_argument("name", help="name of the portal")
    rotate.add_argument(
        "--expires",
        metavar="DURATION",
        help="lifetime of the new token (default: the lifetime of the old token)",
    )
    rotate.add_argument(
        "--grace",
        default="1d",
        metavar="DURATION",
        help="how long the old token stays valid (default: %(default)s)",
    )
    for action in (new, listing, revoke, rotate):
        action.add_argument(
            "--tokens",
            type=Path,
            # The parent command's --tokens has the default.
            default=argparse.SUPPRESS,
            metavar="FILE",
            help=f"the token file (default: {DEFAULT_FILE})",
        )


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 1 for an error.
    """
    action = {"new": _new, "list": _list, "revoke": _revoke, "rotate": _rotate}[options.token_action]
    try:
        if action is _new:
            _create_directory(options.tokens.parent)
        with nullcontext() if action is _list else lock_tokens(options.tokens):
            action(options, time.time())
    except ConfigError as error:
        print(f"chrysaetos federate token: {error}", file=sys.stderr)
        return 1
    return 0


def _create_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True)
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigError(f"the directory {directory} cannot be created: {error.strerror}") from error
    print(f"created the directory {directory}", file=sys.stderr)


def _new(options: argparse.Namespace, now: float) -> None:
    tokens = read_tokens(options.tokens) if options.tokens.exists() else ()
    if any(token.name == options.name and token.is_valid(now) for token in tokens):
        raise ConfigError(
            f"a token {options.name} already exists: rotate or revoke it, or choose another name"
        )
    lifetime = parse_lifetime(options.expires)
    _generate(options, tokens, Policy(tuple(options.allow)), lifetime, now)


def _list(options: argparse.Namespace, now: float) -> None:
    tokens = read_tokens(options.tokens)
    if options.json:
        document = [
            {
                "name": token.name,
                "allow": list(token.policy.selectors),
                "created": utc_text(token.created),
                "expires": None if token.expires is None else utc_text(token.expires),
                "valid": token.is_valid(now),
            }
            for token in tokens
        ]
        print(json.dumps(document, indent=2))
        return
    for token in tokens:
        state = "valid  " if token.is_valid(now) else "expired"
        print(f"{state} {token.name}  {_format_expiry(token)}  {'  '.join(token.policy.selectors)}")


def _revoke(options: argparse.Namespace, now: float) -> None:
    tokens = read_tokens(options.tokens)
    revoked = _tokens_of(options.name, tokens)
    write_tokens(options.tokens, [token for token in tokens if token not in revoked])
    count = sum(token.is_valid(now) for token in revoked)
    print(f"revoked: {count} valid token{'s' if count != 1 else ''} of {options.name}", file=sys.stderr)


def _rotate(options: argparse.Namespace, now: float) -> None:
    tokens = read_tokens(options.tokens)
    latest = max(_tokens_of(options.name, tokens), key=lambda token: token.created)
    if options.expires is not None:
        lifetime = parse_lifetime(options.expires)
    else:
        lifetime = None if latest.expires is None else latest.expires - latest.created
    grace = parse_lifetime(options.grace)
    # Expired tokens of this name are removed; the others expire after the grace period.
    kept = [
        token if token.name != options.name or grace is None else token.expire_by(now + grace)
        for token in tokens
        if token.name != options.name or token.is_valid(now)
    ]
    _generate(options, kept, latest.policy, lifetime, now)


def _tokens_of(name: str, tokens: Sequence[Token]) -> list[Token]:
    found = [token for token in tokens if token.name == name]
    if not found:
        raise ConfigError(f"there is no token {name}")
    return found


def _generate(
    options: argparse.Namespace, kept: Sequence[Token], policy: Policy, lifetime: float | None, now: float
) -> None:
    """Generate a token, write it to the file with the tokens to keep, and print it."""
    expires = None if lifetime is None else now + lifetime
    secret, token = new_token(options.name, policy, now=now, expires=expires)
    write_tokens(options.tokens, [*kept, token])
    # Only the token goes to standard output, so that it can be redirected to a file.
    print(secret)
    print(
        f"This is the token of {token.name}; it {_format_expiry(token)}. It is not shown again: store it in "
        "the portal's credentials_file.",
        file=sys.stderr,
    )


def _format_expiry(token: Token) -> str:
    return "does not expire" if token.expires is None else f"expires {utc_text(token.expires)}"


def parse_lifetime(text: str) -> float | None:
    """Return a duration in seconds; None for ``never``.

    Raises:
        ConfigError: the text is not a duration, or is zero.
    """
    if text == "never":
        return None
    try:
        length = duration_milliseconds(text)
    except (ValueError, OverflowError):
        length = 0
    if not length:
        raise ConfigError(f"{text!r} is not a duration such as 90d, 12h or 1d12h, or never")
    return length / 1000
