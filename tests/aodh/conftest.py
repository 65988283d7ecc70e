"""Tests that need Aodh run in its virtual environment (see the Makefile).

Tests of modules that do not import Aodh run there and in the main environment.
"""

from __future__ import annotations

import importlib.util
import warnings

HAS_AODH = importlib.util.find_spec("aodh") is not None
collect_ignore = [] if HAS_AODH else ["test_evaluator.py"]

if HAS_AODH:
    with warnings.catch_warnings():
        # Warnings of Aodh's libraries at import.
        warnings.simplefilter("ignore")
        import aodh.evaluator.composite
        import aodh.notifier
        import aodh.opts
        import aodh.service  # noqa: F401  # imported for their warnings
