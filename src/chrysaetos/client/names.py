"""The name of a label as it stands in a path."""

from __future__ import annotations

import re

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.promql.strings import is_label_name, is_legacy_name

__all__ = ["path_name"]

_PREFIX = "U__"
_ESCAPED = re.compile(r"[^A-Za-z0-9:]|\A[0-9]")


def path_name(label: str) -> str:
    """A label's name as a part of a path.

    A name that is not of letters, digits and underscores goes as `U__…` (prometheus/common, `model`,
    `ValueEncodingEscaping`), and so does one that would be read as such.

    Raises:
        InvalidArgument: it cannot name a label.
    """
    if not isinstance(label, str) or not is_label_name(label):
        raise InvalidArgument(f"no name of a label: {label!r}")
    if is_legacy_name(label) and not label.startswith(_PREFIX):
        return label
    return _PREFIX + _ESCAPED.sub(lambda match: "__" if match[0] == "_" else f"_{ord(match[0]):x}_", label)
