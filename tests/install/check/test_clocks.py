"""Clocks: only a difference that the time of the request does not explain is one."""

import pytest

from chrysaetos.findings import Status
from chrysaetos.install.check.clocks import compare_clock


@pytest.mark.parametrize("theirs", [95.1, 99.0, 103.0, 107.9])
def test_clocks_that_may_agree(theirs):
    assert compare_clock("S", theirs, before=100.0, after=103.0).status is Status.OK


@pytest.mark.parametrize(("theirs", "found"), [(94.0, "6 s behind"), (113.0, "10 s ahead of")])
def test_clocks_that_differ(theirs, found):
    finding = compare_clock("S", theirs, before=100.0, after=103.0)
    assert finding.status is Status.WARNING
    assert found in finding.found


def test_a_time_without_fractions_may_be_a_second_old():
    assert compare_clock("S", 94.5, before=100.0, after=100.0, step=1.0).status is Status.OK
    assert compare_clock("S", 93.9, before=100.0, after=100.0, step=1.0).status is Status.WARNING
