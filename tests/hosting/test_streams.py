from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import numpy as np
import pytest

from saystream.audio import AudioChunk
from saystream.engines.base import Span, SynthesisRequest
from saystream.errors import EngineCrashed, EngineFailed
from saystream.hosting.front import Forecast
from saystream.hosting.playback import Playback
from saystream.hosting.streams import STREAM_TABLE, PoolStream, StreamState

from .engines_for_tests import REQUEST

TENTH = AudioChunk(np.zeros(1600, np.float32), 16000)
"""100 ms."""


class Told:
    """Owner, process and hosted stream in one: writes down what a stream tells each of them."""

    def __init__(self, *, runs_again: bool = False) -> None:
        self.log: list[object] = []
        self._runs_again = runs_again
        self.time_ms = 0.0

    def run(self, stream: PoolStream) -> None:
        """The stream runs on this process."""
        host: Any = self
        stream.run_on(host)

    def can_start(self, stream: Any) -> None:
        self.log.append("can start")

    def withdrawn(self, stream: Any) -> None:
        self.log.append("withdrawn")

    def slot_freed(self, stream: Any, fault: Any) -> None:
        self.log.append(("slot freed", fault))

    def process_lost(self, stream: Any) -> bool:
        return self._runs_again

    def forecast(self, stream: Any) -> Forecast:
        return Forecast(stream.lag_ms or 0.0, stream.sounded_ms)

    def next_forecast(self, stream: Any, size: float) -> Forecast:
        return Forecast(size, stream.sounded_ms)

    def now_ms(self) -> float:
        self.time_ms += 40
        return self.time_ms

    def open(
        self, request: SynthesisRequest, listener: Any, *, span: Span, input_ended: bool, lead_ms: Any
    ) -> Any:
        self.log.append(("open", span.text, input_ended))
        return self

    def push(self, span: Span) -> None:
        self.log.append(("text", span.text))

    def end_input(self) -> None:
        self.log.append("end of input")

    def cancel(self) -> None:
        self.log.append("cancel")

    def hold(self) -> None:
        self.log.append("hold")

    def resume(self) -> None:
        self.log.append("resume")


def stream_of(told: Told, *, incremental: bool = False, buffered_audio_s: float = 1.0) -> PoolStream:
    return PoolStream(
        told,
        REQUEST,
        playback=Playback(0),
        incremental_text=incremental,
        buffered_audio_s=buffered_audio_s,
        max_audio_s_per_character=2.0,
    )


async def heard_ms(stream: PoolStream) -> float:
    return sum([chunk.duration_ms async for chunk in stream])


def test_a_whole_segment_can_start_when_its_text_is_complete() -> None:
    told = Told()
    stream = stream_of(told)
    stream.push(Span("one "))
    stream.push(Span("two"))
    assert told.log == []
    stream.end_input()
    told.run(stream)
    assert told.log == ["can start", ("open", "one two", True)]


def test_an_incremental_stream_can_start_with_its_first_text_and_passes_on_the_rest() -> None:
    told = Told()
    stream = stream_of(told, incremental=True)
    stream.push(Span(""))
    stream.push(Span("one "))
    stream.push(Span("two "))
    told.run(stream)
    stream.push(Span("three"))
    stream.end_input()
    assert told.log == ["can start", ("open", "one two ", False), ("text", "three"), "end of input"]


def test_an_incremental_stream_without_text_can_start_when_its_input_has_ended() -> None:
    told = Told()
    stream_of(told, incremental=True).end_input()
    assert told.log == ["can start"]


def test_a_stream_that_runs_again_says_all_of_its_text_again() -> None:
    told = Told(runs_again=True)
    stream = stream_of(told, incremental=True)
    stream.push(Span("one "))
    told.run(stream)
    stream.push(Span("two "))
    stream.lost(EngineCrashed("gone"))
    stream.push(Span("three"))
    told.run(stream)
    assert told.log[1:] == [("open", "one ", False), ("text", "two "), ("open", "one two three", False)]
    assert (stream.attempts, stream.over) == (2, False)


async def test_a_stream_that_was_heard_never_runs_again() -> None:
    told = Told(runs_again=True)
    stream = stream_of(told)
    stream.end_input()
    told.run(stream)
    for _ in range(3):
        stream.audio_came(TENTH)
    assert (await anext(stream)).duration_ms == 100
    fault = EngineCrashed("gone")
    stream.lost(fault)
    assert told.log[-1] == ("slot freed", fault)
    assert (await anext(stream)).duration_ms == 100
    assert (await anext(stream)).duration_ms == 100
    with pytest.raises(EngineCrashed):
        await anext(stream)


async def test_a_stream_of_which_nothing_was_heard_runs_again_without_what_it_had_sent() -> None:
    told = Told(runs_again=True)
    stream = stream_of(told, buffered_audio_s=0.15)
    stream.push(Span("one"))
    stream.end_input()
    told.run(stream)
    stream.audio_came(TENTH)
    stream.audio_came(TENTH)
    assert stream.state is StreamState.HELD
    stream.lost(EngineCrashed("gone"))
    assert (stream.state, stream.buffered_ms) == (StreamState.WAITING, 0)
    told.run(stream)
    assert told.log[-1] == ("open", "one", True)
    stream.audio_came(TENTH)
    stream.ended(None)
    assert await heard_ms(stream) == 100


async def test_a_stream_that_may_not_run_again_is_heard_as_far_as_it_came() -> None:
    told = Told()
    stream = stream_of(told)
    stream.end_input()
    told.run(stream)
    stream.audio_came(TENTH)
    stream.lost(EngineCrashed("gone"))
    assert (await anext(stream)).duration_ms == 100
    with pytest.raises(EngineCrashed):
        await anext(stream)


async def test_audio_above_the_bound_holds_the_engine_until_half_of_it_was_read() -> None:
    told = Told()
    stream = stream_of(told, buffered_audio_s=1.0)
    stream.end_input()
    told.run(stream)
    for _ in range(10):
        stream.audio_came(TENTH)
    assert told.log[2:] == []
    stream.audio_came(TENTH)
    stream.audio_came(TENTH)
    assert told.log[2:] == ["hold"]
    for _ in range(6):
        await anext(stream)
    assert told.log[2:] == ["hold"]
    await anext(stream)
    assert told.log[2:] == ["hold", "resume"]
    stream.ended(None)
    assert await heard_ms(stream) == 500


async def test_a_stream_that_ended_while_it_was_held_is_read_to_its_end() -> None:
    told = Told()
    stream = stream_of(told, buffered_audio_s=0.1)
    stream.end_input()
    told.run(stream)
    stream.audio_came(TENTH)
    stream.audio_came(TENTH)
    stream.ended(None)
    assert await heard_ms(stream) == 200
    assert "resume" not in told.log


async def test_what_comes_after_a_cancel_is_thrown_away_and_frees_the_slot() -> None:
    told = Told()
    stream = stream_of(told)
    stream.end_input()
    told.run(stream)
    stream.audio_came(TENTH)
    stream.cancel()
    stream.cancel()
    stream.audio_came(TENTH)
    stream.ended(None)
    assert told.log[2:] == ["cancel", ("slot freed", None)]
    assert await heard_ms(stream) == 0


async def test_a_cancelled_stream_is_not_run_again() -> None:
    told = Told(runs_again=True)
    stream = stream_of(told)
    stream.end_input()
    told.run(stream)
    stream.cancel()
    fault = EngineCrashed("gone")
    stream.lost(fault)
    assert told.log[-1] == ("slot freed", fault)
    assert await heard_ms(stream) == 0


async def test_a_reader_that_waits_gets_the_fault() -> None:
    told = Told()
    stream = stream_of(told)
    stream.end_input()
    reader = asyncio.create_task(heard_ms(stream))
    await asyncio.sleep(0)
    told.run(stream)
    stream.ended(EngineFailed("failed"))
    with pytest.raises(EngineFailed):
        await reader


async def test_a_fault_that_nobody_read_is_gone_with_a_cancel() -> None:
    stream = stream_of(Told())
    stream.fail(EngineFailed("failed"))
    stream.fail(EngineFailed("failed again"))
    stream.cancel()
    assert await heard_ms(stream) == 0


async def test_a_reader_that_is_cancelled_can_be_followed_by_another() -> None:
    told = Told()
    stream = stream_of(told)
    stream.end_input()
    told.run(stream)
    reader = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    stream.audio_came(TENTH)
    assert (await anext(stream)).duration_ms == 100


def test_text_of_an_incremental_stream_waits_until_its_engine_says_that_it_took_it() -> None:
    told = Told(runs_again=True)
    stream = stream_of(told, incremental=True)
    stream.push(Span("one "))
    told.run(stream)
    stream.push(Span("two "))
    assert stream.waiting_characters == 8
    stream.text_taken(6)
    assert stream.waiting_characters == 2
    stream.lost(EngineCrashed("gone"))
    told.run(stream)
    assert stream.waiting_characters == 8
    stream.text_taken(99)
    assert stream.waiting_characters == 0
    stream.push(Span("three"))
    stream.cancel()
    assert stream.waiting_characters == 0


def test_time_in_which_a_stream_waits_for_its_turn_does_not_count_as_work() -> None:
    told = Told()  # 40 ms between any two calls
    stream = stream_of(told)
    stream.push(Span("one"))
    stream.end_input()
    told.run(stream)
    stream.waits(True)
    told.time_ms += 1000
    stream.waits(False)
    stream.audio_came(TENTH)
    assert (stream.waited_ms, stream.first_audio_ms) == (1040, 80)
    stream.waits(True)
    told.time_ms += 1000
    stream.waits(False)
    stream.audio_came(TENTH)
    assert (stream.waited_ms, stream.lag_ms) == (2080, 0)


def test_text_of_a_whole_segment_never_waits_in_its_stream() -> None:
    stream = stream_of(Told())
    stream.push(Span("one"))
    assert stream.waiting_characters == 0


async def test_an_engine_that_cannot_stop_is_stopped_and_what_it_said_is_heard() -> None:
    told = Told()
    stream = stream_of(told, buffered_audio_s=100.0)
    stream.push(Span("a" * 5))
    stream.end_input()
    told.run(stream)
    for _ in range(400):
        stream.audio_came(TENTH)
    assert (stream.over, told.log[-1]) == (False, ("open", "aaaaa", True))
    stream.audio_came(TENTH)
    assert (stream.over, told.log[-1]) == (True, "cancel")
    stream.audio_came(TENTH)
    stream.ended(None)
    assert await heard_ms(stream) == 40_100
    assert told.log[-1] == ("slot freed", None)


# --- the table of states


def stream_in(state: StreamState, told: Told) -> PoolStream:
    stream = stream_of(told, buffered_audio_s=0.15)
    if state is StreamState.OVER:
        stream.cancel()
    if state in (StreamState.GATHERING, StreamState.OVER):
        return stream
    stream.end_input()
    if state is StreamState.WAITING:
        return stream
    told.run(stream)
    if state in (StreamState.SOUNDING, StreamState.HELD):
        stream.audio_came(TENTH)
    if state is StreamState.HELD:
        stream.audio_came(TENTH)
    if state is StreamState.STOPPING:
        stream.cancel()
    return stream


def happen(stream: PoolStream, event: str, told: Told) -> None:
    match event:
        case "start":
            told.run(stream)
        case "audio":
            stream.audio_came(AudioChunk(np.zeros(1, np.float32), 16000))
        case "ended":
            stream.ended(None)
        case "lost" | "lost unread":
            stream.lost(EngineCrashed("gone"))
        case _:
            stream.cancel()


HEARD = [(state, "lost") for state in (StreamState.SOUNDING, StreamState.HELD)]
"""Nothing is heard of a stream in the other states."""


@pytest.mark.parametrize(
    ("state", "event"),
    [*product(StreamState, ["start", "audio", "stop", "ended", "lost unread"]), *HEARD],
)
async def test_an_event_goes_by_the_table_or_raises_and_changes_nothing(
    state: StreamState, event: str
) -> None:
    told = Told(runs_again=True)
    stream = stream_in(state, told)
    if event == "lost":
        await anext(stream)
    assert stream.state is state
    before = ([*told.log], stream.attempts, stream.buffered_ms)
    if event in STREAM_TABLE[state]:
        happen(stream, event, told)
        assert stream.state is STREAM_TABLE[state][event]
        return
    with pytest.raises(RuntimeError, match=f"'{event}' is not possible while a stream is {state.value}"):
        happen(stream, event, told)
    assert stream.state is state
    assert (told.log, stream.attempts, stream.buffered_ms) == before


def test_every_state_can_be_left_but_the_last() -> None:
    reached = {after for row in STREAM_TABLE.values() for after in row.values()}
    assert reached | {StreamState.GATHERING} == set(StreamState) == set(STREAM_TABLE)
    assert set(STREAM_TABLE[StreamState.OVER].values()) == {StreamState.OVER}


def test_its_listener_has_begun_once_there_is_sound() -> None:
    stream = stream_in(StreamState.STARTED, Told())
    assert not stream.playback.has_begun(0)
    stream.audio_came(TENTH)
    assert stream.playback.has_begun(0)


async def test_a_stream_whose_reader_has_caught_up_sounds_again() -> None:
    stream = stream_in(StreamState.HELD, Told())
    await anext(stream)
    await anext(stream)
    assert stream.state is StreamState.SOUNDING


# --- forecast


def test_the_lag_without_which_it_would_have_run_dry_is_noted() -> None:
    told = Told()
    stream = stream_of(told)
    stream.push(Span("one"))
    stream.end_input()
    told.run(stream)
    stream.audio_came(TENTH)
    assert stream.forecast == Forecast(0, 100)
    told.time_ms += 500
    stream.audio_came(TENTH)
    stream.audio_came(TENTH)
    assert (stream.first_audio_ms, stream.lag_ms) == (40, 440)
    assert stream.forecast == Forecast(440, 300)
    assert stream.next_forecast(7.0) == Forecast(7.0, 300)
    assert stream.size == 3
