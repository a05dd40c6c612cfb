from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from saystream.engines.base import Engine, EngineStream, Enrolled, Recording, SynthesisRequest
from saystream.errors import AudioSilent, EngineUnavailable
from saystream.hosting.enroller import MAX_MATERIAL_BYTES, Enroller
from saystream.hosting.frames import HostedRefusal, Kind, pack_recording, unpack_enrolled

from .engines_for_tests import INFO, PATIENCE_S

RECORDING = pack_recording(Recording(np.zeros(4, np.float32), 16000))


class EnrollingEngine(Engine):
    info = INFO

    def __init__(self, make: Callable[[Recording], Any]) -> None:
        self._make = make

    def open(self, request: SynthesisRequest) -> EngineStream:
        raise NotImplementedError

    def enroll(self, recording: Recording) -> Enrolled:
        made: Enrolled = self._make(recording)
        return made


def outcome(make: Callable[[Recording], Any], payload: bytes = RECORDING) -> tuple[Kind, bytes]:
    replies: queue.Queue[tuple[Kind, int, bytes]] = queue.Queue()
    enroller = Enroller(EnrollingEngine(make), lambda *frame: replies.put(frame))
    enroller.ask(7, payload)
    kind, number, told = replies.get(timeout=PATIENCE_S)
    assert number == 7
    return kind, told


def raising(error: Exception) -> Callable[[Recording], Any]:
    def make(recording: Recording) -> Any:
        raise error

    return make


def test_recordings_are_enrolled_in_the_order_in_which_they_come() -> None:
    replies: queue.Queue[tuple[Kind, int, bytes]] = queue.Queue()
    enroller = Enroller(
        EnrollingEngine(lambda recording: Enrolled(str(len(recording.samples)).encode(), 0.5)),
        lambda *frame: replies.put(frame),
    )
    for number in (1, 2, 3):
        enroller.ask(number, pack_recording(Recording(np.zeros(number, np.float32), 16000)))
    for number in (1, 2, 3):
        kind, answered, told = replies.get(timeout=PATIENCE_S)
        assert (kind, answered) == (Kind.ENROLLED, number)
        assert unpack_enrolled(told) == Enrolled(str(number).encode(), 0.5)


def test_a_recording_of_no_use_is_refused_with_the_reason() -> None:
    kind, told = outcome(raising(AudioSilent("Nobody speaks.")))
    assert kind == Kind.REFUSED
    assert msgspec.json.decode(told, type=HostedRefusal) == HostedRefusal("audio_silent", "Nobody speaks.")


def test_of_an_unknown_error_only_the_type_is_told() -> None:
    assert outcome(raising(ValueError("secret"))) == (Kind.FAILED, b"ValueError")
    kind, told = outcome(raising(EngineUnavailable("It is not there.")))
    assert kind == Kind.FAULT
    assert b"It is not there." in told


def test_a_frame_that_holds_no_recording_fails() -> None:
    kind, _ = outcome(lambda recording: Enrolled(b"material"), b"no recording")
    assert kind == Kind.FAILED


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (None, b"a NoneType instead"),
        (Enrolled("text"), b"an Enrolled with bytes"),  # type: ignore[arg-type]
        (Enrolled(b""), b"material of 0 bytes"),
        (Enrolled(bytes(MAX_MATERIAL_BYTES + 1)), b"instead of 1 to"),
        (Enrolled(b"material", 1.5), b"a similarity"),
        (Enrolled(b"material", float("nan")), b"a similarity"),
    ],
)
def test_what_is_not_what_an_engine_has_to_give_is_told(made: object, problem: bytes) -> None:
    kind, told = outcome(lambda recording: made)
    assert kind == Kind.INVALID_OUTPUT
    assert problem in told
