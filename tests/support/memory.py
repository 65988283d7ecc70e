"""Callers that take much memory, and what is kept of them."""

import gc
import tracemalloc

from chrysaetos.identity.caller import Caller

__all__ = ["MIB", "kept_bytes", "large_caller"]

MIB = 1024 * 1024


def large_caller(number):
    """Return a caller with 1,000 roles of 255 characters, which Keystone's limits allow: 1 MiB."""
    roles = tuple(f"{number}-{role}".ljust(255, "\N{EAGLE}") for role in range(1000))
    return Caller(user_id=f"{number}", project_id="P", roles=roles, expires_at=10_000.0)


async def kept_bytes(fill):
    """Return how much memory is in use after a call that was not before."""
    gc.collect()
    tracemalloc.start()
    try:
        await fill()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
