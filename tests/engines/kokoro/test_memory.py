from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from saystream.engines.kokoro.memory import give_back_memory


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="there is no glibc"
)
def test_what_was_freed_goes_back_to_the_system() -> None:
    # Too small for a mapping each; a live one at the top keeps the others in the heap.
    strings = [b"x" * 60_000 for _ in range(2000)]
    last = strings[-1]
    held = resident_bytes()
    del strings
    give_back_memory()
    assert resident_bytes() < held - 60_000_000
    assert last


@pytest.mark.parametrize(("platform", "library"), [("linux", SimpleNamespace()), ("darwin", None)])
def test_without_glibc_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, platform: str, library: SimpleNamespace | None
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    held = resident_bytes()
    give_back_memory()
    assert resident_bytes() > 0.9 * held
