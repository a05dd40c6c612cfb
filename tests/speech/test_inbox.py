"""What a session is given becomes responses: one that is open, or one for each commit."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from client.virtual_time import on_virtual_time
from fake_pool import FakePool, synthesizer_on
from saystream.audio import AudioChunk
from saystream.config import Settings
from saystream.errors import Overloaded, TextTooLong
from saystream.speech.events import SpeechConfig
from saystream.speech.inbox import Inbox
from saystream.speech.pace import Pace
from saystream.speech.services import StreamOpener
from saystream.text.rewriting import Rewritten
from saystream.text.script import Manner, Part, Passage, Pause, Sound

from .sessions import IDLE_S, settings

CONFIG = SpeechConfig("Cherry")
COMMIT = replace(CONFIG, server_commit=False)


def inbox_on(pool: FakePool, config: SpeechConfig = CONFIG, *, own: Settings | None = None) -> Inbox:
    own = own or settings()
    pace = Pace()
    opener = StreamOpener(synthesizer_on(pool, own)._services, config, pace.playback)
    return Inbox(own, config, opener, pace)


def parts(inbox: Inbox) -> list[list[str | Part]]:
    """Of each response."""
    return [response.parts for response in inbox.responses]


def slow(text: str, **manner: Any) -> Passage:
    return Passage(Rewritten.of(text), manner=Manner(rate=0.5, **manner))


@on_virtual_time
async def test_text_joins_the_open_response_until_a_commit_closes_it() -> None:
    inbox = inbox_on(FakePool())
    assert inbox.open_response() is None
    for text in ("Hello ", "there."):
        inbox.push(text)
    inbox.commit()
    inbox.push("Next.")
    assert parts(inbox) == [["Hello ", "there."], ["Next."]]
    assert [response.closed for response in inbox.responses] == [True, False]
    assert inbox.waiting_characters == len("Hello there.Next.")


@on_virtual_time
async def test_a_commit_of_nothing_to_hear_leaves_no_response() -> None:
    inbox = inbox_on(FakePool())
    inbox.commit()
    inbox.push(" … ")
    inbox.commit()
    assert not inbox.responses
    inbox = inbox_on(FakePool(), COMMIT)
    inbox.push(" … ")
    inbox.commit()
    assert not inbox.responses
    assert inbox.waiting_characters == 3  # it still belongs to what comes


@on_virtual_time
async def test_in_commit_mode_each_commit_is_a_response_of_its_own() -> None:
    inbox = inbox_on(FakePool(), COMMIT)
    inbox.push("Hello ")
    inbox.push("there.")
    assert not inbox.responses
    assert inbox.waiting_characters == len("Hello there.")
    inbox.commit()
    inbox.push(Pause(100.0))
    inbox.commit()
    assert parts(inbox) == [["Hello ", "there."], [Pause(100.0)]]
    assert all(response.closed for response in inbox.responses)


@on_virtual_time
async def test_a_clear_forgets_what_is_not_spoken() -> None:
    inbox = inbox_on(FakePool(), COMMIT)
    inbox.push("Hello.")
    inbox.clear()
    inbox.commit()
    assert not inbox.responses
    inbox = inbox_on(FakePool(), own=Settings(inline_pauses=True))
    inbox.push("Hello. [pau")
    (response,) = inbox.responses
    inbox.clear()
    assert (response.closed, inbox.waiting_characters, len(inbox.responses)) == (True, 0, 0)
    inbox.push("Hello. And so on, ")
    (response,) = inbox.responses
    response.open_next()
    inbox.speaking = response
    inbox.clear()
    assert not response.closed
    assert inbox.waiting_characters == 0


@on_virtual_time
async def test_another_configuration_says_again_what_waits() -> None:
    pool = FakePool()
    inbox = inbox_on(pool)
    for part in ("Hello there. ", "And so ", Pause(50.0), slow("on.")):
        inbox.push(part)
    (before,) = inbox.responses
    before.open_next()
    inbox.configure(replace(CONFIG, voice="Ethan"))
    assert before.closed and pool.streams[0].cancelled
    assert parts(inbox) == [["Hello there. And so ", Pause(50.0), slow("on.")]]
    inbox.configure(COMMIT)
    assert not inbox.responses
    inbox.commit()
    assert parts(inbox) == [["Hello there. And so ", Pause(50.0), slow("on.")]]


@on_virtual_time
async def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    inbox = inbox_on(FakePool(), own=settings(max_buffered_characters=10))
    inbox.push("Hello ")
    with pytest.raises(TextTooLong, match="5 characters do not fit: 6 of at most 10"):
        inbox.push("there")
    assert inbox.waiting_characters == 6
    inbox.push(Pause(100.0))
    assert inbox.waiting_characters == 7


@on_virtual_time
async def test_a_sound_has_to_be_there_before_it_is_named() -> None:
    inbox = inbox_on(FakePool())
    with pytest.raises(KeyError):
        inbox.push(Sound("http://a.example/a.wav"))
    assert not inbox.responses
    inbox.sounds["http://a.example/a.wav"] = AudioChunk(np.zeros(10, np.float32), 8000)
    inbox.push(Sound("http://a.example/a.wav"))
    assert parts(inbox) == [[Sound("http://a.example/a.wav")]]


@on_virtual_time
async def test_a_tag_that_is_not_whole_is_kept_where_the_rest_is_refused() -> None:
    pool = FakePool(incremental=True)
    inbox = inbox_on(pool, replace(CONFIG, markup="read"), own=Settings(inline_pauses=True))
    inbox.push("[pause:")
    pool.refusals.append(Overloaded("busy"))
    with pytest.raises(Overloaded):
        inbox.push("x Hello")
    assert not pool.streams
    assert inbox.waiting_characters == len("[pause:")


@on_virtual_time
async def test_a_fed_response_closes_when_nothing_comes_unless_it_is_the_only_one() -> None:
    for only, closes in ((False, True), (True, False)):
        inbox = inbox_on(FakePool(incremental=True), replace(CONFIG, one_response=only))
        inbox.push("Hello")
        (response,) = inbox.responses
        assert response.is_fed
        await asyncio.sleep(IDLE_S + 1)
        assert response.closed == closes
        inbox.close()


@on_virtual_time
async def test_a_flush_ends_a_sentence_and_another_manner_is_cut_off() -> None:
    inbox = inbox_on(FakePool(incremental=True))
    inbox.flush()
    inbox.push("Hello")
    (response,) = inbox.responses
    inbox.push(slow("slowly now"))
    assert not response.is_fed
    inbox.flush()
    assert response.has_segment()
    inbox.close()
    assert not inbox.responses
