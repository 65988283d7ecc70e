import math

import pytest

from chrysaetos.demo.waves import Wave, wave

NOW = 1_700_000_000.0


def test_a_counter_is_the_integral_of_its_gauge() -> None:
    curve = wave("compute-0/cpu", 0.35)
    step = 0.5
    summed = sum(curve.at(NOW + i * step + step / 2) * step for i in range(7200))
    assert curve.total(NOW, NOW + 3600) == pytest.approx(summed, rel=1e-6)


def test_a_wave_is_never_negative_and_its_integral_never_falls() -> None:
    curve = wave("compute-0/cpu", 1.0)
    times = [NOW + 60 * i for i in range(1440)]
    assert min(curve.at(time) for time in times) >= 0
    totals = [curve.total(NOW, time) for time in times]
    assert totals == sorted(totals)
    assert totals[-1] > 0.5 * 86400


def test_a_wave_below_zero_is_rejected() -> None:
    with pytest.raises(ValueError, match="below zero"):
        Wave(mean=1.0, swing=0.8, ripple=0.3, period=600.0, phase=0.0)


def test_the_shape_depends_on_the_name() -> None:
    assert wave("a", 1.0) == wave("a", 1.0)
    assert not math.isclose(wave("a", 1.0).at(NOW), wave("b", 1.0).at(NOW))
