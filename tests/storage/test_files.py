from __future__ import annotations

import asyncio
import io
import os
import socket
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import LocalStore, MemoryStore, S3Store

from clock import Clock
from saystream.config import FileSettings, Settings
from saystream.errors import ConfigurationError, NoSuchFile, StoreUnavailable
from saystream.storage import files as files_module
from saystream.storage.files import FileStore

CONTENT = bytes(range(256)) * 10
HOUR = 3600.0
MEGABYTE = 1 << 20


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "files", mkdir=True, automatic_cleanup=True)


@pytest.fixture
def files(store: LocalStore, clock: Clock) -> FileStore:
    return FileStore(store, FileSettings(max_total_bytes=MEGABYTE), clock=clock)


async def put(files: FileStore, content: bytes = CONTENT) -> str:
    """Where it is now."""
    path = files.new_path(str(uuid.uuid4()))
    await files.put(path, io.BytesIO(content), len(content))
    return path


async def content_of(files: FileStore, path: str) -> bytes:
    return b"".join([piece async for piece in files.read(path, 0, (await files.describe(path)).size)])


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "files").rglob("*.wav"))


async def test_a_file_is_kept_under_its_day(files: FileStore) -> None:
    path = await put(files)
    assert path.startswith("20270115/") and files.holds(path)
    file = await files.describe(path)
    assert file.size == len(CONTENT) and file.tag
    assert await content_of(files, path) == CONTENT


async def test_a_long_file_is_read_in_pieces_that_join(files: FileStore) -> None:
    content = os.urandom(3 * MEGABYTE + 5)
    path = await put(files, content)
    pieces = [piece async for piece in files.read(path, 5, len(content))]
    assert len(pieces) == 3 and b"".join(pieces) == content[5:]


async def test_what_is_not_there_is_no_file(files: FileStore) -> None:
    with pytest.raises(NoSuchFile):
        await files.describe(files.new_path(str(uuid.uuid4())))


async def test_expired_files_are_removed_and_only_ours(
    files: FileStore, store: LocalStore, tmp_path: Path, clock: Clock
) -> None:
    path = await put(files)
    stranger = tmp_path / "files" / "notes.txt"
    stranger.write_text("not ours")
    written_s = (tmp_path / "files" / path).stat().st_mtime
    clock.now_s = written_s + 24 * HOUR
    await files.sweep()
    assert len(names(tmp_path)) == 1
    clock.now_s += 2 * 60
    await files.sweep()
    assert names(tmp_path) == []
    assert stranger.exists()


async def test_a_part_that_a_killed_writer_left_is_removed_when_nobody_can_be_writing_it(
    files: FileStore, tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "files" / await put(files)
    part, strange = path.with_name(path.name + "#1"), path.with_name("notes.wav#1")
    for file in (path, part, strange):
        file.write_bytes(CONTENT)
        os.utime(file, (clock.now_s,) * 2)
    await files.sweep()
    assert part.exists()
    clock.now_s += 2 * HOUR
    await files.sweep()
    assert (part.exists(), strange.exists(), path.exists()) == (False, True, True)


async def test_over_the_quota_the_oldest_files_go(files: FileStore, tmp_path: Path, clock: Clock) -> None:
    paths = []
    for age_s in (30, 20, 10):
        path = tmp_path / "files" / await put(files, bytes(400_000))
        os.utime(path, (clock.now_s - age_s,) * 2)
        paths.append(path)
    await files.sweep()
    assert [path.exists() for path in paths] == [False, True, True]


async def test_a_file_over_the_quota_wakes_the_sweeper(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, files=FileSettings(max_total_bytes=MEGABYTE))
    async with FileStore.open(settings) as files:
        for _ in range(4):
            await put(files, bytes(400_000))
        async with asyncio.timeout(60):
            while len(names(tmp_path)) > 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert 0 < len(names(tmp_path)) <= 2


async def test_files_outlive_the_server(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    (tmp_path / "files").mkdir()
    (tmp_path / "files").chmod(0o755)
    async with FileStore.open(settings) as files:
        path = await put(files)
    async with FileStore.open(settings) as files:
        assert await content_of(files, path) == CONTENT
    assert stat.S_IMODE((tmp_path / "files").stat().st_mode) == 0o700


async def test_a_store_that_fails_is_a_fault_and_leaves_nothing(clock: Clock) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError("no more")

    store = MemoryStore()
    files = FileStore(store, FileSettings(), clock=clock)
    with pytest.raises(StoreUnavailable):
        await files.put(files.new_path(str(uuid.uuid4())), Broken(CONTENT), len(CONTENT))
    assert [meta for batch in obstore.list(store) for meta in batch] == []


@pytest.fixture
def hanging(clock: Clock) -> Iterator[FileStore]:
    """Its store accepts connections, and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = S3Store(
            "bucket",
            config={
                "endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}",
                "access_key_id": "x",
                "secret_access_key": "x",
            },
            client_options={"allow_http": True, "timeout": timedelta(hours=1)},
            retry_config={"max_retries": 0},
        )
        yield FileStore(store, FileSettings(), clock=clock)
        silent.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()  # whoever still waits there hears of it


async def test_a_store_that_hangs_is_a_fault_in_time_for_everyone_who_asks(
    hanging: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_module, "_ANSWER_WITHIN_S", 0.05)
    path = hanging.new_path(str(uuid.uuid4()))
    asks = [
        ask
        for _ in range(10)  # more than there are threads
        for ask in (
            hanging.put(path, io.BytesIO(CONTENT), len(CONTENT)),
            hanging.describe(path),
            anext(hanging.read(path, 0, 9)),
        )
    ]
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*asks, return_exceptions=True)
        assert await asyncio.to_thread(str, "free") == "free"
    assert [type(answer) for answer in answers] == [StoreUnavailable] * len(asks)


@pytest.mark.parametrize("url", ["nonsense://x", "s3://", "no url"])
async def test_a_store_that_cannot_be_opened_is_named_without_its_url(url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, files=FileSettings(url=url))
    with pytest.raises(ConfigurationError, match="files.url") as raised:
        async with FileStore.open(settings):
            pass
    assert url not in raised.value.message


async def test_a_store_may_be_named_by_url(tmp_path: Path) -> None:
    own = FileSettings(url="memory:///")
    async with FileStore.open(Settings(data_dir=tmp_path, files=own)) as files:
        path = await put(files)
        assert await content_of(files, path) == CONTENT
    assert list(tmp_path.iterdir()) == []
