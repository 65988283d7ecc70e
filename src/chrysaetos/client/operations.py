"""Targets, rules, alerts and status of the server, its administration, and the gateway's own endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from chrysaetos.client.calls import API, Calls
from chrysaetos.client.errors import NotPrometheus
from chrysaetos.client.parameters import only_selector, selector_parameters, text_parameter

if TYPE_CHECKING:
    from chrysaetos.client.parameters import Selectors
    from chrysaetos.client.times import Time

__all__ = ["OperationsCalls"]


class OperationsCalls(Calls):
    """The endpoints for targets, rules, alerts, status and administration, and the gateway's own."""

    def targets(
        self,
        state: Literal["active", "dropped", "any"] = "any",
        *,
        scrape_pool: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Return the scrape targets: ``activeTargets`` and ``droppedTargets``.

        Args:
            state: which targets.
            scrape_pool: the scrape pool; all pools when None.
            timeout: seconds, instead of the client's.

        Raises:
            MetricsError: the call failed.
        """
        # Aetos requires a state.
        parameters = [("state", str(state)), *text_parameter("scrapePool", scrape_pool)]
        return self._read_object(f"{API}/targets", parameters, timeout)

    def rules(
        self,
        type: Literal["alert", "record"] | None = None,  # noqa: A002  # the API's own word
        *,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Return the rules by group: ``groups``.

        Args:
            type: alerting or recording rules; both when None.
            timeout: seconds, instead of the client's.

        Raises:
            MetricsError: the call failed.
        """
        return self._read_object(f"{API}/rules", text_parameter("type", type), timeout)

    def alerts(self, *, timeout: float | None = None) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing.

        Raises:
            MetricsError: the call failed.
        """
        return list(self._read_object(f"{API}/alerts", [], timeout).get("alerts") or [])

    def buildinfo(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Return the server's version and build.

        Raises:
            MetricsError: the call failed.
        """
        return self._read_object(f"{API}/status/buildinfo", [], timeout)

    def runtimeinfo(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Return the server's runtime properties, such as its start time and retention.

        Raises:
            MetricsError: the call failed.
        """
        return self._read_object(f"{API}/status/runtimeinfo", [], timeout)

    def delete_series(
        self,
        match: Selectors,
        *,
        start: Time | None = None,
        end: Time | None = None,
        timeout: float | None = None,
    ) -> None:
        """Mark samples as deleted. The request is never repeated.

        Args:
            match: a selector, or several; a series has to match one of them.
            start: the time of the first sample to delete; no lower bound when None.
            end: the time of the last sample to delete; no upper bound when None.
            timeout: seconds, instead of the client's.

        Raises:
            MetricsError: the call failed.
        """
        self._requester.write(
            f"{API}/admin/tsdb/delete_series",
            selector_parameters(match, start, end),
            timeout=timeout,
            query=only_selector(match),
        )

    def clean_tombstones(self, *, timeout: float | None = None) -> None:
        """Remove samples that are marked as deleted from the disk. The request is never repeated.

        Raises:
            MetricsError: the call failed.
        """
        self._requester.write(f"{API}/admin/tsdb/clean_tombstones", [], timeout=timeout)

    def snapshot(self, *, skip_head: bool = False, timeout: float | None = None) -> str:
        """Write a snapshot of all data to a new directory in ``snapshots``. The request is never repeated.

        Args:
            skip_head: leave out samples that are not in a block yet.
            timeout: seconds, instead of the client's.

        Returns:
            The directory's name.

        Raises:
            MetricsError: the call failed.
        """
        parameters = [("skip_head", "true")] if skip_head else []
        payload = self._requester.write(f"{API}/admin/tsdb/snapshot", parameters, timeout=timeout)
        if not isinstance(payload.data, dict) or "name" not in payload.data:
            raise NotPrometheus("the response to the snapshot does not contain a name", status=200)
        return str(payload.data["name"])

    def whoami(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Return the caller as the gateway sees it: user, project, roles, scope.

        Raises:
            NotSupported: the server is not a Chrysaetos gateway.
            MetricsError: the call failed.
        """
        return self._read_object("/-/whoami", [], timeout)

    def explain(
        self, query: str, path: str = f"{API}/query", *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Return the query that the gateway would send upstream, and why.

        Args:
            query: PromQL; a selector for endpoints that take ``match[]``.
            path: the path of the endpoint that the query is meant for.
            timeout: seconds, instead of the client's.

        Raises:
            NotSupported: the server is not a Chrysaetos gateway.
            MetricsError: the call failed.
        """
        parameters = [("path", path), ("query" if "query" in path else "match[]", query)]
        return self._read_object("/-/explain", parameters, timeout, query=query, form=True)
