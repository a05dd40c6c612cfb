from __future__ import annotations

from contextlib import aclosing

import pytest

from client.virtual_time import on_virtual_time
from fake_pool import SAMPLE_RATE, FakePool, synthesizer_on
from saystream.catalog import load
from saystream.config import Settings
from saystream.engines.base import EngineInfo
from saystream.errors import EngineUnavailable
from saystream.speech.events import ResponseAudio, ResponseEnded, ResponseStarted, SpeechConfig
from saystream.speech.synthesizer import Synthesizer

from .sessions import THREE_SENTENCES


@on_virtual_time
async def test_a_whole_text_is_spoken_as_one_response() -> None:
    pool = FakePool()
    spoken = synthesizer_on(pool).speak(SpeechConfig("Cherry"), THREE_SENTENCES)
    kinds = [type(event) async for event in spoken]
    assert kinds.count(ResponseStarted) == kinds.count(ResponseEnded) == 1
    assert "".join(pool.texts) == THREE_SENTENCES


@on_virtual_time
async def test_a_whole_text_that_nobody_listens_to_any_more_frees_its_engine() -> None:
    pool = FakePool()
    async with aclosing(synthesizer_on(pool).speak(SpeechConfig("Cherry"), THREE_SENTENCES)) as spoken:
        await anext(spoken)
        await anext(spoken)
    assert len(pool.streams) == 2
    assert pool.unsent == 0


async def test_a_synthesizer_runs_on_the_engines_that_are_installed() -> None:
    async with Synthesizer.running(Settings(engine="tone"), catalog=load()) as synthesizer:
        assert isinstance(synthesizer.hosting.engine("tone"), EngineInfo)
        events = [event async for event in synthesizer.speak(SpeechConfig("Cherry"), "Hello there.")]
    audio = b"".join(event.encoded for event in events if isinstance(event, ResponseAudio))
    assert len(audio) % (SAMPLE_RATE // 20 * 2) == 0
    assert isinstance(events[-1], ResponseEnded)


@pytest.mark.parametrize(("languages", "started"), [({"en"}, {"hibari"}), ({"en", "zh"}, {"hibari", "tone"})])
async def test_only_the_engines_are_started_that_known_languages_need(
    languages: set[str], started: set[str]
) -> None:
    order = Settings(engine_order=("hibari", "tone"))
    async with Synthesizer.running(order, catalog=load(), languages=languages) as synthesizer:
        assert {load.engine for load in synthesizer.hosting.load()} == started


async def test_a_synthesizer_without_any_engine_does_not_start() -> None:
    with pytest.raises(EngineUnavailable, match="no-such-engine"):
        async with Synthesizer.running(Settings(engine="no-such-engine"), catalog=load()):
            raise AssertionError("it started")
