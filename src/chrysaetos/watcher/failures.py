"""Each failure as one line that says what to do."""

from __future__ import annotations

from dataclasses import dataclass

from chrysaetos.client import errors

__all__ = ["Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a datasource asks, as its lines call it.

    Attributes:
        interface: of the catalog entry; empty for a server that is not looked up in Keystone.
        region: of the catalog entry; None for any.
    """

    interface: str = ""
    region: str | None = None

    def line(self, error: errors.MetricsError) -> str:
        """The failure in one line, without secrets."""
        if not self.interface:
            return f"Prometheus: {_first_line(error)}"
        match error:
            case errors.NotRegistered():
                region = f" in region {self.region}" if self.region else ""
                return (
                    "Aetos service not registered in Keystone: no metric-storage endpoint for interface "
                    f"{self.interface}{region}"
                )
            case errors.Unauthorized():
                return (
                    "Aetos: unauthorized: the credentials in [watcher_clients_auth] are not accepted: "
                    f"{_first_line(error)}"
                )
            case errors.Forbidden():
                return (
                    "Aetos: forbidden: the user in [watcher_clients_auth] needs the role admin or service: "
                    f"{_first_line(error)}"
                )
        return f"Aetos: {_first_line(error)}"

    def no_hosts(self, label: str) -> str:
        """That no host can be told from its targets."""
        section = "aetos_client" if self.interface else "prometheus_client"
        return (
            f"no active target of Prometheus has the label {label}: no host has metrics. Add it to the "
            f"scrape configuration, or name the right one in [{section}] fqdn_label"
        )


def _first_line(error: errors.MetricsError) -> str:
    return error.message.partition("\n")[0]
