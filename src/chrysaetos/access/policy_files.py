"""The policy files: which they are, whether they changed, and their rules."""

from __future__ import annotations

import difflib
import logging
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from oslo_policy import policy

from chrysaetos.access.policies import list_rules

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from oslo_config import cfg

__all__ = ["files_with_rules", "fingerprint", "load_enforcer", "policy_paths", "unknown_rules"]

_LOG = logging.getLogger(__name__)

_MAX_DEPTH = 100
"""Maximum number of rules that refer to each other in a row. oslo.policy checks them recursively."""
_TOO_DEEP = f"rules refer to each other more than {_MAX_DEPTH} levels deep: write out what they refer to"

Fingerprint = tuple[tuple[str, int, int, int], ...]


def fingerprint(conf: cfg.ConfigOpts) -> Fingerprint:
    """Return a value that changes when a policy file changes."""
    return tuple(
        (str(path), status.st_ino, status.st_mtime_ns, status.st_size) for path, status in policy_paths(conf)
    )


def files_with_rules(conf: cfg.ConfigOpts) -> frozenset[Path]:
    """Return the policy files that are not empty. A file with ``{}`` has rules: it says that there are none.

    Raises:
        ValueError: the policy file is not a regular file.
        yaml.YAMLError, OSError: a file cannot be read.
    """
    result = set()
    for path, status in policy_paths(conf):
        if stat.S_ISREG(status.st_mode):
            if yaml.safe_load(path.read_text()) is not None:
                result.add(path)
        elif not stat.S_ISDIR(status.st_mode):
            raise ValueError(f"{path} is not a regular file")
    return frozenset(result)


def load_enforcer(conf: cfg.ConfigOpts) -> policy.Enforcer:
    """Return an enforcer with the current rules. It does not read the files again.

    Names of rules that nothing uses are logged.

    Raises:
        ValueError: the rules refer to each other too deeply.
        Exception: a file is invalid. YAML and oslo.policy raise exceptions without a common base class.
    """
    enforcer = policy.Enforcer(conf)
    enforcer.suppress_default_change_warnings = True
    enforcer.register_defaults(list_rules())
    try:
        enforcer.load_rules(force_reload=True)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    references = {name: frozenset(_references(check)) for name, check in enforcer.rules.items()}
    _check_depth(references)
    enforcer.check_rules(raise_on_violation=True)
    enforcer.use_conf = False
    for name, close in unknown_rules(enforcer):
        hint = f": did you mean {close}?" if close else ""
        _LOG.warning("the policy rule %s does not exist, and no rule refers to it%s", name, hint)
    return enforcer


def unknown_rules(enforcer: policy.Enforcer) -> Iterator[tuple[str, str]]:
    """Yield each rule of the files that nothing uses, with the closest known name or an empty text."""
    references = map(_references, enforcer.rules.values())
    used = frozenset(enforcer.registered_rules).union(*references)
    for name in enforcer.file_rules:
        if name not in used:
            yield name, next(iter(difflib.get_close_matches(name, enforcer.registered_rules, n=1)), "")


def policy_paths(conf: cfg.ConfigOpts) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the policy file, and the policy directories with what is in them, if they exist."""
    names = [conf.oslo_policy.policy_file, *conf.oslo_policy.policy_dirs]
    for found in filter(None, map(conf.find_file, names)):
        path = Path(found)
        for each in (path, *(sorted(path.iterdir()) if path.is_dir() else ())):
            with suppress(FileNotFoundError):
                yield each, each.stat()


def _references(check: object) -> Iterator[str]:
    """Yield the names of the rules that a check refers to."""
    pending = [check]
    while pending:
        current = pending.pop()
        if isinstance(current, policy.RuleCheck):
            yield current.match
        pending += getattr(current, "rules", ())
        pending += [current.rule] if hasattr(current, "rule") else []


def _check_depth(references: dict[str, frozenset[str]]) -> None:
    """Check that no chain of rules is too long: remove the rules that refer to no other one, again and again.

    Raises:
        ValueError: a chain is too long. Circles are left for oslo.policy to report.
    """
    left = {name: {each for each in names if each in references} for name, names in references.items()}
    for _ in range(_MAX_DEPTH):
        leaves = {name for name, names in left.items() if not names}
        if not leaves:
            return
        left = {name: names - leaves for name, names in left.items() if name not in leaves}
    if left:
        raise ValueError(_TOO_DEEP)
