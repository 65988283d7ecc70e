"""Mimir as a server for tests: all its components in one process, with its data in one folder."""

from __future__ import annotations

import json
import re
import struct
from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar

import requests
from tests.engines import program_of
from tests.fakes.remote_read import field

from chrysaetos.demo.processes import LOOPBACK, Server, free_port
from chrysaetos.regular_file import replace_file
from chrysaetos.tenancy.snappy import compress

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Mimir"]

_SAMPLE = re.compile(r"([\w:]+)\{(.*)\} (\S+) (\d+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ALONE: dict[str, Any] = {"kvstore": {"store": "inmemory"}, "instance_addr": LOOPBACK}
_MONTH = "720h"


class Mimir(Server):
    """Mimir.

    Args:
        directory: its directory.
        tenants: whether requests need a tenant's name in ``X-Scope-OrgID``.
    """

    name: ClassVar[str] = "Mimir"
    ready_path: ClassVar[str] = "/ready"

    def __init__(self, directory: Path, *, tenants: bool = False) -> None:
        super().__init__(directory)
        self._program = program_of("mimir")
        self._tenants = tenants
        self._grpc_port = free_port()

    def prepare(self) -> None:
        """Write the configuration. Its rings are in memory, so it listens on the loopback address only."""
        folder = str(self.directory)
        configuration = {
            "multitenancy_enabled": self._tenants,
            "tenant_federation": {"enabled": True},
            "api": {"prometheus_http_prefix": ""},
            "usage_stats": {"enabled": False},
            "activity_tracker": {"filepath": ""},
            "server": {
                "http_listen_address": LOOPBACK,
                "http_listen_port": self.port,
                "grpc_listen_address": LOOPBACK,
                "grpc_listen_port": self._grpc_port,
                "log_level": "warn",
            },
            "common": {"storage": {"backend": "filesystem", "filesystem": {"dir": f"{folder}/common"}}},
            "blocks_storage": {
                "storage_prefix": "blocks",
                "tsdb": {"dir": f"{folder}/tsdb"},
                "bucket_store": {"sync_dir": f"{folder}/sync"},
            },
            "ruler_storage": {"storage_prefix": "ruler"},
            "ruler": {"rule_path": f"{folder}/rules", "ring": _ALONE},
            "compactor": {"data_dir": f"{folder}/compactor", "sharding_ring": _ALONE},
            "distributor": {"ring": _ALONE},
            "ingester": {"ring": {**_ALONE, "replication_factor": 1, "min_ready_duration": "0s"}},
            "store_gateway": {"sharding_ring": {**_ALONE, "replication_factor": 1}},
            "querier": {"ring": _ALONE},
            "query_scheduler": {"ring": _ALONE},
            "frontend": {"address": LOOPBACK},
            "limits": {
                "creation_grace_period": _MONTH,
                "out_of_order_time_window": _MONTH,
                "ingestion_rate": 10_000_000,
                "ingestion_burst_size": 100_000_000,
                "max_global_series_per_user": 0,
                "max_label_names_per_series": 100,
            },
        }
        replace_file(self.directory / "mimir.json", json.dumps(configuration))

    def command(self) -> list[str]:
        """Return the command line."""
        return [self._program, f"-config.file={self.directory / 'mimir.json'}", "-target=all"]

    def fill(self, text: Iterable[str], tenant: str = "anonymous") -> None:
        """Write the samples of OpenMetrics text with timestamps for a tenant."""
        series: dict[bytes, list[bytes]] = defaultdict(list)
        for line in "".join(text).splitlines():
            if not line.startswith("#"):
                labels, sample = _encoded(line)
                series[labels].append(sample)
        body = b"".join(field(1, labels + b"".join(samples)) for labels, samples in series.items())
        answer = requests.post(
            f"{self.root_url}/api/v1/push",
            data=compress(body),
            headers={"X-Scope-OrgID": tenant, "X-Prometheus-Remote-Write-Version": "0.1.0"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text


def _encoded(line: str) -> tuple[bytes, bytes]:
    """Return the labels and the sample of a line as fields of a TimeSeries of remote write 1.0."""
    match = _SAMPLE.fullmatch(line)
    assert match is not None, line
    name, pairs, value, seconds = match.groups()
    labels = {"__name__": name, **{key: _unescaped(text) for key, text in _LABEL.findall(pairs)}}
    encoded = (field(1, key.encode()) + field(2, labels[key].encode()) for key in sorted(labels))
    # A double is field 1 of a sample.
    sample = b"\x09" + struct.pack("<d", float(value)) + field(2, int(seconds) * 1000)
    return b"".join(field(1, pair) for pair in encoded), field(2, sample)


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], value)
