"""Series, labels and metadata of metrics."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chrysaetos.client.calls import API, Calls
from chrysaetos.client.errors import InvalidArgument, NotPrometheus
from chrysaetos.client.parameters import (
    limit_parameter,
    only_selector,
    selector_parameters,
    text_parameter,
)
from chrysaetos.client.responses import truncate
from chrysaetos.client.results import Listing
from chrysaetos.promql.strings import is_label_name, is_legacy_name

if TYPE_CHECKING:
    from chrysaetos.client.parameters import Selectors
    from chrysaetos.client.times import Time

__all__ = ["MetadataCalls", "escape_label_name"]

_ESCAPED_PREFIX = "U__"
_ESCAPED = re.compile(r"[^A-Za-z0-9:]|\A[0-9]")


class MetadataCalls(Calls):
    """The endpoints ``series``, ``labels``, ``label/…/values`` and ``metadata``."""

    def series(
        self,
        match: Selectors,
        *,
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Listing[dict[str, str]]:
        """Return the label sets of the series that match.

        Args:
            match: a selector, or several; a series has to match one of them.
            start: consider only series with samples at or after this time.
            end: consider only series with samples at or before this time.
            limit: the maximum number of series.
            timeout: seconds, instead of the client's.

        Raises:
            MetricsError: the call failed.
        """
        return self._list("series", match, start, end, limit, timeout)

    def labels(
        self,
        match: Selectors = (),
        *,
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Listing[str]:
        """Return the names of the labels of all series, or of the series that match.

        Args:
            match: a selector, or several; a series has to match one of them.
            start: consider only series with samples at or after this time.
            end: consider only series with samples at or before this time.
            limit: the maximum number of names.
            timeout: seconds, instead of the client's.

        Raises:
            MetricsError: the call failed.
        """
        return self._list("labels", match, start, end, limit, timeout)

    def label_values(
        self,
        label: str,
        match: Selectors = (),
        *,
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Listing[str]:
        """Return the values of a label of all series, or of the series that match.

        Args:
            label: the label's name. Only Prometheus 3 supports names with characters other than letters,
                digits and underscores.
            match: a selector, or several; a series has to match one of them.
            start: consider only series with samples at or after this time.
            end: consider only series with samples at or before this time.
            limit: the maximum number of values.
            timeout: seconds, instead of the client's.

        Raises:
            MetricsError: the call failed.
        """
        name = quote(escape_label_name(label), safe="")
        return self._list(f"label/{name}/values", match, start, end, limit, timeout, form=False)

    def metadata(
        self, metric: str | None = None, *, limit: int | None = None, timeout: float | None = None
    ) -> dict[str, list[dict[str, str]]]:
        """Return type, help and unit of a metric, or of all metrics, by metric.

        Args:
            metric: the metric's name; all metrics when None.
            limit: the maximum number of metrics.
            timeout: seconds, instead of the client's.

        Raises:
            MetricsError: the call failed.
        """
        parameters = [*text_parameter("metric", metric), *limit_parameter(limit)]
        found = self._read_object(f"{API}/metadata", parameters, timeout)
        return dict(islice(found.items(), limit)) if limit else found

    def _list(  # noqa: PLR0917  # the arguments of the methods above, in their order
        self,
        endpoint: str,
        match: Selectors,
        start: Time | None,
        end: Time | None,
        limit: int | None,
        timeout: float | None,
        *,
        form: bool = True,
    ) -> Listing[Any]:
        payload = self._requester.read(
            f"{API}/{endpoint}",
            selector_parameters(match, start, end, limit),
            query=only_selector(match),
            timeout=timeout,
            form=form,
        )
        found = [] if payload.data is None else payload.data
        if not isinstance(found, list):
            raise NotPrometheus(f"the response of {API}/{endpoint} does not contain a list", status=200)
        return Listing(truncate(found, limit, payload.warnings), payload.warnings, payload.infos)


def escape_label_name(label: str) -> str:
    """Return a label's name for use in a path.

    A name with characters other than letters, digits and underscores is escaped as ``U__…``
    (prometheus/common, ``model``, ``ValueEncodingEscaping``), and so is a name that starts with ``U__``.

    Raises:
        InvalidArgument: the name is not a valid label name.
    """
    if not isinstance(label, str) or not is_label_name(label):
        raise InvalidArgument(f"not a label name: {label!r}")
    if is_legacy_name(label) and not label.startswith(_ESCAPED_PREFIX):
        return label
    return _ESCAPED_PREFIX + _ESCAPED.sub(
        lambda match: "__" if match[0] == "_" else f"_{ord(match[0]):x}_", label
    )
