"""The policy files: which they are, whether they changed, and their rules."""

from __future__ import annotations

import difflib
import logging
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from oslo_config import cfg
from oslo_policy import policy

from chrysaetos.access.policies import list_rules

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = [
    "check_named_file",
    "files_with_rules",
    "fingerprint",
    "load_enforcer",
    "policy_paths",
    "unknown_rules",
]

_LOG = logging.getLogger(__name__)

_DEFAULTS = (cfg.Locations.opt_default, cfg.Locations.set_default)
_MAX_DEPTH = 200
"""Maximum number of nested operators and references to other rules. oslo.policy checks them recursively."""
_MAX_BYTES = 128 * 1024
"""Maximum size of all policy files together. Reading that much takes a second at most, whatever is in it."""
_TOO_DEEP = f"rules are nested, or refer to each other, more than {_MAX_DEPTH} levels deep: simplify them"

Fingerprint = tuple[tuple[str, int, int, int], ...]


def fingerprint(conf: cfg.ConfigOpts) -> Fingerprint:
    """Return a value that changes when a policy file changes.

    Raises:
        OSError: the files cannot be listed.
    """
    return tuple(
        (str(path), status.st_ino, status.st_mtime_ns, status.st_size) for path, status in policy_paths(conf)
    )


def check_named_file(conf: cfg.ConfigOpts) -> None:
    """Check that the policy file exists if the configuration names one. Without it the defaults would apply.

    Raises:
        ValueError: it does not exist.
    """
    name = conf.oslo_policy.policy_file
    place = conf.get_location("policy_file", "oslo_policy")
    named = place is not None and place.location not in _DEFAULTS
    if named and name and conf.find_file(name) is None:
        raise ValueError(
            f"there is no file {name}: create it, with {{}} for the default rules, or remove the option"
        )


def files_with_rules(conf: cfg.ConfigOpts) -> frozenset[Path]:
    """Return the policy files that are not empty. A file with ``{}`` has rules: it says that there are none.

    Raises:
        ValueError: the policy file is not a regular file, or the files are too large.
        yaml.YAMLError, OSError: a file cannot be read.
    """
    _check_size(conf)
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
        ValueError: the files are too large, or the rules are nested, or refer to each other, too deeply.
        Exception: a file is invalid. YAML and oslo.policy raise exceptions without a common base class.
    """
    _check_size(conf)
    enforcer = policy.Enforcer(conf)
    enforcer.suppress_default_change_warnings = True
    enforcer.register_defaults(list_rules())
    try:
        enforcer.load_rules(force_reload=True)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    levels = {name: _levels(check) for name, check in enforcer.rules.items()}
    _check_depth(levels)
    enforcer.check_rules(raise_on_violation=True)
    enforcer.use_conf = False
    for name, close in unknown_rules(enforcer):
        hint = f": did you mean {close}?" if close else ""
        _LOG.warning("the policy rule %s does not exist, and no rule refers to it%s", name, hint)
    return enforcer


def unknown_rules(enforcer: policy.Enforcer) -> Iterator[tuple[str, str]]:
    """Yield each rule of the files that nothing uses, with the closest known name or an empty text."""
    references = (_levels(check)[1] for check in enforcer.rules.values())
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


def _check_size(conf: cfg.ConfigOpts) -> None:
    size = sum(status.st_size for _, status in policy_paths(conf) if stat.S_ISREG(status.st_mode))
    if size > _MAX_BYTES:
        raise ValueError(f"the policy files have {size} bytes together: they may have {_MAX_BYTES} at most")


def _levels(check: object) -> tuple[int, dict[str, int]]:
    """Return how deep a check is nested, and at which depth it refers to other rules."""
    deepest, references = 0, dict[str, int]()
    pending = [(check, 1)]
    while pending:
        current, level = pending.pop()
        deepest = max(deepest, level)
        if isinstance(current, policy.RuleCheck):
            references[current.match] = max(level, references.get(current.match, 0))
        inner = [*getattr(current, "rules", ()), *([current.rule] if hasattr(current, "rule") else ())]
        pending += [(each, level + 1) for each in inner]
    return deepest, references


def _check_depth(rules: dict[str, tuple[int, dict[str, int]]]) -> None:
    """Check that no rule is too deep, together with the rules that it refers to, which are counted first.

    Raises:
        ValueError: a rule is too deep. Circles are left for oslo.policy to report.
    """
    totals: dict[str, int] = {}
    left = dict(rules)
    while ready := [name for name, (_, names) in left.items() if not left.keys() & names.keys()]:
        for name in ready:
            deepest, names = left.pop(name)
            totals[name] = max(deepest, *(level + totals.get(each, 0) for each, level in names.items()), 0)
            if totals[name] > _MAX_DEPTH:
                raise ValueError(_TOO_DEEP)
