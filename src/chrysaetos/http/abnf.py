"""Character classes of HTTP's grammar, as parts of regular expressions."""

from __future__ import annotations

import re

__all__ = ["ADDRESS", "NAME", "PATH_PREFIX", "TCHAR", "VALUE", "VCHAR"]

TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
"""A character of a token: a method, or the name of a field (RFC 9110, 5.6.2)."""

VALUE = rb"[\t\x20-\x7e\x80-\xff]*"
"""field-value without line folding: VCHAR, obs-text, SP, HTAB (RFC 9110, 5.5). reason-phrase is the same."""

VCHAR = rb"[\x21\x22\x24-\x7e]"
"""A character of a request-target. Any visible ASCII but ``#`` is accepted (RFC 9112, 3.2)."""

NAME = rb"[0-9A-Za-z._\-]"
"""A character of a host name, as in DNS."""

ADDRESS = rb"[0-9A-Fa-f:.]"
"""A character of an IP address, without the brackets of IPv6 (RFC 3986, 3.2.2)."""

PATH_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
"""A path of unreserved characters (RFC 3986, 2.3) that does not end with a slash; may be empty."""
