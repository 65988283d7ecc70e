"""The projects of a domain, as Keystone lists them.

The gateway lists them as its own service user, which needs the role ``reader`` on the system, or ``admin``
(Keystone's policy ``identity:list_projects``). A list is cached for a limited time and replaced as a whole.
An expired or incomplete list is never used.

The list includes disabled projects: their stored series still belong to the domain.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from keystoneauth1 import exceptions

from chrysaetos.errors import Forbidden, Unavailable
from chrysaetos.identity.breaker import Breaker
from chrysaetos.identity.cache import ExpiringLru
from chrysaetos.identity.flights import SingleFlight
from chrysaetos.identity.service_user import keystone_adapter
from chrysaetos.identity.settings import GROUP

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from oslo_config.cfg import ConfigOpts

    from chrysaetos.identity.settings import KeystoneSettings

__all__ = ["DomainProjects"]

_LOG = logging.getLogger(__name__)
_MAX_DOMAINS = 256
_ID_BYTES = 100
"""About the memory of a project's id."""
_MAX_CACHED_BYTES = 32 * 1024 * 1024
"""Maximum memory of the lists of all domains together."""
_RETRY_AFTER = 5


class DomainProjects:
    """Lists the projects of domains, and caches the lists.

    Args:
        conf: the configuration with the registered options of ``[keystone_authtoken]``.
        settings: that section, validated.
        seconds: time that a list is cached; new and deleted projects take effect after that.
        most: maximum number of projects of a domain.
        breaker: limits the wait for Keystone; with the defaults if None.
        clock: seconds since the epoch.

    Attributes:
        hits: requests with a cached list.
        misses: requests that called Keystone or waited for a call of another request.

    Raises:
        ConfigError: the section is invalid.
    """

    def __init__(
        self,
        conf: ConfigOpts,
        settings: KeystoneSettings,
        *,
        seconds: float = 60.0,
        most: int = 1000,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._session = settings.session()
        self._keystone = keystone_adapter(conf, self._session)
        self._lists: ExpiringLru[tuple[str, ...]] = ExpiringLru(
            _MAX_DOMAINS,
            clock,
            weigh=lambda projects: _ID_BYTES * len(projects),
            max_weight=_MAX_CACHED_BYTES,
        )
        self.breaker = Breaker() if breaker is None else breaker
        self._flights: SingleFlight[tuple[str, ...]] = SingleFlight(
            "domains", threads=2, waiting=200, breaker=self.breaker
        )
        self.hits = 0
        self.misses = 0

    @property
    def errors(self) -> int:
        """The number of failed calls to Keystone."""
        return self._flights.failed

    async def of(self, domain_id: str) -> tuple[str, ...]:
        """Return the ids of a domain's projects: the identical tuple until they are listed again.

        Raises:
            Forbidden: the domain has no projects, or too many.
            Unavailable: Keystone returned no list, or an incomplete one.
        """
        key = domain_id.encode()
        projects = self._lists.get(key)
        if projects is None:
            self.misses += 1
            call = partial(self._list, domain_id)
            projects = await self._flights.run(key, call, partial(self._keep, key))
        else:
            self.hits += 1
        if not projects:
            raise Forbidden("the domain of your token has no projects")
        if len(projects) > self._most:
            raise Forbidden(
                f"the domain of your token has more than {self._most} projects (max_domain_projects): "
                "ask Keystone for a token of one project"
            )
        return projects

    def close(self) -> None:
        """Stop the threads, and wait for no call to Keystone."""
        self._flights.close()
        self._session.session.close()

    def _keep(self, key: bytes, flight: Future[tuple[str, ...]]) -> None:
        if not flight.cancelled() and flight.exception() is None:
            self._lists.put(key, flight.result(), self._clock() + self._seconds)

    def _list(self, domain_id: str) -> tuple[str, ...]:
        """List the projects page by page, until there are too many. Runs in a thread."""
        try:
            return self._pages(domain_id)
        except exceptions.Forbidden as error:
            _LOG.error(
                "Keystone does not let the user of [%s] list the projects of a domain, so tokens of domains"
                " are answered with 503. Give it the role reader on the system, or admin on its project.",
                GROUP,
            )
            raise _unavailable() from error
        except Exception as error:
            # The message may quote Keystone's response, the class does not.
            _LOG.error("Keystone gave no list of a domain's projects: %s", _reason(error))
            raise _unavailable() from error

    def _pages(self, domain_id: str) -> tuple[str, ...]:
        projects: dict[str, None] = {}
        query: dict[str, list[str]] = {}
        while True:
            answer = self._keystone.get(
                "/projects",
                params={**query, "domain_id": [domain_id]},
                headers={"Accept": "application/json"},
            ).json()
            known = len(projects)
            for project in answer["projects"]:
                # A server that ignores the filter returns the projects of all domains.
                if project["domain_id"] != domain_id:
                    raise _NotTheListError("it holds projects of other domains")
                projects[project["id"]] = None
            if len(projects) > self._most:
                break
            following = (answer.get("links") or {}).get("next")
            if not following:
                if answer.get("truncated"):
                    raise _NotTheListError("it is cut off, see list_limit in Keystone's configuration")
                break
            if len(projects) == known:
                raise _NotTheListError("a page of it has nothing new")
            # The link has Keystone's public host and path, which the gateway may not reach.
            query = parse_qs(urlsplit(following).query)
        if not all(projects):
            raise _NotTheListError("it holds an empty id")
        return tuple(projects)


class _NotTheListError(Exception):
    """Keystone's response is not the list of the domain's projects."""


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, _NotTheListError) else type(error).__name__


def _unavailable() -> Unavailable:
    return Unavailable("the projects of your domain cannot be listed: try again", _RETRY_AFTER)
