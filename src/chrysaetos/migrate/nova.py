"""The hosts and servers that Nova knows: the little of its API that a check needs.

https://docs.openstack.org/api-ref/compute/ "List Hypervisors Details", "List Servers Detailed"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions

from chrysaetos.migrate.errors import MigrateError

if TYPE_CHECKING:
    from keystoneauth1.session import Session

__all__ = ["Nova"]

_MICROVERSION = "2.56"
"""The lowest that Watcher uses. Hypervisors have pages since 2.33."""

_PAGE = 500


class Nova:
    """Nova with the rights of a session.

    Args:
        session: of a user who may list hypervisors and the servers of all projects.
        interface, region: which endpoint of the catalog.
    """

    def __init__(self, session: Session, interface: str, region: str | None) -> None:
        self._session = session
        self._filter = {"service_type": "compute", "interface": interface, "region_name": region}

    def hosts(self, limit: int) -> list[str]:
        """The names of the compute services' hosts, which Watcher calls ``hostname``; bare metal is left out.

        Args:
            limit: how many hypervisors to read at most.

        Raises:
            MigrateError: Nova does not tell.
        """
        nodes = self._pages("/os-hypervisors/detail", "hypervisors", {}, limit)
        virtual = (node for node in nodes if node.get("hypervisor_type") != "ironic")
        return sorted({str(node["service"]["host"]) for node in virtual})

    def servers(self, limit: int) -> list[str]:
        """The UUIDs of running servers of all projects, the oldest first.

        Args:
            limit: how many at most.

        Raises:
            MigrateError: Nova does not tell.
        """
        asked = {"all_tenants": "1", "status": "ACTIVE", "sort_key": "created_at", "sort_dir": "asc"}
        return [str(server["id"]) for server in self._pages("/servers/detail", "servers", asked, limit)]

    def _pages(self, path: str, key: str, asked: dict[str, str], limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < limit:
            marker = {"marker": str(found[-1]["id"])} if found else {}
            size = {"limit": str(min(_PAGE, limit - len(found)))}
            page = self._get(path, {**asked, **size, **marker})
            found += page.get(key, [])
            # Behind a proxy the link's own address may be wrong, so it only says that there is more.
            if not page.get(key) or not page.get(f"{key}_links"):
                break
        return found[:limit]

    def _get(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        try:
            answer = self._session.get(
                path, params=asked, endpoint_filter=self._filter, microversion=_MICROVERSION
            )
            page: dict[str, Any] = answer.json()
        except exceptions.EmptyCatalog as error:
            raise MigrateError("the catalog has no compute service; see [nova] or [nova_client]") from error
        except exceptions.EndpointNotFound as error:
            raise MigrateError(
                f"the catalog has no compute endpoint for interface {self._filter['interface']}, region "
                f"{self._filter['region_name'] or '(any)'}; see [nova] or [nova_client]"
            ) from error
        except exceptions.Forbidden as error:
            raise MigrateError(
                f"Nova refuses {path}; give the user of the service the role admin, as Watcher needs it"
            ) from error
        except (exceptions.ClientException, ValueError) as error:
            raise MigrateError(f"Nova does not answer {path}: {error}; see its log") from error
        return page
