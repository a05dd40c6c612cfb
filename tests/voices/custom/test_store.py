from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import LocalStore
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from saystream.config import FileSettings, OwnVoiceSettings, Settings
from saystream.errors import OwnVoiceExists, OwnVoiceLimit, StoreUnavailable
from saystream.storage import Store, serving_store
from saystream.storage.files import FileStore
from saystream.storage.schema import metadata, voice_recordings, voice_renditions, voices
from saystream.voices.custom.store import OwnVoiceStore
from saystream.voices.custom.voice import Rendition
from saystream.voices.recipes import Recipe

from .voices_of_tests import NOW, cloned

pytestmark = pytest.mark.slow

FLAC = b"fLaC and more"
RENDITIONS = {
    "kokoro": Rendition(Recipe("heart+bella:0.5", 1.1, 0.9, 0.95), bytes(range(256)), 0.5),
    "piper": Rendition(Recipe("joe")),
}


class Moment:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def moment() -> Moment:
    return Moment()


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    folder = LocalStore(tmp_path / "files", mkdir=True, automatic_cleanup=True)
    return FileStore(folder, FileSettings())


@pytest.fixture
async def store(store_engine: AsyncEngine, files: FileStore, moment: Moment) -> AsyncIterator[OwnVoiceStore]:
    settings = OwnVoiceSettings(max_per_workspace=5)
    yield OwnVoiceStore(
        Store(store_engine, store_engine), files, settings, utc_now=moment, answer_within_s=60
    )


def kept_files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


async def rows(engine: AsyncEngine) -> dict[str, int]:
    """How many there are in each of the tables."""
    async with engine.connect() as connection:
        return {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in metadata.sorted_tables
            if table in (voices, voice_recordings, voice_renditions)
        }


async def test_a_voice_is_found_as_it_was_made(store: OwnVoiceStore) -> None:
    voice = cloned(language="zh", transcript="one two", consent="by letter", renditions=RENDITIONS)
    await store.create(voice, FLAC)
    assert await store.find("home", voice.name) == voice
    assert await store.recording(voice) == FLAC


async def test_a_voice_is_found_in_its_workspace_alone(store: OwnVoiceStore) -> None:
    voice = cloned()
    await store.create(voice, None)
    assert await store.find("elsewhere", voice.name) is None
    assert await store.list("elsewhere") == ([], 0)
    assert not await store.delete("elsewhere", voice.name)
    assert await store.recording(voice) is None
    twin = cloned(name=voice.name, workspace="elsewhere")
    await store.create(twin, None)
    assert await store.find("elsewhere", voice.name) == twin
    assert await store.find("home", voice.name) == voice


async def test_a_name_is_taken_once_in_a_workspace(store: OwnVoiceStore, tmp_path: Path) -> None:
    voice = cloned(renditions=RENDITIONS)
    await store.create(voice, FLAC)
    with pytest.raises(OwnVoiceExists, match="already"):
        await store.create(cloned(name=voice.name), b"other")
    assert await store.find("home", voice.name) == voice
    assert [path.read_bytes() for path in kept_files(tmp_path)] == [FLAC]


async def test_a_workspace_keeps_no_more_voices_than_it_may(store: OwnVoiceStore, tmp_path: Path) -> None:
    async def create() -> bool:
        try:
            await store.create(cloned(), FLAC)
        except OwnVoiceLimit:
            return False
        return True

    made = await asyncio.gather(*(create() for _ in range(12)))
    assert sum(made) == 5
    assert len(kept_files(tmp_path)) == 5
    with pytest.raises(OwnVoiceLimit, match="may keep 5 voices"):
        await store.check_room("home")
    await store.check_room("elsewhere")


async def test_pages_begin_with_the_newest_and_tell_how_many_there_are(store: OwnVoiceStore) -> None:
    made = [cloned(created_at=NOW + timedelta(seconds=age), renditions=RENDITIONS) for age in range(5)]
    for voice in made:
        await store.create(voice, None)
    newest = [replace(voice, renditions={}) for voice in reversed(made)]
    assert await store.list("home", page_size=2) == (newest[:2], 5)
    assert await store.list("home", page_index=2, page_size=2) == (newest[4:], 5)
    assert await store.list("home", page_index=1_000_000, page_size=1000) == ([], 5)


async def test_pages_hold_what_is_asked_for(store: OwnVoiceStore) -> None:
    anna = cloned()
    bob = cloned(prefix="bob", origin="designed")
    qwen = cloned(family="qwen-voice-enrollment")
    for voice in (anna, bob, qwen):
        await store.create(voice, None)
    assert await store.list("home", family="voice-enrollment", prefix="bob") == ([bob], 1)
    assert await store.list("home", origin="designed") == ([bob], 1)
    assert (await store.list("home", prefix="ann"))[1] == 2
    assert (await store.list("home", prefix="ann%"))[1] == 0


async def test_a_deleted_voice_leaves_nothing(
    store: OwnVoiceStore, store_engine: AsyncEngine, tmp_path: Path
) -> None:
    voice = cloned(renditions=RENDITIONS)
    await store.create(voice, FLAC)
    assert await store.delete("home", voice.name)
    assert not await store.delete("home", voice.name)
    assert set((await rows(store_engine)).values()) == {0}
    assert kept_files(tmp_path) == []
    assert not await store.change(voice, FLAC)
    await store.add_rendition(voice, "kokoro", RENDITIONS["kokoro"])
    await store.mark_used(voice)
    assert set((await rows(store_engine)).values()) == {0}
    assert kept_files(tmp_path) == []


async def test_a_changed_voice_has_its_new_recording_and_what_engines_made_of_it(
    store: OwnVoiceStore, tmp_path: Path
) -> None:
    voice = cloned(renditions=RENDITIONS)
    await store.create(voice, FLAC)
    changed = replace(
        voice,
        status="UNDEPLOYED",
        modified_at=NOW + timedelta(1),
        renditions={"hibari": RENDITIONS["piper"]},
    )
    assert await store.change(changed)
    assert await store.find("home", voice.name) == changed
    assert await store.recording(voice) == FLAC
    assert await store.change(replace(changed, status="OK"), b"new")
    assert await store.recording(voice) == b"new"
    assert len(kept_files(tmp_path)) == 1


async def test_a_rendition_is_added_once_and_to_the_voice_that_it_was_made_of(store: OwnVoiceStore) -> None:
    voice = cloned()
    await store.create(voice, None)
    await store.add_rendition(voice, "kokoro", RENDITIONS["kokoro"])
    await store.add_rendition(voice, "kokoro", RENDITIONS["piper"])
    found = await store.find("home", voice.name)
    assert found is not None and found.renditions == {"kokoro": RENDITIONS["kokoro"]}
    changed = replace(voice, modified_at=NOW + timedelta(1))
    await store.change(changed)
    await store.add_rendition(voice, "piper", RENDITIONS["piper"])
    assert await store.find("home", voice.name) == changed


async def test_what_a_later_version_writes_into_a_recipe_is_passed_over(
    store: OwnVoiceStore, store_engine: AsyncEngine
) -> None:
    voice = cloned()
    await store.create(voice, None)
    async with store_engine.begin() as connection:
        await connection.execute(
            voice_renditions.insert().values(
                voice_id=voice.id, engine="piper", recipe={"base": "joe", "colour": "blue"}, material=b""
            )
        )
    found = await store.find("home", voice.name)
    assert found is not None and found.renditions == {"piper": Rendition(Recipe("joe"))}


async def test_a_voice_that_is_not_used_for_long_is_deleted(
    store: OwnVoiceStore, moment: Moment, tmp_path: Path
) -> None:
    used, unused = cloned(), cloned()
    for voice in (used, unused):
        await store.create(voice, FLAC)
    moment.now += timedelta(days=300)
    await store.mark_used(used)
    await store.sweep()
    assert (await store.list("home"))[1] == 2
    moment.now += timedelta(days=66)
    await store.sweep()
    assert await store.list("home") == ([replace(used, used_at=NOW + timedelta(days=300))], 1)
    assert len(kept_files(tmp_path)) == 1


async def test_what_a_process_that_ended_has_left_is_removed_when_nobody_can_be_at_it(
    store: OwnVoiceStore, store_engine: AsyncEngine, moment: Moment, tmp_path: Path
) -> None:
    voice = cloned(status="DEPLOYING")
    await store.create(voice, FLAC)
    await store._keep(b"of no voice")
    await store.sweep()
    assert await store.find("home", voice.name) == voice
    assert len(kept_files(tmp_path)) == 2
    moment.now += timedelta(hours=2)
    await store.sweep()
    assert await store.find("home", voice.name) == replace(voice, status="UNDEPLOYED")
    assert [path.read_bytes() for path in kept_files(tmp_path)] == [FLAC]
    assert await rows(store_engine) == {"voices": 1, "voice_recordings": 1, "voice_renditions": 0}


async def test_a_recording_that_cannot_be_removed_is_removed_later(
    store: OwnVoiceStore, files: FileStore, moment: Moment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: str) -> None:
        raise StoreUnavailable("the disk is away")

    voice = cloned()
    await store.create(voice, FLAC)
    with monkeypatch.context() as away, capture_logs() as lines:
        away.setattr(files, "remove_recording", refuse)
        assert await store.delete("home", voice.name)
    assert [line["event"] for line in lines] == ["a recording cannot be removed yet"]
    moment.now += timedelta(hours=2)
    await store.sweep()
    assert kept_files(tmp_path) == []


async def test_a_sweeper_runs_beside_the_server_and_survives_a_store_that_is_away(
    tmp_path: Path, files: FileStore, sqlite_engine: AsyncEngine
) -> None:
    swept = asyncio.Event()

    class Away(OwnVoiceStore):
        async def sweep(self) -> None:
            if swept.is_set():
                again.set()
            swept.set()
            raise StoreUnavailable("not now")

    again = asyncio.Event()
    settings = OwnVoiceSettings(sweep_interval_s=0.001)
    with capture_logs() as lines:
        async with Away(Store(sqlite_engine, sqlite_engine), files, settings).running():
            await again.wait()
    assert lines[0]["event"] == "voices cannot be swept"


async def test_a_database_that_does_not_answer_is_reported(files: FileStore, tmp_path: Path) -> None:
    async with serving_store(Settings(data_dir=tmp_path)) as opened:
        store = OwnVoiceStore(opened, files, OwnVoiceSettings())
        async with opened.writing.begin() as connection:
            await connection.exec_driver_sql("DROP TABLE voice_renditions")
        with pytest.raises(StoreUnavailable, match="the store of voices does not answer"):
            await store.find("home", "anna")
