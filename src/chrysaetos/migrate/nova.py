"""Read hosts and servers from Nova's API.

https://docs.openstack.org/api-ref/compute/ "List Hypervisors Details", "List Servers Detailed"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions

from chrysaetos.migrate.errors import MigrateError

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter

__all__ = ["Nova"]

_MICROVERSION = "2.56"
"""The lowest microversion that Watcher uses. Hypervisors have pagination since 2.33."""

_MAX_PAGE = 500


class Nova:
    """Nova's API.

    Args:
        adapter: the endpoint, with the session of a user who may list hypervisors and the servers of all
            projects.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    def hosts(self, limit: int) -> list[str]:
        """Return the host names of the compute services (Watcher's ``hostname``), without bare metal.

        Args:
            limit: the maximum number of hypervisors to read.

        Raises:
            MigrateError: the request to Nova failed.
        """
        nodes = self._pages("/os-hypervisors/detail", "hypervisors", {}, limit)
        virtual = (node for node in nodes if node.get("hypervisor_type") != "ironic")
        return sorted({str(node["service"]["host"]) for node in virtual})

    def servers(self, limit: int) -> list[str]:
        """Return the UUIDs of running servers of all projects, the oldest first.

        Args:
            limit: the maximum number of servers.

        Raises:
            MigrateError: the request to Nova failed.
        """
        parameters = {"all_tenants": "1", "status": "ACTIVE", "sort_key": "created_at", "sort_dir": "asc"}
        return [str(server["id"]) for server in self._pages("/servers/detail", "servers", parameters, limit)]

    def _pages(self, path: str, key: str, parameters: dict[str, str], limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < limit:
            marker = {"marker": str(found[-1]["id"])} if found else {}
            size = {"limit": str(min(_MAX_PAGE, limit - len(found)))}
            page = self._get(path, {**parameters, **size, **marker})
            found += page.get(key, [])
            # The URL of the link may be wrong (a proxy); its presence means that there are more pages.
            if not page.get(key) or not page.get(f"{key}_links"):
                break
        return found[:limit]

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        try:
            response = self._adapter.get(path, params=parameters, microversion=_MICROVERSION)
            page: dict[str, Any] = response.json()
        except exceptions.EmptyCatalog as error:
            raise MigrateError("the catalog has no compute service; check [nova] or [nova_client]") from error
        except exceptions.EndpointNotFound as error:
            raise MigrateError(
                f"the catalog has no compute endpoint for interface {self._adapter.interface}, region "
                f"{self._adapter.region_name or '(any)'}; check [nova] or [nova_client]"
            ) from error
        except exceptions.Forbidden as error:
            raise MigrateError(
                f"Nova rejects {path}; assign the role admin to the service's user, as Watcher requires"
            ) from error
        except (exceptions.ClientException, ValueError) as error:
            raise MigrateError(f"the request {path} to Nova failed: {error}; see Nova's log") from error
        return page
