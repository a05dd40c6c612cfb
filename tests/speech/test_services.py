"""Who speaks a text of a session, and with what request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from client.virtual_time import on_virtual_time
from fake_pool import FakePool
from saystream.config import Settings
from saystream.engines.base import SynthesisRequest
from saystream.hosting.playback import Playback
from saystream.speech.events import SpeechConfig
from saystream.speech.services import SpeechServices, StreamOpener
from saystream.text.script import Manner
from saystream.voices.casting import Role
from saystream.voices.custom.voice import OwnVoice


class NotingCasting:
    """Every voice is the engine's voice of its name."""

    def __init__(self) -> None:
        self.spoke_before: list[str | None] = []
        self.own_voices: list[OwnVoice | None] = []

    def role(
        self, *, voice: str, language: str, spoke_before: str | None, own_voice: OwnVoice | None
    ) -> Role:
        self.spoke_before.append(spoke_before)
        self.own_voices.append(own_voice)
        return Role("tone", SynthesisRequest(voice=voice, language=language), "native")

    def home_language(self, voice: str, own_voice: OwnVoice | None) -> str | None:
        """French, for a voice of that name."""
        return "fr" if voice == "Amélie" else None


def opener_on(pool: FakePool, casting: NotingCasting, config: SpeechConfig) -> StreamOpener:
    hosting: Any = pool
    noting: Any = casting
    services = SpeechServices(Settings(), hosting, noting, frozenset({"en"}))
    return StreamOpener(services, config, Playback(0))


@on_virtual_time
async def test_a_text_is_spoken_as_the_session_says() -> None:
    pool, casting = FakePool(), NotingCasting()
    config = SpeechConfig("Cherry", instructions="as you like", normalize_text=False, marks=True, seed=7)
    opener = opener_on(pool, casting, config)
    opener.open("Hello", "", Manner())
    opener.configure(replace(config, voice="Ethan", marks=False))
    opener.open("你好", "", Manner())
    assert [stream.request for stream in pool.streams] == [
        SynthesisRequest("Cherry", "en", instructions="as you like", marks=True, seed=7),
        SynthesisRequest("Ethan", "zh", instructions="as you like", seed=7),
    ]
    assert casting.spoke_before == [None, "tone"]


@on_virtual_time
async def test_a_language_without_a_word_for_it_reaches_who_speaks_it() -> None:
    pool = FakePool()
    opener = opener_on(pool, NotingCasting(), SpeechConfig("Cherry", further_language="vi"))
    opener.open("Xin chao", "", Manner())
    assert [stream.request.language for stream in pool.streams] == ["vi"]


@on_virtual_time
async def test_an_own_voice_speaks_where_no_other_voice_is_named() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    own = OwnVoice(
        name="anna",
        workspace="",
        family="voice-enrollment",
        origin="cloned",
        target_model="cosyvoice-v3-flash",
        created_at=now,
        modified_at=now,
    )
    casting = NotingCasting()
    opener = opener_on(FakePool(), casting, SpeechConfig("anna", own_voice=own))
    for named in ("", "Ethan", "anna"):
        opener.open("Hello", "", Manner(voice=named))
    assert casting.own_voices == [own, None, own]


@on_virtual_time
async def test_instructions_become_ratios_for_an_engine_that_follows_none() -> None:
    pool = FakePool()
    config = SpeechConfig("Cherry", instructions="very fast and loud, with long pauses")
    opener_on(pool, NotingCasting(), config).open("Hello", "", Manner())
    request = pool.streams[0].request
    assert request.speed > 1.2
    assert request.loudness_db > 2
    assert request.pauses > 1.5
    assert request.pitch == 1.0
    assert request.instructions == config.instructions


@on_virtual_time
async def test_an_engine_that_follows_instructions_gets_them_and_no_ratios() -> None:
    pool = FakePool()
    pool.info = replace(pool.info, instructions=True)
    config = SpeechConfig("Cherry", instructions="very fast")
    opener_on(pool, NotingCasting(), config).open("Hello", "", Manner())
    assert pool.streams[0].request == SynthesisRequest(
        "Cherry", "en", instructions="very fast", normalize_text=True
    )


@on_virtual_time
async def test_a_manner_may_name_another_voice() -> None:
    pool = FakePool()
    opener = opener_on(pool, NotingCasting(), SpeechConfig("Cherry"))
    opener.open("Hello", "", Manner(voice="Ethan"))
    opener.open("Hello", "", Manner(rate=2.0))
    assert [stream.request.voice for stream in pool.streams] == ["Ethan", "Cherry"]


@on_virtual_time
async def test_a_voice_made_for_a_language_speaks_it_where_the_text_does_not_tell() -> None:
    pool, casting = FakePool(), NotingCasting()
    opener = opener_on(pool, casting, SpeechConfig("Amélie"))
    opener.open("2025", "", Manner())
    assert [stream.request.language for stream in pool.streams] == ["fr"]
