"""Certificates in files. End-to-end tests have those of servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import trustme

from chrysaetos.findings import Status
from chrysaetos.install.check.certificates import check_file


@pytest.mark.parametrize(
    ("days", "status", "found"),
    [
        (-1.5, Status.WARNING, "has expired"),
        (13.5, Status.WARNING, "expires in"),
        (20.0, Status.OK, "valid"),
    ],
)
def test_a_certificate_that_expires_soon_is_a_warning(tmp_path, days, status, found):
    now = datetime.now(UTC)
    issued = trustme.CA().issue_cert(
        "client", not_before=now - timedelta(days=60), not_after=now + timedelta(days=days)
    )
    path = tmp_path / "client.pem"
    issued.cert_chain_pems[0].write_to_path(path)
    finding = check_file(str(path))
    assert finding.status is status
    assert found in finding.found


@pytest.mark.parametrize(("exists", "reason"), [(True, "PEM"), (False, "Can't open file")])
def test_a_file_without_a_certificate_is_a_warning(tmp_path, exists, reason):
    path = tmp_path / "client.pem"
    if exists:
        path.touch()
    finding = check_file(str(path))
    assert finding.status is Status.WARNING
    assert str(path) in finding.found
    assert reason in finding.found
