"""Makes voices of recordings in the engine's process, one after the other, beside the streams that are heard."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import sys
import threading
from collections.abc import Callable

import msgspec

from saystream.engines.base import Engine, Enrolled
from saystream.errors import AudioRefused, quote
from saystream.hosting.frames import HostedFault, HostedRefusal, Kind, pack_enrolled, unpack_recording

__all__ = ["MAX_MATERIAL_BYTES", "Enroller"]

MAX_MATERIAL_BYTES = 4 << 20
"""It is kept in a database, and sent with every segment that is spoken with it."""

_NICENESS = 10
"""Of the thread: listeners wait for the streams."""


class Enroller:
    """Its thread is started with the first recording."""

    def __init__(self, engine: Engine, reply: Callable[[Kind, int, bytes], None]) -> None:
        """``reply`` sends a frame; it may be called by the thread, and raises OSError when the gateway has gone."""
        self._engine = engine
        self._reply = reply
        self._asked: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, number: int, payload: bytes) -> None:
        """Enroll the recording of an ENROLL frame."""
        self._asked.put((number, payload))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="enroller", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        _give_way()
        with contextlib.suppress(OSError):  # the gateway has gone: the process ends
            while True:
                number, payload = self._asked.get()
                kind, told = self._outcome(payload)
                self._reply(kind, number, told)

    def _outcome(self, payload: bytes) -> tuple[Kind, bytes]:
        try:
            enrolled = self._engine.enroll(unpack_recording(payload))
        except AudioRefused as refusal:
            return Kind.REFUSED, msgspec.json.encode(HostedRefusal.of(refusal))
        except BaseException as error:  # an engine is someone else's code
            if (told := HostedFault.of(error)) is not None:
                return Kind.FAULT, msgspec.json.encode(told)
            return Kind.FAILED, quote(type(error).__name__).encode()
        if problem := _problem_of(enrolled):
            return Kind.INVALID_OUTPUT, problem.encode()
        return Kind.ENROLLED, pack_enrolled(enrolled)


def _problem_of(enrolled: object) -> str:
    """What is wrong with what an engine has made of a recording; "" if nothing is."""
    if not isinstance(enrolled, Enrolled) or not isinstance(enrolled.material, bytes):
        return f"a {quote(type(enrolled).__name__)} instead of an Enrolled with bytes"
    if not 0 < len(enrolled.material) <= MAX_MATERIAL_BYTES:
        return f"material of {len(enrolled.material)} bytes instead of 1 to {MAX_MATERIAL_BYTES}"
    similarity = enrolled.similarity
    if similarity is not None and not (math.isfinite(similarity) and 0 <= similarity <= 1):
        return "a similarity that is not between 0 and 1"
    return ""


def _give_way() -> None:
    """Let the scheduler prefer all other threads to this one. Only Linux has a priority for each thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
