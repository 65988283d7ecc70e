"""One-line messages for operators: what failed, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from chrysaetos.client import errors

__all__ = ["Endpoint"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The endpoint of a datasource, as messages name it.

    Attributes:
        interface: the interface in the catalog; empty for a server that is not looked up in Keystone.
        region: the region in the catalog; None for any region.
    """

    interface: str = ""
    region: str | None = None

    def error_message(self, error: errors.MetricsError) -> str:
        """Return the message for a failed request, without secrets."""
        if not self.interface:
            return f"Prometheus: {_first_line(error)}"
        match error:
            case errors.NotRegistered():
                return (
                    f"Aetos service not registered in Keystone: {_first_line(error)}. Register the endpoint, "
                    "or correct interface and region_name in [aetos_client]"
                )
            case errors.Unauthorized():
                return (
                    "Aetos: unauthorized: the credentials in [watcher_clients_auth] are rejected: "
                    f"{_first_line(error)}"
                )
            case errors.Forbidden():
                return (
                    "Aetos: forbidden: the user in [watcher_clients_auth] needs the role admin or service: "
                    f"{_first_line(error)}"
                )
        return f"Aetos: {_first_line(error)}"

    def no_hosts_message(self, label: str) -> str:
        """Return the message for targets without the label of the host name."""
        section = "aetos_client" if self.interface else "prometheus_client"
        return (
            f"no active target of Prometheus has the label {label}, so no host has metrics. Add the label to "
            f"the scrape configuration, or set [{section}] fqdn_label to the right label"
        )


def _first_line(error: errors.MetricsError) -> str:
    return error.message.partition("\n")[0]
