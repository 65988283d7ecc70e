"""Values for people."""

import math

import pytest

from chrysaetos.cli.units import format_bytes, format_duration, humanize, unit_of


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "", "0"),
        (2096.0, "", "2096"),
        (0.123456, "", "0.1235"),
        (4665586155028820.0, "", "4.666P"),
        (4665586155028820.0, "ns", "54d 0h"),
        (math.nan, "B", "NaN"),
        (math.inf, "s", "+Inf"),
        (-math.inf, "", "-Inf"),
        (4096.0, "MB", "4096 MB"),
        (12.3456, "%", "12.35 %"),
        (3.0, "vcpu", "3"),
        (1795262400.0, "time", "2026-11-21T12:00:00Z"),
        (1e300, "time", "1e+300"),
        (1536.0, "B", "1.5 KiB"),
    ],
)
def test_a_value_with_its_unit(value, unit, text):
    assert humanize(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 B"),
        (999.0, "999 B"),
        (1023.0, "1023 B"),
        (1023.9, "1 KiB"),
        (1024.0, "1 KiB"),
        (3514647552.0, "3.27 GiB"),
        (1048575.0, "1 MiB"),
        (-2048.0, "-2 KiB"),
        (2.0**70, "1024 EiB"),
    ],
)
def test_bytes(value, text):
    assert format_bytes(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.083, "83 ms"),
        (2.5e-5, "25 us"),
        (3e-9, "3 ns"),
        (12.345, "12.3 s"),
        (59.96, "1m 0s"),
        (312.0, "5m 12s"),
        (-312.0, "-5m 12s"),
        (3599.9, "1h 0m"),
        (11520.0, "3h 12m"),
        (86399.0, "1d 0h"),
        (90000.0, "1d 1h"),
        (1e15, "11.57G d"),
    ],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("labels", "unit"),
    [
        ({"__name__": "node_memory_MemFree_bytes"}, "B"),
        ({"__name__": "node_network_receive_bytes_total"}, "B"),
        ({"__name__": "node_cpu_seconds_total"}, "s"),
        ({"__name__": "http_request_duration_seconds_sum"}, "s"),
        ({"__name__": "http_request_duration_seconds_count"}, ""),
        ({"__name__": "process_start_time_seconds"}, "time"),
        ({"__name__": "ceilometer_cpu", "unit": "ns"}, "ns"),
        ({"__name__": "up"}, ""),
        ({"unit": "ns"}, ""),
    ],
)
def test_the_unit_of_a_series(labels, unit):
    assert unit_of(labels) == unit
