"""Read metrics through a gateway with Keystone credentials, or from Prometheus itself.

    >>> from chrysaetos.client import MetricsClient, promql
    >>> client = MetricsClient(session)  # a keystoneauth1 session
    >>> client.query(promql.selector("ceilometer_cpu", {"resource": uuid}))

Importing this package loads neither requests nor keystoneauth1; creating a client does.
"""

from __future__ import annotations

from chrysaetos.client import errors, promql
from chrysaetos.client.client import MetricsClient
from chrysaetos.client.errors import MetricsError
from chrysaetos.client.results import Listing, Matrix, Scalar, String, Vector
from chrysaetos.client.samples import Histogram, Row, Sample, Series

__all__ = [
    "Histogram",
    "Listing",
    "Matrix",
    "MetricsClient",
    "MetricsError",
    "Row",
    "Sample",
    "Scalar",
    "Series",
    "String",
    "Vector",
    "errors",
    "promql",
]
