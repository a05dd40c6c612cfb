from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obstore.store import LocalStore
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from saystream.catalog import load
from saystream.config import FileSettings, OwnVoiceSettings
from saystream.engines.base import EngineInfo, Enrolled, Likeness, Recording
from saystream.errors import AudioSilent, EngineFailed, InvalidValue, OwnVoiceLimit, StoreUnavailable
from saystream.speech.enrolling import OwnVoices
from saystream.storage import Store
from saystream.storage.files import FileStore
from saystream.voices.casting import Casting
from saystream.voices.custom.store import OwnVoiceStore
from saystream.voices.custom.voice import OwnVoice, Rendition
from saystream.voices.recipes import Recipe
from voices.custom.voices_of_tests import NOW, cloned

pytestmark = pytest.mark.slow

RATE = 16_000


def recording(hertz: float = 120.0) -> Recording:
    """Somebody who hums for two seconds."""
    time = np.arange(2 * RATE) / RATE
    hum = np.sum([np.sin(2 * np.pi * hertz * each * time) / each for each in range(1, 12)], axis=0)
    return Recording((0.1 * hum).astype(np.float32), RATE)


def engine(name: str, *languages: str, enrolls: Likeness = "") -> EngineInfo:
    return EngineInfo(
        name=name,
        sample_rate=RATE,
        languages=dict.fromkeys(languages, "native"),
        voices=(f"{name}-voice",),
        enrolls=enrolls,
    )


class FakeHosting:
    """Its engines keep the number of samples of a recording."""

    def __init__(self, *engines: EngineInfo) -> None:
        self.known = {each.name: each for each in engines}
        self.enrolled: list[str] = []
        self.fault: Exception | None = None
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    def engine(self, name: str) -> EngineInfo:
        return self.known[name]

    async def enroll(self, name: str, heard: Recording) -> Enrolled:
        self.enrolled.append(name)
        self.asked.set()
        await self.go.wait()
        if self.fault is not None:
            raise self.fault
        return Enrolled(str(len(heard.samples)).encode(), 0.5)


PLAIN = engine("plain", "en", "de")
MATCHING = engine("matching", "en", enrolls="voice_match")


@pytest.fixture
async def store(sqlite_engine: AsyncEngine, tmp_path: Path) -> OwnVoiceStore:
    files = FileStore(LocalStore(tmp_path / "files", mkdir=True), FileSettings())
    settings = OwnVoiceSettings(max_per_workspace=3)
    return OwnVoiceStore(Store(sqlite_engine, sqlite_engine), files, settings, answer_within_s=60)


_made: list[OwnVoices] = []


@pytest.fixture(autouse=True)
async def stopped(sqlite_engine: AsyncEngine) -> AsyncIterator[None]:
    """What was begun in the background ends with its test."""
    yield
    while _made:
        await _made.pop()._stop()


def own_voices(store: OwnVoiceStore, hosting: FakeHosting, **options: Any) -> OwnVoices:
    casting = Casting([*hosting.known], hosting.known, catalog=load())
    anything: Any = hosting
    _made.append(OwnVoices(store, hosting=anything, casting=casting, catalog=load(), **options))
    return _made[-1]


@pytest.fixture
async def hosting() -> AsyncIterator[FakeHosting]:
    yield FakeHosting(PLAIN, MATCHING)


async def test_a_clone_has_a_rendition_of_each_engine_that_would_speak_it(
    store: OwnVoiceStore, hosting: FakeHosting
) -> None:
    made = await own_voices(store, hosting).create(cloned(), recording())
    assert made.renditions["matching"] == Rendition(Recipe("matching-voice"), b"32000", 0.5)
    assert made.renditions["plain"].recipe.base == "plain-voice"
    assert await store.find("home", made.name) == made
    kept = await store.recording(made)
    assert kept is not None and kept.startswith(b"fLaC")


async def test_a_designed_voice_needs_no_recording(store: OwnVoiceStore, hosting: FakeHosting) -> None:
    voices = own_voices(store, hosting)
    made = await voices.create(cloned(origin="designed"), None)
    assert hosting.enrolled == [] and [*made.renditions] == ["plain"]
    assert await store.recording(made) is None
    resolved = await voices.resolve("home", "cosyvoice-v3-flash", made.name)
    assert resolved is not None and resolved.renditions == made.renditions


@pytest.mark.parametrize("fault", [EngineFailed("it broke"), AudioSilent("Nothing is heard.")])
async def test_a_voice_that_cannot_be_made_leaves_nothing(
    store: OwnVoiceStore, hosting: FakeHosting, fault: Exception
) -> None:
    hosting.fault = fault
    with pytest.raises(type(fault)):
        await own_voices(store, hosting).create(cloned(), recording())
    assert await store.list("home") == ([], 0)


async def test_a_full_workspace_is_noticed_before_an_engine_works(
    store: OwnVoiceStore, hosting: FakeHosting
) -> None:
    for _ in range(3):
        await store.create(cloned(), None)
    with pytest.raises(OwnVoiceLimit):
        await own_voices(store, hosting).create(cloned(), recording())
    assert hosting.enrolled == []


async def test_a_voice_is_made_anew_from_another_recording(
    store: OwnVoiceStore, hosting: FakeHosting
) -> None:
    voices = own_voices(store, hosting)
    made = await voices.create(cloned(), recording())
    shorter = replace(recording(), samples=recording().samples[:20_000])
    assert await voices.change(replace(made, modified_at=NOW + timedelta(1)), shorter)
    found = await store.find("home", made.name)
    assert found is not None and found.renditions["matching"].material == b"20000"
    await store.delete("home", made.name)
    assert not await voices.change(made, shorter)


async def test_an_engine_that_came_later_gets_to_know_the_voice_once(
    store: OwnVoiceStore, hosting: FakeHosting
) -> None:
    made = await own_voices(store, FakeHosting(PLAIN)).create(cloned(), recording())
    assert [*made.renditions] == ["plain"]
    voices = own_voices(store, hosting)
    hosting.go.clear()
    waiting = [asyncio.create_task(voices.resolve("home", "cosyvoice-v3-flash", made.name)) for _ in range(3)]
    await hosting.asked.wait()
    waiting[0].cancel()
    hosting.go.set()
    for found in await asyncio.gather(*waiting[1:]):
        assert found is not None and found.renditions["matching"].material == b"32000"
    assert hosting.enrolled == ["matching"]
    kept = await store.find("home", made.name)
    assert kept is not None and {*kept.renditions} == {"plain", "matching"}


async def test_an_engine_that_cannot_learn_a_voice_speaks_with_the_nearest_of_its_own(
    store: OwnVoiceStore, hosting: FakeHosting
) -> None:
    made = await own_voices(store, FakeHosting(PLAIN)).create(cloned(), recording())
    hosting.fault = EngineFailed("it broke")
    voices = own_voices(store, hosting)
    with capture_logs() as lines:
        for _ in range(2):
            found = await voices.resolve("home", "", made.name)
            assert found is not None and found.renditions["matching"].recipe.base == "matching-voice"
    assert [line["event"] for line in lines] == ["voice not enrolled"] and hosting.enrolled == ["matching"]
    kept = await store.find("home", made.name)
    assert kept is not None and [*kept.renditions] == ["plain"]


async def test_a_clone_whose_recording_is_lost_still_speaks(
    store: OwnVoiceStore, hosting: FakeHosting
) -> None:
    voice = cloned()
    await store.create(voice, None)
    found = await own_voices(store, hosting).resolve("home", "", voice.name)
    assert found is not None and found.renditions["plain"] == Rendition(Recipe("plain-voice"))


@pytest.mark.parametrize(
    ("model", "status", "reason"),
    [
        ("cosyvoice-v3-plus", "OK", "It was made for cosyvoice-v3-flash"),
        ("cosyvoice-v3-flash", "DEPLOYING", "still being made"),
        ("cosyvoice-v3-flash", "UNDEPLOYED", "could not be made"),
    ],
)
async def test_a_voice_of_another_model_or_one_that_is_not_ready_is_refused(
    store: OwnVoiceStore, hosting: FakeHosting, model: str, status: str, reason: str
) -> None:
    voice = cloned(status=status)
    await store.create(voice, None)
    with pytest.raises(InvalidValue, match=reason) as refused:
        await own_voices(store, hosting).resolve("home", model, voice.name, param="session.voice")
    assert refused.value.param == "session.voice"


@pytest.mark.parametrize("name", ["", "Cherry", "nobody", "../anna", "a" * 129, "a\0b", "Änna"])
async def test_other_names_are_no_own_voices(store: OwnVoiceStore, hosting: FakeHosting, name: str) -> None:
    assert await own_voices(store, hosting).resolve("home", "", name) is None


class NotingStore(OwnVoiceStore):
    noted = 0
    fault: StoreUnavailable | None = None

    async def mark_used(self, voice: OwnVoice) -> None:
        self.noted += 1
        if self.fault is not None:
            raise self.fault
        await super().mark_used(voice)


async def test_that_a_voice_speaks_is_noted_once_a_day(
    sqlite_engine: AsyncEngine, tmp_path: Path, hosting: FakeHosting
) -> None:
    now = NOW

    def utc_now() -> Any:
        return now

    files = FileStore(LocalStore(tmp_path / "files", mkdir=True), FileSettings())
    store = NotingStore(
        Store(sqlite_engine, sqlite_engine), files, OwnVoiceSettings(), utc_now=utc_now, answer_within_s=60
    )
    voices = own_voices(store, hosting, utc_now=utc_now)
    made = await voices.create(cloned(), recording())

    async def speak() -> int:
        await voices.resolve("home", "", made.name)
        await asyncio.gather(*voices._noting.values())
        return store.noted

    assert await speak() == 1
    assert await speak() == 1
    now += timedelta(days=1)
    store.fault = StoreUnavailable("gone")
    with capture_logs() as lines:
        assert await speak() == 2
    assert [line["event"] for line in lines] == ["the use of a voice cannot be noted"]
    found = await store.find("home", made.name)
    assert found is not None and found.used_at == NOW
