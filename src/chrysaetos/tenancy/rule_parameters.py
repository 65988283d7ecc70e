"""Apply the parameters of ``/api/v1/rules`` to the rule groups of a scope.

They are applied after the scope, as Prometheus applies them. Before it, they would count and name hidden
groups.

Source: Prometheus 3.14, ``web/api/v1/api.go``: ``rules``, ``parseListRulesPaginationRequest``.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from chrysaetos.errors import BadRequest
from chrysaetos.tenancy.shapes import first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.tenancy.shapes import Asked, Object

__all__ = ["select_groups"]

_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({"alerting", "recording"}),
    "alert": frozenset({"alerting"}),
    "record": frozenset({"recording"}),
}
# Go, strconv.ParseBool, of a text in lower case.
_BOOLEANS: Final = {"": False, "0": False, "f": False, "false": False, "1": True, "t": True, "true": True}


def select_groups(groups: list[Object], asked: Asked) -> Object:
    """Return the groups that a request selects.

    Args:
        groups: groups as in the response of ``/api/v1/rules``.
        asked: ``type``, ``rule_name[]``, ``rule_group[]``, ``file[]``, ``exclude_alerts``, ``group_limit``,
            ``group_next_token``.

    Returns:
        ``groups``, and ``groupNextToken`` if there are more.

    Raises:
        BadRequest: a parameter is invalid.
    """
    if "match[]" in asked:
        raise BadRequest('the parameter "match[]" is not served here for one project: use "rule_name[]"')
    kind = first(asked, "type").lower()
    if kind not in _TYPES:
        raise BadRequest(f'invalid parameter "type": not supported value {kind[:64]!a}')
    without_alerts = _BOOLEANS.get(first(asked, "exclude_alerts").lower())
    if without_alerts is None:
        raise BadRequest('invalid parameter "exclude_alerts": must be true or false')
    names, kinds = asked.get("rule_name[]", ()), _TYPES[kind]
    selected: list[Object] = []
    for group in groups:
        rules = [
            rule for rule in group["rules"] if rule["type"] in kinds and (not names or rule["name"] in names)
        ]
        if rules and all(
            not asked.get(parameter) or group[key] in asked[parameter]
            for parameter, key in (("rule_group[]", "name"), ("file[]", "file"))
        ):
            if without_alerts:
                rules = [rule | {"alerts": None} if "alerts" in rule else rule for rule in rules]
            selected.append(group | {"rules": rules})
    return _page(selected, asked)


def _page(groups: list[Object], asked: Asked) -> Object:
    limit, token = first(asked, "group_limit"), first(asked, "group_next_token")
    if not limit:
        if token:
            raise BadRequest('the parameter "group_next_token" needs "group_limit"')
        return {"groups": groups}
    if int(limit) == 0:
        raise BadRequest('invalid parameter "group_limit": it has to be greater than 0')
    begin = 0
    if token:
        tokens = [_token(group) for group in groups]
        if token not in tokens:
            raise BadRequest('invalid parameter "group_next_token": were rule groups changed?')
        begin = tokens.index(token)
    last = begin + int(limit)
    page: Object = {"groups": groups[begin:last]}
    if last < len(groups):
        page["groupNextToken"] = _token(groups[last])
    return page


def _token(group: Object) -> str:
    return sha256(f"{group['file']};{group['name']}".encode("utf-8", "surrogatepass")).hexdigest()
