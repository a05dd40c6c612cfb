"""Gives memory back to the system."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["give_back_memory"]


def give_back_memory() -> None:
    """What was freed and the C library keeps for later: after models and dictionaries are loaded, a fifth of what the
    process has. Only glibc has a call for it."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
