from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.virtual_time import on_virtual_time
from fake_pool import FakePool, FakeStream
from saystream.engines.base import SynthesisRequest
from saystream.errors import Overloaded
from saystream.hosting.playback import Playback
from saystream.speech.response import LIFE_TABLE, LifeState, SpeechResponse
from saystream.text.script import Manner, Pronunciation
from saystream.text.segmenter import Segment, Segmenter

REQUEST = SynthesisRequest(voice="tone", language="en")


class CountingSegmenter(Segmenter):
    """Notes how much it is given at once."""

    def __init__(self) -> None:
        super().__init__(first_min_characters=12, max_characters=60, max_wait_ms=600)
        self.pushed: list[int] = []

    def push(self, text: str, now_ms: float, *, whole: Iterable[tuple[int, int]] = ()) -> list[Segment]:
        self.pushed.append(len(text))
        return super().push(text, now_ms, whole=whole)


class Spoken:
    """A response and the streams that it opened."""

    def __init__(self, pool: FakePool | None = None) -> None:
        self.pool = pool or FakePool()
        self.segmenter = CountingSegmenter()
        self.response = SpeechResponse(self.segmenter, self._open)
        self.following: list[str] = []
        """What each stream was told of the text behind its own."""

    @property
    def streams(self) -> list[FakeStream]:
        return self.pool.streams

    def _open(self, text: str, following: str, manner: Manner) -> Any:
        self.following.append(following)
        return self.pool.open("tone", REQUEST, playback=Playback(0))

    def open_all(self) -> list[str]:
        while self.response.has_segment():
            self.response.open_next()
        return self.pool.texts


@pytest.fixture
def spoken() -> Spoken:
    return Spoken()


def test_a_sentence_becomes_a_stream_with_all_of_its_text(spoken: Spoken) -> None:
    spoken.response.add("Hello there. And ", 0)
    assert spoken.response.has_segment()
    spoken.response.open_next()
    assert not spoken.response.has_segment()
    assert spoken.pool.texts == ["Hello there. "]
    assert spoken.streams[0].input_ended
    assert spoken.response.waiting_characters == len("And ")


def test_nothing_is_spoken_of_blanks_and_symbols_alone(spoken: Spoken) -> None:
    spoken.response.add(" … " * 500, 0)
    assert not spoken.response.speakable
    assert not spoken.response.can_begin()
    spoken.response.add("Now there is something to hear.", 0)
    assert spoken.response.can_begin()
    spoken.response.close()
    assert "".join(spoken.open_all()).strip(" …") == "Now there is something to hear."
    assert "".join(spoken.response.spoken_text) == " … " * 500 + "Now there is something to hear."


def test_what_waits_too_long_is_cut_by_a_poll(spoken: Spoken) -> None:
    spoken.response.add("Hello there", 1000)
    assert not spoken.response.can_begin()
    deadline_ms = spoken.response.deadline_ms()
    assert deadline_ms == 1600
    spoken.response.poll(deadline_ms)
    assert spoken.response.can_begin()


def test_a_close_cuts_all_that_is_left(spoken: Spoken) -> None:
    spoken.response.add("Hello there. You who", 0)
    spoken.response.close()
    spoken.response.close()
    assert spoken.open_all() == ["Hello there. ", "You who"]


def test_where_nothing_waits_nothing_can_be_opened(spoken: Spoken) -> None:
    with pytest.raises(RuntimeError, match="nothing to open"):
        spoken.response.open_next()


def test_a_long_text_is_cut_piece_by_piece_as_it_is_needed(spoken: Spoken) -> None:
    text = "This is a plain sentence of some words. " * 500
    spoken.response.add(text, 0)
    assert sum(spoken.segmenter.pushed) <= 512
    assert spoken.response.deadline_ms() is None
    assert spoken.response.waiting_characters == len(text)
    for _ in range(5):
        assert spoken.response.has_segment()
        spoken.response.open_next()
    assert sum(spoken.segmenter.pushed) <= 1024
    spoken.response.close()
    assert "".join(spoken.open_all()) == text
    assert max(spoken.segmenter.pushed) <= 512
    assert spoken.response.waiting_characters == 0


def test_a_poll_does_not_cut_where_text_goes_on(spoken: Spoken) -> None:
    spoken.response.add("word " * 200, 0)
    in_segments = spoken.response.waiting_characters
    spoken.response.poll(10_000)
    assert spoken.response.waiting_characters == in_segments
    assert spoken.response.deadline_ms() is None


@given(st.text(st.sampled_from("ab. ,…!\n你。"), max_size=3000), st.integers(1, 700))
def test_cutting_piece_by_piece_changes_no_segment(text: str, piece: int) -> None:
    segmenter = CountingSegmenter()
    expected = [*segmenter.push(text, 0), *segmenter.flush()]
    spoken = Spoken()
    for start in range(0, len(text), piece):
        spoken.response.add(text[start : start + piece], 0)
    spoken.response.close()
    spoken.open_all()
    assert spoken.response.spoken_text == [segment.text for segment in expected]
    assert spoken.pool.texts == [segment.text for segment in expected if segment.speakable]


def test_a_refused_stream_leaves_its_segment_where_it_is(spoken: Spoken) -> None:
    spoken.response.add("Hello there. ", 0)
    spoken.response.close()
    spoken.pool.refusals.append(Overloaded("busy"))
    with pytest.raises(Overloaded):
        spoken.response.open_next()
    assert spoken.response.waiting_characters == len("Hello there. ")
    assert spoken.response.spoken_text == []
    assert spoken.open_all() == ["Hello there. "]


def test_dropping_spares_what_is_being_sent_and_nothing_else(spoken: Spoken) -> None:
    spoken.response.add("First of all. … Second of all, this one. Third of all, and last. And", 0)
    spoken.response.open_next()
    spoken.response.open_next()
    sending, prefetched = spoken.streams
    spoken.response.drop_unspoken()
    assert (sending.cancelled, prefetched.cancelled) == (False, True)
    assert list(spoken.response.streams) == [sending]
    assert spoken.response.spoken_text == [sending.text]
    assert spoken.response.waiting_characters == 0
    spoken.response.add("Instead of that.", 0)
    spoken.response.close()
    assert spoken.open_all()[2:] == ["Instead of that."]


def test_a_stop_cancels_every_stream_and_forgets_the_rest(spoken: Spoken) -> None:
    spoken.response.add("First of all. Second of all, this one. Third of all", 0)
    spoken.response.open_next()
    spoken.response.stop()
    assert spoken.streams[0].cancelled
    assert spoken.response.closed
    assert not spoken.response.has_segment()
    assert spoken.response.waiting_characters == 0


@on_virtual_time
async def test_an_incremental_engine_gets_every_piece_as_it_came() -> None:
    spoken = Spoken(FakePool(incremental=True))
    spoken.response.add(" … ", 0)
    for piece in ("Hel", "lo", " the"):
        spoken.response.feed(piece)
    assert spoken.response.is_fed
    assert spoken.response.can_begin()
    assert not spoken.response.has_segment()
    (stream,) = spoken.streams
    assert stream.pieces == [" … Hel", "lo", " the"]
    assert not stream.input_ended
    await asyncio.wait_for(anext(stream), 60)
    spoken.response.close()
    assert stream.input_ended


@on_virtual_time
async def test_what_is_fed_again_is_still_pronounced_as_told() -> None:
    spoken = Spoken(FakePool(incremental=True))
    for text in ("live ", "read ", "lead "):
        spoken.response.feed(text, (Pronunciation(0, 4, "ipa", f"/{text}/"),))
    await anext(spoken.streams[0])
    spoken.response.feed("tear", (Pronunciation(0, 4, "ipa", "/tear/"),))
    assert spoken.response.first_failed(heard=True) == "live "
    _, again = spoken.streams
    assert again.text == "read lead tear"
    assert [(each.start, each.end, each.phonemes) for each in again.pronunciations] == [
        (0, 4, "/read /"),
        (5, 9, "/lead /"),
        (10, 14, "/tear/"),
    ]


def test_a_feed_that_cannot_be_opened_changes_nothing() -> None:
    spoken = Spoken(FakePool(incremental=True))
    spoken.response.add(" ", 0)
    spoken.pool.refusals.append(Overloaded("busy"))
    with pytest.raises(Overloaded):
        spoken.response.feed("Hello")
    assert not spoken.response.is_fed
    assert spoken.response.waiting_characters == 1


def test_what_opens_a_stream_is_told_some_of_the_text_behind_it(spoken: Spoken) -> None:
    spoken.response.add("Hello there. And so it goes on for a while. The rest of it", 0)
    spoken.open_all()
    assert spoken.following[0] == "And so it goes on for a while. The rest of it"
    spoken.response.add(" comes " + "in time, at last. " * 200, 0)
    spoken.response.open_next()
    assert len(spoken.following[-1]) == 200


# --- the table of states


def response_in(state: LifeState) -> SpeechResponse:
    response = Spoken().response
    match state:
        case LifeState.CUT:
            response.add("Hello there. And ", 0)
        case LifeState.FED:
            response.feed("Hello")
        case LifeState.CLOSED:
            response.add("Hello there. And ", 0)
            response.close()
        case LifeState.CANCELLED | LifeState.FADING:
            response.cancel(fades_out=state is LifeState.FADING)
        case LifeState.STOPPED:
            response.stop()
    return response


def happen(response: SpeechResponse, event: str) -> None:
    match event:
        case "add":
            response.add("more", 0)
        case "feed":
            response.feed("more")
        case "close":
            response.close()
        case "part":
            response.flush(0)
        case "cancel" | "fade":
            response.cancel(fades_out=event == "fade")
        case _:
            response.stop()


@pytest.mark.parametrize("event", ["add", "feed", "part", "close", "cancel", "fade", "stop"])
@pytest.mark.parametrize("state", LifeState)
def test_an_event_goes_by_the_table_or_raises_and_changes_nothing(state: LifeState, event: str) -> None:
    response = response_in(state)
    assert response.state is state
    before = ([*response.spoken_text], [*response.opened], response.waiting_characters, response.speakable)
    if event in LIFE_TABLE[state]:
        happen(response, event)
        assert response.state is LIFE_TABLE[state][event]
        return
    with pytest.raises(RuntimeError, match=f"'{event}' is not possible while a response is {state.value}"):
        happen(response, event)
    assert response.state is state
    assert before == (
        response.spoken_text, [*response.opened], response.waiting_characters, response.speakable
    )  # fmt: skip


def test_a_cancel_stays_known_after_a_stop(spoken: Spoken) -> None:
    spoken.response.cancel(fades_out=True)
    spoken.response.stop()
    spoken.response.close()
    assert spoken.response.cancelled and spoken.response.closed
    assert spoken.response.state is LifeState.FADING


def test_streams_are_told_where_their_text_stands_in_the_response(spoken: Spoken) -> None:
    spoken.response.add("First of all. … Second of all, this one. Third of all, and last. And", 0)
    spoken.response.open_next()
    spoken.response.open_next()
    first, second = spoken.streams
    assert (first.offset, second.offset) == (0, len("".join(spoken.response.spoken_text[:-1])))
    spoken.response.drop_unspoken()
    spoken.response.add("Instead of that.", 0)
    spoken.response.close()
    spoken.open_all()
    assert spoken.streams[2].offset == len(first.text)
    assert "".join(spoken.response.spoken_text)[spoken.streams[2].offset :] == "Instead of that."
