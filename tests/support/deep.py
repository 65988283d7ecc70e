"""Variants of a test of which ``make test`` runs one, and ``make test-deep`` all."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _pytest.mark import ParameterSet

__all__ = ["first_of"]

Value = TypeVar("Value")


def first_of(values: Sequence[Value]) -> list[Value | ParameterSet]:
    """Return the values for ``pytest.mark.parametrize``, all but the first with the mark ``deep``."""
    return [*values[:1], *(pytest.param(one, marks=pytest.mark.deep) for one in values[1:])]
