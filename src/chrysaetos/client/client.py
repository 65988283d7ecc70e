"""The client: how it is created and closed. The groups of calls have modules of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from chrysaetos.client.metadata import MetadataCalls
from chrysaetos.client.one_project import OneProject
from chrysaetos.client.operations import OperationsCalls
from chrysaetos.client.queries import QueryCalls
from chrysaetos.client.requester import Requester
from chrysaetos.client.transport import SERVICE_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keystoneauth1.adapter import Adapter
    from keystoneauth1.session import Session

    from chrysaetos.client.transport import Transport

__all__ = ["MetricsClient"]

_RETRIES = 4


class MetricsClient(QueryCalls, MetadataCalls, OperationsCalls):
    """Reads metrics with the credentials of a keystoneauth1 session.

    Safe for concurrent use by any number of threads. It never modifies the session.

    Args:
        session: a keystoneauth1 Session or Adapter. Where an argument below has its default, the Adapter's
            own setting takes precedence.
        interface: the endpoint's interface: public, internal or admin.
        region_name: the endpoint's region; the first region that has the service when None.
        service_type: the type of the service in the catalog.
        timeout: seconds for a call including its retries; None for no limit.
        retries: how often a read is repeated after 429, 502, 503 (honouring Retry-After) or a broken
            connection.
        require_complete: raise ``PartialResult`` when the server warns that data are missing, instead of
            returning the rest with ``warnings``.
        endpoint_override: a URL to use instead of the catalog's.
        headers: headers of every request.

    Raises:
        InvalidArgument: an argument is invalid.
    """

    def __init__(
        self,
        session: Session | Adapter,
        interface: str = "public",
        region_name: str | None = None,
        service_type: str = SERVICE_TYPE,
        timeout: float | None = 60.0,
        *,
        retries: int = _RETRIES,
        require_complete: bool = False,
        endpoint_override: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # Imported here so that importing the client loads neither requests nor keystoneauth1.
        from chrysaetos.client.keystone import KeystoneTransport  # noqa: PLC0415  # see above

        transport = KeystoneTransport(
            session,
            interface=interface,
            region_name=region_name,
            service_type=service_type,
            endpoint_override=endpoint_override,
            headers=headers,
        )
        self._requester = Requester(
            transport, timeout=timeout, retries=retries, require_complete=require_complete
        )

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
        require_complete: bool = False,
    ) -> Self:
        """Return a client of Prometheus itself, or of any server with its API, without Keystone.

        Args:
            url: the server's root URL, with its path prefix if there is one.
            username: the user for Basic authentication.
            password: the password for Basic authentication.
            token: the token for Bearer authentication.
            verify: whether to verify the server's certificate, or the path of the CA to verify it with.
            cert: the path of the client's certificate, or the paths of certificate and key.
            headers: headers of every request.
            timeout: seconds for a call including its retries; None for no limit.
            retries: how often a read is repeated.
            require_complete: raise ``PartialResult`` when the server warns that data are missing.

        Raises:
            InvalidArgument: an argument is invalid.
        """
        # Imported here so that importing the client does not load requests.
        from chrysaetos.client.direct import DirectTransport  # noqa: PLC0415  # see above

        transport = DirectTransport(
            url,
            username=username,
            password=password,
            token=token,
            verify=verify,
            cert=cert,
            headers=headers,
        )
        return cls.from_transport(
            transport, timeout=timeout, retries=retries, require_complete=require_complete
        )

    @classmethod
    def from_transport(
        cls,
        transport: Transport,
        *,
        timeout: float | None = 60.0,
        retries: int = _RETRIES,
        require_complete: bool = False,
    ) -> Self:
        """Return a client that sends its requests over a given transport.

        Args:
            transport: the transport.
            timeout: seconds for a call including its retries; None for no limit.
            retries: how often a read is repeated.
            require_complete: raise ``PartialResult`` when the server warns that data are missing.

        Raises:
            InvalidArgument: an argument is invalid.
        """
        client = cls.__new__(cls)
        client._requester = Requester(  # noqa: SLF001  # cls's own
            transport, timeout=timeout, retries=retries, require_complete=require_complete
        )
        return client

    def for_project(self, project_id: str) -> MetricsClient:
        """Return a client whose requests a gateway restricts to one project.

        It shares this client's connections and settings. A caller who may see all projects needs it to act
        for one of them.

        Raises:
            InvalidArgument: ``project_id`` cannot be the id of a project.
        """
        client = MetricsClient.__new__(MetricsClient)
        client._requester = self._requester.over(OneProject(self._requester.transport, project_id))  # noqa: SLF001  # as above
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the client's own connections; those of a session stay open."""
        self._requester.transport.close()

    @property
    def endpoint(self) -> str:
        """The URL of the metrics service.

        Raises:
            NotRegistered: the catalog has no such endpoint.
            MetricsError: Keystone did not return a catalog.
        """
        return self._requester.transport.endpoint(self._requester.timeout)
