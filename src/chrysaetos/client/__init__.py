"""Read metrics with Keystone credentials, or from Prometheus itself.

    >>> from chrysaetos.client import MetricsClient, promql
    >>> client = MetricsClient(session)  # a keystoneauth1 session
    >>> client.query(promql.selector("ceilometer_cpu", {"resource": uuid}))

Importing this loads neither requests nor keystoneauth1; making a client does.
"""

from __future__ import annotations

from chrysaetos.client import errors, promql
from chrysaetos.client.client import MetricsClient
from chrysaetos.client.errors import MetricsError
from chrysaetos.client.results import Histogram, Listing, Matrix, Row, Sample, Scalar, Series, String, Vector

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
