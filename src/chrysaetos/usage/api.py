"""Requests to an OpenStack service: JSON, pages, and errors that name the service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from keystoneauth1 import exceptions

from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keystoneauth1.adapter import Adapter

__all__ = ["PAGE_SIZE", "ForbiddenError", "NotFoundError", "Service"]

PAGE_SIZE = 1000
"""Items per page. Nova, Cinder and Neutron truncate at this number unless their configuration was changed."""


class ForbiddenError(UsageError):
    """The credentials do not allow the request."""


class NotFoundError(UsageError):
    """The service does not know the object in the path. Nova answers 400 for an unknown project."""


class Service:
    """A service of a site.

    Args:
        adapter: the service's adapter.
        name: the service's name, which is the reason of its errors.
        root: the path of the API's version, if the endpoint in the catalog may lack it.

    Attributes:
        adapter: the service's adapter.
        title: the service's name in messages.
        calls: number of requests so far.
    """

    def __init__(self, adapter: Adapter, name: str, root: str = "") -> None:
        self.adapter = adapter
        self.title = name.capitalize()
        self.calls = 0
        self._name = name
        self._root = root
        self._lock = Lock()

    def error(self, message: str) -> UsageError:
        """Return an error of this service."""
        return UsageError(message, reason=self._name)

    def own_project_id(self) -> str | None:
        """Return the id of the credentials' project; None if they are for the system or a domain.

        Raises:
            UsageError: there is no token.
        """
        try:
            return self.adapter.get_project_id()
        except exceptions.ClientException as error:
            raise UsageError(f"no token from Keystone: {error}", reason="keystone") from error

    def max_microversion(self) -> tuple[int, ...] | None:
        """Return the highest microversion; None if the service has none.

        Raises:
            UsageError: the version document cannot be read now, so that nothing is known.
        """
        request = f"{self.title}'s version document cannot be read"
        try:
            data = self.adapter.get_endpoint_data()
            if data is not None and data.max_microversion is None:
                # keystoneauth returns the catalog's URL alone if discovery fails; this says why.
                data = data.get_versioned_data(
                    self.adapter.session, discover_versions=True, allow_version_hack=False
                )
        except exceptions.EndpointNotFound as error:
            raise self._not_in_catalog(request, error) from error
        except (exceptions.ClientException, TypeError) as error:  # TypeError: a document such as null
            raise self.error(f"{request}: {error}") from error
        highest = getattr(data, "max_microversion", None)
        return None if highest is None else tuple(highest)

    def get(self, path: str, query: dict[str, str], microversion: str | None = None) -> dict[str, Any]:
        """Return the JSON object at a path.

        Raises:
            ForbiddenError: the credentials do not allow the request.
            NotFoundError: the object does not exist.
            UsageError: the request failed.
        """
        with self._lock:
            self.calls += 1
        request = f"{self.title}, GET {path}"
        try:
            url = self._prefix() + path
            document = self.adapter.get(url, params=query, microversion=microversion).json()
        except exceptions.Forbidden as error:
            raise ForbiddenError(f"{request}: forbidden: {error.message}", reason="forbidden") from error
        except (exceptions.NotFound, exceptions.BadRequest) as error:
            raise NotFoundError(f"{request}: {error}", reason=self._name) from error
        except exceptions.EndpointNotFound as error:
            raise self._not_in_catalog(request, error) from error
        except exceptions.ClientException as error:
            raise self.error(f"{request}: {error}") from error
        except ValueError as error:
            raise self.error(f"{request}: the response is not JSON") from error
        if not isinstance(document, dict):
            raise self.error(f"{request}: the response is not a JSON object")
        return document

    def _not_in_catalog(self, request: str, error: Exception) -> UsageError:
        """Return the error, and get a new token for the next request, since a token has its own catalog."""
        self.adapter.invalidate()
        return self.error(f"{request}: {error}: check region and interface")

    def _prefix(self) -> str:
        """Return the path of the API's version unless the endpoint ends with it."""
        if not self._root:
            return ""
        endpoint = self.adapter.get_endpoint() or ""
        return "" if urlsplit(endpoint).path.rstrip("/").endswith(self._root) else self._root

    def pages(
        self, path: str, name: str, query: dict[str, str], *, microversion: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield all pages of a list. While the caller processes a page, the next page is fetched.

        Args:
            path: the path of the list.
            name: the name of the list in a page; ``…_links`` has the link to the next page.
            query: the parameters of each request.
            microversion: the microversion of each request.

        Raises:
            UsageError: a request failed, or the pages are incomplete.
        """

        def fetch(query: dict[str, str]) -> tuple[dict[str, Any], str | None]:
            page = self.get(path, query, microversion)
            if name not in page:
                raise self.error(f"{self.title}'s response to GET {path} has no {name}")
            links = page.get(f"{name}_links") or ()
            href = next((link.get("href", "") for link in links if link.get("rel") == "next"), None)
            return page, self._marker(href)

        seen: set[str] = set()
        with ThreadPoolExecutor(1) as background:
            pending = background.submit(fetch, query)
            while True:
                page, marker = pending.result()
                if marker is None:
                    yield page
                    return
                if marker in seen:
                    raise UsageError(
                        f"{self.title} returned the same next page of GET {path} twice", reason="truncated"
                    )
                seen.add(marker)
                pending = background.submit(fetch, {**query, "marker": marker})
                yield page

    def _marker(self, href: str | None) -> str | None:
        """Return the marker in a link to the next page.

        The rest of the link is ignored: if the service runs behind a proxy, the link's host may be
        unreachable.
        """
        if href is None:
            return None
        marker = dict(parse_qsl(urlsplit(href).query)).get("marker")
        if not marker:
            raise UsageError(
                f"the link to {self.title}'s next page has no marker: {href}", reason="truncated"
            )
        return marker
