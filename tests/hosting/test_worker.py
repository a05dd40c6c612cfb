from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from saystream.audio import Mark, PhonemeMark, SpeechChunk
from saystream.engines.base import Engine, Span, SynthesisRequest
from saystream.errors import EngineFailed, Overloaded
from saystream.hosting.frames import (
    Frame,
    Kind,
    Opening,
    pack,
    pack_count,
    pack_marks,
    pack_span,
    read_frame,
    unpack_count,
)
from saystream.hosting.worker import EngineHost

from .engines_for_tests import INFO, PATIENCE_S, REQUEST, EchoEngine, SpeakingEngine, StepsEngine

TONE = np.full(8000, 0.5, np.float32)
"""Half a second."""


class Gateway:
    """The other end of the pipes."""

    def __init__(self, commands: int, replies: int) -> None:
        self._commands = os.fdopen(commands, "wb", buffering=0)
        self._replies = os.fdopen(replies, "rb")

    def say(self, kind: Kind, stream: int = 0, payload: bytes = b"") -> None:
        self._commands.write(pack(kind, stream, payload))

    def open(self, stream: int, text: str | None = None, *, lead_ms: float | None = None) -> None:
        self.say(Kind.OPEN, stream, msgspec.json.encode(Opening(REQUEST, lead_ms)))
        if text is not None:
            self.say(Kind.TEXT, stream, pack_span(Span(text)))
            self.say(Kind.END_INPUT, stream)

    def hear(self) -> Frame:
        frame = read_frame(self._replies)
        assert frame is not None
        return frame

    def hear_until_end(self, stream: int) -> tuple[list[np.ndarray], int, str]:
        """Audio pieces of a stream, the kind of its last frame and what that says."""
        pieces: list[np.ndarray] = []
        while True:
            kind, number, payload = self.hear()
            assert number == stream
            if kind == Kind.TAKEN:
                continue
            if kind == Kind.DONE:
                assert unpack_count(payload) >= 0
                return pieces, kind, ""
            if kind != Kind.AUDIO:
                return pieces, kind, payload.decode()
            pieces.append(np.frombuffer(payload, "<f4"))

    def hang_up(self) -> None:
        self._commands.close()

    def close(self) -> None:
        self._commands.close()
        self._replies.close()


@contextmanager
def hosted(engine: Engine) -> Iterator[Gateway]:
    commands_end, commands = os.pipe()
    replies, replies_end = os.pipe()
    gateway = Gateway(commands, replies)
    with os.fdopen(commands_end, "rb") as commands_in, os.fdopen(replies_end, "wb") as replies_out:
        serving = threading.Thread(target=EngineHost(engine, commands_in, replies_out).serve)
        serving.start()
        try:
            assert gateway.hear()[0] == Kind.READY
            yield gateway
        finally:
            gateway.hang_up()
            serving.join(PATIENCE_S)
            for thread in threading.enumerate():
                if thread.name.startswith("stream-"):
                    thread.join(PATIENCE_S)
            gateway.close()
            assert not serving.is_alive()


def speaking(*chunks: object) -> SpeakingEngine:
    return SpeakingEngine(lambda text: iter(chunks))


def test_audio_comes_in_pieces_of_at_most_200_ms_and_nothing_is_lost() -> None:
    ramp = np.linspace(-1, 1, 8001, dtype=np.float32)
    with hosted(speaking(ramp, ramp[:1])) as gateway:
        gateway.open(1, "text")
        pieces, kind, _ = gateway.hear_until_end(1)
    assert kind == Kind.DONE
    assert [len(piece) for piece in pieces] == [3200, 3200, 1601, 1]
    np.testing.assert_array_equal(np.concatenate(pieces), [*ramp, ramp[0]])


def test_the_engine_gets_the_whole_text() -> None:
    heard: list[str] = []

    def speak(text: str) -> Iterator[np.ndarray]:
        heard.append(text)
        return iter(())

    with hosted(SpeakingEngine(speak)) as gateway:
        gateway.open(1)
        for part in ("one ", "two ", "δύο"):
            gateway.say(Kind.TEXT, 1, pack_span(Span(part)))
        gateway.say(Kind.END_INPUT, 1)
        assert gateway.hear_until_end(1) == ([], Kind.DONE, "")
    assert heard == ["one two δύο"]


def test_samples_that_are_a_view_with_gaps_are_sent_as_they_sound() -> None:
    with hosted(speaking(np.arange(10, dtype=np.float32)[::5] / 10)) as gateway:
        gateway.open(1, "text")
        pieces, _, _ = gateway.hear_until_end(1)
    np.testing.assert_array_equal(pieces, [np.array([0, 0.5], np.float32)])


def test_an_empty_array_is_no_frame() -> None:
    with hosted(speaking(TONE[:0], TONE[:5])) as gateway:
        gateway.open(1, "text")
        pieces, kind, _ = gateway.hear_until_end(1)
    assert ([len(piece) for piece in pieces], kind) == ([5], Kind.DONE)


NO_MARKS: Any = ("one",)


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        ([0.0, 0.5], "a list instead of an array"),
        (TONE.astype(np.float64), "dtype float64 instead of float32"),
        (TONE.astype(">f4"), "dtype >f4 instead of float32"),
        (np.zeros(5, np.int16), "dtype int16 instead of float32"),
        (TONE.reshape(2, -1), "2 dimensions instead of 1"),
        (np.array([0, np.nan], np.float32), "samples that are not finite or beyond 4.0"),
        (np.array([0, -np.inf], np.float32), "samples that are not finite or beyond 4.0"),
        (TONE * 32767, "samples that are not finite or beyond 4.0"),
    ],
)
def test_what_is_no_audio_ends_the_stream_and_not_the_process(chunk: Any, said: str) -> None:
    engine = SpeakingEngine(lambda text: iter([TONE, chunk if text == "bad" else TONE]))
    with hosted(engine) as gateway:
        gateway.open(1, "bad")
        pieces, kind, reason = gateway.hear_until_end(1)
        assert (sum(map(len, pieces)), kind, reason) == (8000, Kind.INVALID_OUTPUT, said)
        gateway.open(2, "good")
        assert gateway.hear_until_end(2)[1] == Kind.DONE


class Unwrapped(SpeakingEngine):
    """Its chunks are what ``speak`` yields."""

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        return self._speak(span.text)


def test_marks_are_sent_before_the_audio_that_they_belong_to() -> None:
    early, late = Mark(0, 3, 0, 100), Mark(4, 7, 700, 900)
    chunks = [SpeechChunk(TONE[:0], (early,)), SpeechChunk(TONE, (late,)), SpeechChunk(TONE[:10])]
    with hosted(Unwrapped(lambda text: iter(chunks))) as gateway:
        gateway.open(1, "one two")
        frames = [gateway.hear() for _ in range(6)]
    assert frames[0] == (Kind.MARKS, 1, pack_marks((early, late)))
    assert [kind for kind, _, _ in frames[1:]] == [*[Kind.AUDIO] * 4, Kind.DONE]


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (TONE, "a ndarray instead of a SpeechChunk"),
        (SpeechChunk(TONE, NO_MARKS), "marks that are not in the text or not in the audio"),
        (SpeechChunk(TONE, (Mark(3, 2, 0, 1),)), "marks that are not in the text or not in the audio"),
        (
            SpeechChunk(TONE, (Mark(0, 2, 0, 9, (PhonemeMark("a", 5, 1),)),)),
            "marks that are not in the text or not in the audio",
        ),
        (SpeechChunk(TONE, (Mark(0, 2, 5, 1),)), "marks that are not in the text or not in the audio"),
        (SpeechChunk(TONE, (Mark(0, 2, 0, np.nan),)), "marks that are not in the text or not in the audio"),
    ],
)
def test_what_is_no_chunk_of_speech_ends_the_stream(chunk: Any, said: str) -> None:
    with hosted(Unwrapped(lambda text: iter([chunk]))) as gateway:
        gateway.open(1, "text")
        assert gateway.hear_until_end(1) == ([], Kind.INVALID_OUTPUT, said)


@pytest.mark.parametrize("error", [ValueError("secret words"), SystemExit("secret words"), MemoryError()])
def test_an_error_of_the_engine_ends_the_stream_and_tells_its_type_alone(
    error: ValueError | SystemExit | MemoryError,
) -> None:
    def speak(text: str) -> Iterator[np.ndarray]:
        yield TONE[:10]
        if text == "bad":
            raise error

    with hosted(SpeakingEngine(speak)) as gateway:
        gateway.open(1, "bad")
        assert gateway.hear_until_end(1)[1:] == (Kind.FAILED, type(error).__name__)
        gateway.open(2, "good")
        assert gateway.hear_until_end(2)[1] == Kind.DONE


def test_an_incremental_engine_speaks_while_text_comes() -> None:
    with hosted(EchoEngine()) as gateway:
        gateway.open(1)
        for taken, character in enumerate("abc", 1):
            gateway.say(Kind.TEXT, 1, pack_span(Span(character)))
            assert gateway.hear() == (Kind.TAKEN, 1, pack_count(taken))
            _, _, payload = gateway.hear()
            assert np.frombuffer(payload, "<f4")[0] == np.float32(ord(character) / 1000)
        gateway.say(Kind.END_INPUT, 1)
        assert gateway.hear_until_end(1) == ([], Kind.DONE, "")


def test_text_that_comes_before_the_engine_has_opened_is_kept_in_order() -> None:
    engine = EchoEngine()
    engine.may_open.clear()
    with hosted(engine) as gateway:
        gateway.open(1)
        gateway.say(Kind.TEXT, 1, pack_span(Span("a")))
        gateway.say(Kind.TEXT, 1, pack_span(Span("b")))
        gateway.say(Kind.END_INPUT, 1)
        engine.may_open.set()
        pieces, kind, _ = gateway.hear_until_end(1)
    assert kind == Kind.DONE
    np.testing.assert_array_equal([piece[0] for piece in pieces], np.array([0.097, 0.098], np.float32))


@pytest.mark.parametrize("fault", [EngineFailed("The voice is gone."), Overloaded("Come back later.")])
def test_a_fault_of_our_own_tree_is_told_with_its_message(fault: EngineFailed | Overloaded) -> None:
    def speak(text: str) -> Iterator[np.ndarray]:
        yield TONE[:10]
        raise fault

    with hosted(SpeakingEngine(speak)) as gateway:
        gateway.open(1, "text")
        pieces, kind, told = gateway.hear_until_end(1)
    assert len(pieces) == 1
    assert (kind, json.loads(told)) == (Kind.FAULT, {"code": fault.code, "message": fault.message})


def test_text_that_the_engine_refuses_fails_its_stream_and_not_the_process() -> None:
    with hosted(EchoEngine()) as gateway:
        gateway.open(1, "unpronounceable")
        assert gateway.hear_until_end(1) == ([], Kind.FAILED, "ValueError")
        gateway.open(2, "a")
        assert gateway.hear_until_end(2)[1] == Kind.DONE


def test_streams_run_side_by_side() -> None:
    together = threading.Barrier(INFO.concurrency, timeout=PATIENCE_S)

    def speak(text: str) -> Iterator[np.ndarray]:
        together.wait()
        yield TONE[:10]

    with hosted(SpeakingEngine(speak)) as gateway:
        gateway.open(1, "one")
        gateway.open(2, "two")
        kinds = [gateway.hear()[0] for _ in range(4)]
    assert sorted(kinds) == [Kind.AUDIO, Kind.AUDIO, Kind.DONE, Kind.DONE]


class TakingTurns(SpeakingEngine):
    info = replace(INFO, parallel=1)


def windows(made: queue.SimpleQueue[str], may_make: threading.Semaphore) -> TakingTurns:
    """An engine whose windows a test lets through one by one; what is made says of which text."""

    def speak(text: str) -> Iterator[np.ndarray]:
        for _ in range(3):
            made.put(text)
            assert may_make.acquire(timeout=PATIENCE_S)
            yield TONE[:160]  # all of them find room in a pipe

    return TakingTurns(speak)


def wait_for(gateway: Gateway, *wanted: tuple[Kind, int]) -> None:
    """Hear until each of ``wanted`` has come, in any order."""
    left = {*wanted}
    while left:
        kind, number, _ = gateway.hear()
        assert kind != Kind.FAILED
        left.discard((Kind(kind), number))


def test_the_next_window_is_that_of_the_listener_with_the_least_sound_left() -> None:
    made: queue.SimpleQueue[str] = queue.SimpleQueue()
    may_make = threading.Semaphore(0)
    with hosted(windows(made, may_make)) as gateway:
        gateway.open(1, "far", lead_ms=60_000)
        assert made.get(timeout=PATIENCE_S) == "far"
        gateway.open(2, "near", lead_ms=30_000)
        wait_for(gateway, (Kind.WAITING, 2))
        may_make.release()
        assert made.get(timeout=PATIENCE_S) == "near"
        may_make.release(5)
        assert [made.get(timeout=PATIENCE_S) for _ in range(4)] == ["near", "near", "far", "far"]
        wait_for(gateway, (Kind.DONE, 1), (Kind.DONE, 2))


def test_a_new_listener_is_served_after_one_window_of_another() -> None:
    made: queue.SimpleQueue[str] = queue.SimpleQueue()
    may_make = threading.Semaphore(0)
    with hosted(windows(made, may_make)) as gateway:
        gateway.open(1, "sounding", lead_ms=60_000)
        assert made.get(timeout=PATIENCE_S) == "sounding"
        gateway.open(2, "new")
        wait_for(gateway, (Kind.WAITING, 2))
        may_make.release()
        assert made.get(timeout=PATIENCE_S) == "new"
        may_make.release(5)
        wait_for(gateway, (Kind.TURN, 2), (Kind.DONE, 1), (Kind.DONE, 2))


def test_cores_that_no_other_stream_wants_do_steps_of_one() -> None:
    engine = StepsEngine(meet=2)
    with hosted(engine) as gateway:
        gateway.open(1, "text")
        pieces, kind, _ = gateway.hear_until_end(1)
    assert ([len(piece) for piece in pieces], kind) == ([1, 2, 3, 3, 3], Kind.DONE)
    assert len(engine.threads) >= 2


def test_a_stream_that_others_help_can_be_cancelled() -> None:
    engine = StepsEngine(meet=3)  # more than can compute at once, so nothing is made until the barrier breaks
    with hosted(engine) as gateway:
        gateway.open(1, "text")
        assert gateway.hear()[0] == Kind.AUDIO
        gateway.say(Kind.CANCEL, 1)
        engine.meeting.abort()
        while (frame := gateway.hear())[0] == Kind.AUDIO:
            pass
        assert frame[0] in (Kind.DONE, Kind.FAILED)


def test_a_stream_that_waits_for_its_turn_can_be_cancelled() -> None:
    made: queue.SimpleQueue[str] = queue.SimpleQueue()
    may_make = threading.Semaphore(0)
    with hosted(windows(made, may_make)) as gateway:
        gateway.open(1, "one")
        assert made.get(timeout=PATIENCE_S) == "one"
        gateway.open(2, "two")
        assert gateway.hear()[:2] == (Kind.WAITING, 2)
        gateway.say(Kind.CANCEL, 2)
        assert gateway.hear()[:2] == (Kind.DONE, 2)
        gateway.say(Kind.CANCEL, 1)
        may_make.release(3)
        wait_for(gateway, (Kind.DONE, 1))
        assert "two" not in [made.get() for _ in range(made.qsize())]


def test_a_held_stream_leaves_its_turn_to_others() -> None:
    made: queue.SimpleQueue[str] = queue.SimpleQueue()
    may_make = threading.Semaphore(0)
    with hosted(windows(made, may_make)) as gateway:
        gateway.open(1, lead_ms=0)
        gateway.say(Kind.HOLD, 1)
        gateway.say(Kind.TEXT, 1, pack_span(Span("held")))
        gateway.say(Kind.END_INPUT, 1)
        assert made.get(timeout=PATIENCE_S) == "held"
        gateway.open(2, "other", lead_ms=60_000)
        wait_for(gateway, (Kind.WAITING, 2))
        may_make.release(4)
        wait_for(gateway, (Kind.DONE, 2))
        gateway.say(Kind.RESUME, 1)
        may_make.release(2)
        wait_for(gateway, (Kind.DONE, 1))


def test_a_cancel_ends_the_stream_once_the_engine_has_cleaned_up() -> None:
    log = []

    def speak(text: str) -> Iterator[np.ndarray]:
        try:
            while True:
                yield TONE[:100]
        finally:
            log.append("cleaned up")

    with hosted(SpeakingEngine(speak)) as gateway:
        gateway.open(1, "text")
        gateway.hear()
        gateway.say(Kind.CANCEL, 1)
        assert gateway.hear_until_end(1)[1] == Kind.DONE
        assert log == ["cleaned up"]


def test_a_stream_that_waits_for_text_can_be_cancelled() -> None:
    with hosted(speaking(TONE)) as gateway:
        gateway.open(1)
        gateway.say(Kind.CANCEL, 1)
        assert gateway.hear_until_end(1) == ([], Kind.DONE, "")


def test_a_held_stream_sends_nothing_until_it_is_resumed() -> None:
    second_chunk_made = threading.Event()
    may_make_second = threading.Event()

    def speak(text: str) -> Iterator[np.ndarray]:
        yield TONE[:1]
        assert may_make_second.wait(PATIENCE_S)
        second_chunk_made.set()
        yield TONE[:2]

    with hosted(SpeakingEngine(speak)) as gateway:
        gateway.open(1, "one")
        assert len(gateway.hear()[2]) == 4
        gateway.say(Kind.HOLD, 1)
        gateway.open(2, "two")  # its first audio shows that the hold was read
        assert gateway.hear()[1] == 2
        may_make_second.set()
        assert second_chunk_made.wait(PATIENCE_S)
        assert gateway.hear_until_end(2)[1] == Kind.DONE
        gateway.say(Kind.RESUME, 1)
        pieces, kind, _ = gateway.hear_until_end(1)
    assert ([len(piece) for piece in pieces], kind) == ([2], Kind.DONE)


def test_a_held_stream_can_be_cancelled() -> None:
    with hosted(speaking(TONE, TONE)) as gateway:
        gateway.open(1)
        gateway.say(Kind.HOLD, 1)
        gateway.say(Kind.TEXT, 1, pack_span(Span("text")))
        gateway.say(Kind.END_INPUT, 1)
        gateway.say(Kind.CANCEL, 1)
        gateway.say(Kind.HOLD, 1)
        assert gateway.hear_until_end(1) == ([], Kind.DONE, "")


def test_frames_for_a_stream_that_has_ended_are_ignored() -> None:
    with hosted(speaking(TONE[:1])) as gateway:
        gateway.open(1, "text")
        gateway.hear_until_end(1)
        for kind in (Kind.TEXT, Kind.END_INPUT, Kind.CANCEL, Kind.HOLD, Kind.RESUME):
            gateway.say(kind, 1)
        gateway.open(2, "text")
        assert gateway.hear_until_end(2)[1] == Kind.DONE


def test_numbers_come_to_an_engine_as_words_where_that_is_asked_for() -> None:
    heard: list[str] = []

    def speak(text: str) -> Iterator[np.ndarray]:
        heard.append(text)
        yield TONE

    with hosted(SpeakingEngine(speak)) as gateway:
        for number, request in enumerate((REQUEST, replace(REQUEST, normalize_text=True)), start=1):
            gateway.say(Kind.OPEN, number, msgspec.json.encode(Opening(request)))
            gateway.say(Kind.TEXT, number, pack_span(Span("It is 5 km.")))
            gateway.say(Kind.END_INPUT, number)
            assert gateway.hear_until_end(number)[1] == Kind.DONE
    assert heard == ["It is 5 km.", "It is five kilometers."]
