"""The budget of CPU time: used up, forgotten in the course of the window, and each project's own."""

import pytest

from chrysaetos.errors import TooManyRequests
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_project_that_has_used_its_budget_is_refused_until_enough_is_forgotten():
    budget = CpuBudget(2, 10, clock=(clock := Clock()))
    budget.check("A")
    budget.charge("A", 1.5)
    budget.check("A")
    assert budget.used("A") == pytest.approx(0.75)
    budget.charge("A", 1.5)
    with pytest.raises(TooManyRequests, match=r"more than 2 s of the gateway's CPU time in 10 s") as caught:
        budget.check("A")
    assert caught.value.headers() == [(b"retry-after", b"5")]
    assert budget.refused == 1
    clock.now += 4.9
    with pytest.raises(TooManyRequests):
        budget.check("A")
    clock.now += 0.2
    budget.check("A")
    clock.now += 100
    assert budget.used("A") == 0


def test_each_project_has_a_budget_of_its_own():
    budget = CpuBudget(1, 10)
    budget.charge("A", 5)
    budget.check("B")
    assert budget.used("B") == 0


def test_without_a_limit_nothing_is_counted():
    budget = CpuBudget(0, 10)
    budget.charge("A", 1000)
    budget.check("A")
    assert budget.used("A") == 0
