"""The client: every call that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

from chrysaetos.client.asking import Asker, Pairs
from chrysaetos.client.errors import InvalidArgument, NotPrometheus, UnexpectedResult
from chrysaetos.client.names import path_name
from chrysaetos.client.results import Listing, Matrix, Scalar, String, Vector
from chrysaetos.client.splitting import merge, pieces, pinned
from chrysaetos.client.times import Span, Time, milliseconds, seconds_text, span_milliseconds

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter
    from keystoneauth1.session import Session

    from chrysaetos.client.answers import Content
    from chrysaetos.client.results import Number, Result
    from chrysaetos.client.transport import Transport

__all__ = ["MetricsClient"]

_API = "/api/v1"
_RETRIES = 4
_POINTS = 11_000
"""Points of a series in one range query; Prometheus refuses more."""

_SERVERS_PART = 0.95
"""Part of the time limit that the server is told, so that its own words about it still arrive."""

Selectors = str | Sequence[str]
Progress = Callable[[int, int], object]


class MetricsClient:
    """Reads metrics with the credentials of a keystoneauth1 session.

    Any number of threads may use one client. It never changes the session.

    Args:
        session: a keystoneauth1 Session or Adapter. What an Adapter says of the service counts where the
            argument here has its default.
        interface: of the endpoint: public, internal or admin.
        region_name: its region; the first one that has the service when None.
        service_type: of the service in the catalog.
        timeout: seconds for a call with all its tries; None for no bound.
        retries: how often a read is repeated after 429, 502, 503 (Retry-After is honoured) or a broken
            connection.
        endpoint_override: a URL to ask instead of the catalog's.
        headers: sent with each request.

    Raises:
        InvalidArgument: an argument cannot be used.
    """

    def __init__(
        self,
        session: Session | Adapter,
        interface: str = "public",
        region_name: str | None = None,
        service_type: str = "metric-storage",
        timeout: float | None = 60.0,
        *,
        retries: int = _RETRIES,
        endpoint_override: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # requests and keystoneauth1 are loaded for those alone who make a client.
        from chrysaetos.client.keystone import KeystoneTransport  # noqa: PLC0415

        transport = KeystoneTransport(
            session,
            interface=interface,
            region_name=region_name,
            service_type=service_type,
            endpoint_override=endpoint_override,
            headers=headers,
        )
        self._asker = Asker(transport, timeout=timeout, retries=retries)

    @classmethod
    def direct(
        cls,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 60.0,
        retries: int = _RETRIES,
    ) -> Self:
        """A client of Prometheus itself, or of whatever speaks its API.

        Args:
            url: its root, with a path prefix if it has one.
            username: for Basic.
            password: for Basic.
            token: for Bearer.
            verify: whether the server's certificate is checked, or the path of the CA to check it by.
            cert: path of the client's certificate, or of that and its key.
            headers: sent with each request.
            timeout: seconds for a call with all its tries; None for no bound.
            retries: how often a read is repeated.

        Raises:
            InvalidArgument: an argument cannot be used.
        """
        from chrysaetos.client.direct import DirectTransport  # noqa: PLC0415

        transport = DirectTransport(
            url,
            username=username,
            password=password,
            token=token,
            verify=verify,
            cert=cert,
            headers=headers,
        )
        return cls.over(transport, timeout=timeout, retries=retries)

    @classmethod
    def over(cls, transport: Transport, *, timeout: float | None = 60.0, retries: int = _RETRIES) -> Self:
        """A client over any transport."""
        client = cls.__new__(cls)
        client._asker = Asker(transport, timeout=timeout, retries=retries)  # noqa: SLF001  # its own
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are the client's own; a session's stay open."""
        self._asker.transport.close()

    @property
    def endpoint(self) -> str:
        """The URL that is asked.

        Raises:
            MetricsError: it is not in the catalog, or there is no catalog.
        """
        return self._asker.transport.endpoint(self._asker.timeout)

    # -- queries

    def query(
        self,
        query: str,
        time: Time | None = None,
        *,
        timeout: float | None = None,
        limit: int | None = None,
        lookback_delta: Span | None = None,
        exact: bool = False,
    ) -> Result:
        """Evaluate a query at one time.

        Args:
            query: PromQL.
            time: the server's now when None.
            timeout: seconds, instead of the client's; the server is told, too.
            limit: how many series at most.
            lookback_delta: how old a sample may be.
            exact: numbers as `Decimal`, as they were sent, instead of `float`.

        Raises:
            MetricsError: it failed.
        """
        pairs = [("query", query), *_time("time", time), *self._options(timeout, limit, lookback_delta)]
        found = self._asker.read(
            f"{_API}/query", pairs, query=query, timeout=timeout, form=True, identity=True
        )
        return _result(found, query, Decimal if exact else float)

    def query_vector(self, query: str, time: Time | None = None, **options: Any) -> Vector:
        """As `query`, for a query whose result is a vector.

        Raises:
            UnexpectedResult: it is something else.
            MetricsError: it failed.
        """
        result = self.query(query, time, **options)
        if not isinstance(result, Vector):
            raise UnexpectedResult(f"a vector was expected, and the result is a {result.type}", query=query)
        return result

    def query_range(
        self,
        query: str,
        start: Time,
        end: Time,
        step: Span,
        *,
        timeout: float | None = None,
        limit: int | None = None,
        lookback_delta: Span | None = None,
        exact: bool = False,
        split: bool = False,
        max_points: int = _POINTS,
        progress: Progress | None = None,
    ) -> Matrix:
        """Evaluate a query at each step of a range.

        Args:
            query: PromQL.
            start: the first time.
            end: the last time; where no step ends, the one before it is the last.
            step: distance of the evaluations.
            timeout: seconds for each piece, instead of the client's; the server is told, too.
            limit: how many series at most.
            lookback_delta: how old a sample may be.
            exact: numbers as `Decimal`, as they were sent, instead of `float`.
            split: ask in pieces of at most `max_points` times, whose results together are that of the whole.
            max_points: what the server allows.
            progress: called with the number of pieces done and of all, behind each.

        Raises:
            MetricsError: it failed.
        """
        first, last, distance = _range(start, end, step)
        options = self._options(timeout, limit, lookback_delta)
        number = Decimal if exact else float
        if split and (isinstance(max_points, bool) or not isinstance(max_points, int) or max_points < 1):
            raise InvalidArgument(f"max_points must be a number from 1 on, not {max_points!r}")
        asked = list(pieces(first, last, distance, max_points)) if split else [(first, last)]
        text = pinned(query, first, last) if len(asked) > 1 else query
        parts: list[Matrix] = []
        for piece in asked:
            pairs = [
                ("query", text),
                ("start", seconds_text(piece[0])),
                ("end", seconds_text(piece[1])),
                ("step", seconds_text(distance)),
                *options,
            ]
            found = self._asker.read(f"{_API}/query_range", pairs, query=text, timeout=timeout, form=True)
            part = _result(found, text, number)
            if not isinstance(part, Matrix):
                raise UnexpectedResult(f"a matrix was expected, and the result is a {part.type}", query=text)
            parts.append(part)
            if progress is not None:
                progress(len(parts), len(asked))
        if len(parts) == 1:
            return parts[0]
        return merge(parts, number)

    # -- what there is

    def series(
        self,
        match: Selectors,
        *,
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Listing[dict[str, str]]:
        """The label sets of the series that selectors match.

        Args:
            match: a selector, or several; a series has to match one of them.
            start: the series must have been there at or behind this time; any when None.
            end: and at or before this time.
            limit: how many at most.
            timeout: seconds, instead of the client's.

        Raises:
            MetricsError: it failed.
        """
        return self._listed(f"{_API}/series", _bounded(match, start, end, limit), match, timeout, form=True)

    def labels(
        self,
        match: Selectors = (),
        *,
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Listing[str]:
        """The names of the labels, of all series or of those that selectors match.

        Raises:
            MetricsError: it failed.
        """
        return self._listed(f"{_API}/labels", _bounded(match, start, end, limit), match, timeout, form=True)

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
        """The values of a label, of all series or of those that selectors match.

        Args:
            label: its name; one that is not of letters, digits and underscores is known to Prometheus 3 only.
            match: a selector, or several.
            start: the series must have been there at or behind this time; any when None.
            end: and at or before this time.
            limit: how many at most.
            timeout: seconds, instead of the client's.

        Raises:
            MetricsError: it failed.
        """
        path = f"{_API}/label/{quote(path_name(label), safe='')}/values"
        return self._listed(path, _bounded(match, start, end, limit), match, timeout, form=False)

    def metadata(
        self, metric: str | None = None, *, limit: int | None = None, timeout: float | None = None
    ) -> dict[str, list[dict[str, str]]]:
        """Type, help and unit of metrics, by metric: of one, or of all.

        Raises:
            MetricsError: it failed.
        """
        return self._object("metadata", [*_text("metric", metric), *_count("limit", limit)], timeout)

    def targets(
        self,
        state: Literal["active", "dropped", "any"] = "any",
        *,
        scrape_pool: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """The scrape targets: `activeTargets` and `droppedTargets`.

        Raises:
            MetricsError: it failed.
        """
        # Aetos demands a state.
        return self._object("targets", [("state", state), *_text("scrapePool", scrape_pool)], timeout)

    def rules(
        self,
        type: Literal["alert", "record"] | None = None,  # noqa: A002  # the API's name for it
        *,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """The rules by group: `groups`.

        Raises:
            MetricsError: it failed.
        """
        return self._object("rules", _text("type", type), timeout)

    def alerts(self, *, timeout: float | None = None) -> list[dict[str, Any]]:
        """The alerts that are pending or firing.

        Raises:
            MetricsError: it failed.
        """
        return list(self._object("alerts", [], timeout).get("alerts") or [])

    def buildinfo(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Version and build of the server.

        Raises:
            MetricsError: it failed.
        """
        return self._object("status/buildinfo", [], timeout)

    def runtimeinfo(self, *, timeout: float | None = None) -> dict[str, Any]:
        """State of the server, such as its start and its retention.

        Raises:
            MetricsError: it failed.
        """
        return self._object("status/runtimeinfo", [], timeout)

    # -- administration; these are never repeated

    def delete_series(
        self,
        match: Selectors,
        *,
        start: Time | None = None,
        end: Time | None = None,
        timeout: float | None = None,
    ) -> None:
        """Mark samples as deleted.

        Args:
            match: a selector, or several; of which series.
            start: from when on; all when None.
            end: until when.
            timeout: seconds, instead of the client's.

        Raises:
            MetricsError: it failed.
        """
        pairs = _bounded(match, start, end, None)
        self._asker.post(f"{_API}/admin/tsdb/delete_series", pairs, timeout=timeout, query=_shown(match))

    def clean_tombstones(self, *, timeout: float | None = None) -> None:
        """Remove what is marked as deleted from the disk.

        Raises:
            MetricsError: it failed.
        """
        self._asker.post(f"{_API}/admin/tsdb/clean_tombstones", [], timeout=timeout)

    def snapshot(self, *, skip_head: bool = False, timeout: float | None = None) -> str:
        """Write all data into a new folder below `snapshots` of the store.

        Args:
            skip_head: leave out what is not in a block yet.
            timeout: seconds, instead of the client's.

        Returns:
            The folder's name.

        Raises:
            MetricsError: it failed.
        """
        pairs = [("skip_head", "true")] if skip_head else []
        found = self._asker.post(f"{_API}/admin/tsdb/snapshot", pairs, timeout=timeout)
        if not isinstance(found.data, dict) or "name" not in found.data:
            raise NotPrometheus("the answer to a snapshot holds no name", status=200)
        return str(found.data["name"])

    # -- of the gateway

    def whoami(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Who the gateway takes the caller for: user, project, roles, scope.

        Raises:
            NotSupported: the server is no Chrysaetos gateway.
            MetricsError: it failed.
        """
        return _object(self._asker.read("/-/whoami", [], timeout=timeout), "/-/whoami")

    def explain(
        self, query: str, path: str = f"{_API}/query", *, timeout: float | None = None
    ) -> dict[str, Any]:
        """What the gateway would send for a query, and why.

        Args:
            query: PromQL; for paths that take selectors, a selector.
            path: of the API, for which it would be sent.
            timeout: seconds, instead of the client's.

        Raises:
            NotSupported: the server is no Chrysaetos gateway.
            MetricsError: it failed.
        """
        pairs = [("path", path), ("query" if "query" in path else "match[]", query)]
        found = self._asker.read("/-/explain", pairs, timeout=timeout, query=query, form=True)
        return _object(found, "/-/explain")

    # --

    def _options(self, timeout: float | None, limit: int | None, lookback_delta: Span | None) -> Pairs:
        seconds = self._asker.timeout if timeout is None else timeout
        pairs = [] if seconds is None else [("timeout", f"{max(1, int(seconds * _SERVERS_PART * 1000))}ms")]
        if lookback_delta is not None:
            length = span_milliseconds(lookback_delta, "lookback_delta")
            pairs.append(("lookback_delta", seconds_text(length)))
        return pairs + _count("limit", limit)

    def _listed(
        self, path: str, pairs: Pairs, match: Selectors, timeout: float | None, *, form: bool
    ) -> Listing[Any]:
        found = self._asker.read(path, pairs, query=_shown(match), timeout=timeout, form=form)
        if found.data is None:
            return Listing([], found.warnings, found.infos)
        if not isinstance(found.data, list):
            raise NotPrometheus(f"the answer of {path} is no list", status=200)
        return Listing(found.data, found.warnings, found.infos)

    def _object(self, path: str, pairs: Pairs, timeout: float | None) -> dict[str, Any]:
        return _object(self._asker.read(f"{_API}/{path}", pairs, timeout=timeout), path)


def _object(found: Content, path: str) -> dict[str, Any]:
    if not isinstance(found.data, dict):
        raise NotPrometheus(f"the answer of {path} is no object", status=200)
    return found.data


def _result(found: Content, query: str, number: Number) -> Result:
    """The result of a query."""
    data = found.data
    try:
        kind, raw = data["resultType"], data["result"]
        if kind == "vector":
            return Vector(raw, number, found.warnings, found.infos)
        if kind == "matrix":
            return Matrix(raw, number, found.warnings, found.infos)
        if kind == "scalar":
            return Scalar(raw, number, found.warnings, found.infos)
        if kind == "string":
            return String(raw, found.warnings, found.infos)
    except (TypeError, KeyError, IndexError, ArithmeticError, ValueError) as error:
        raise NotPrometheus("the answer holds no result of a query", status=200, query=query) from error
    raise NotPrometheus(f"the answer's result is of an unknown type: {kind!r}", status=200, query=query)


def _range(start: Time, end: Time, step: Span) -> tuple[int, int, int]:
    first, last = milliseconds(start, "start"), milliseconds(end, "end")
    if last < first:
        raise InvalidArgument(f"the end of the range is before its start: {end!r} is before {start!r}")
    return first, last, span_milliseconds(step, "step")


def _selectors(match: Selectors) -> list[str]:
    return [match] if isinstance(match, str) else list(match)


def _shown(match: Selectors) -> str | None:
    """What an error shows as the query: the selector if there is one only."""
    selectors = _selectors(match)
    return selectors[0] if len(selectors) == 1 else None


def _bounded(match: Selectors, start: Time | None, end: Time | None, limit: int | None) -> Pairs:
    pairs = [("match[]", selector) for selector in _selectors(match)]
    return [*pairs, *_time("start", start), *_time("end", end), *_count("limit", limit)]


def _time(name: str, time: Time | None) -> Pairs:
    return [] if time is None else [(name, seconds_text(milliseconds(time, name)))]


def _text(name: str, value: str | None) -> Pairs:
    return [] if value is None else [(name, value)]


def _count(name: str, value: int | None) -> Pairs:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise InvalidArgument(f"{name} must be a number from 0 on, not {value!r}")
    return [] if value is None else [(name, str(value))]
