from __future__ import annotations

import asyncio
import io
import os
import stat
import uuid
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest
from obstore.store import LocalStore, MemoryStore
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from saystream.config import FileSettings, Settings
from saystream.errors import ConfigurationError, StoreUnavailable
from saystream.server.access.links import LinkSigner
from saystream.server.doors.files import PATH, AudioFiles, Link, byte_range
from saystream.server.web.faults import EXCEPTION_HANDLERS
from saystream.server.web.request_ids import RequestIds

CONTENT = bytes(range(256)) * 10
HOUR = 3600.0
MEGABYTE = 1 << 20


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "files", mkdir=True, automatic_cleanup=True)


@pytest.fixture
def files(store: LocalStore, clock: Clock) -> AudioFiles:
    return AudioFiles(store, LinkSigner(b"x" * 32), FileSettings(max_total_bytes=MEGABYTE), clock=clock)


class Http:
    """Sends requests to the files as the application serves them."""

    def __init__(self, files: AudioFiles) -> None:
        app = Starlette(routes=[Route(PATH, files.serve)], exception_handlers=EXCEPTION_HANDLERS)
        app.add_middleware(RequestIds)
        self._app = app

    async def get(self, url: str, *, method: str = "GET", **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, url, **options)

    async def head(self, url: str) -> httpx.Response:
        return await self.get(url, method="HEAD")


@pytest.fixture
def http(files: AudioFiles) -> Http:
    return Http(files)


def link(files: AudioFiles) -> Link:
    scope = {"type": "http", "scheme": "http", "path": "/", "headers": [(b"host", b"testserver")]}
    return files.link(Request(scope), str(uuid.uuid4()))


@pytest.fixture
async def stored(files: AudioFiles) -> Link:
    wanted = link(files)
    await files.put(wanted, io.BytesIO(CONTENT), len(CONTENT))
    return wanted


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "files").rglob("*.wav"))


async def test_a_file_is_given_out_whole(http: Http, stored: Link) -> None:
    answer = await http.get(stored.url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == "2560"
    assert answer.headers["accept-ranges"] == "bytes"


async def test_head_tells_the_same_without_the_file(http: Http, stored: Link) -> None:
    whole, head = await http.get(stored.url), await http.head(stored.url)
    for answer in (whole, head):
        del answer.headers["x-request-id"]
    assert (head.status_code, head.content, head.headers) == (200, b"", whole.headers)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=2550-", 2550, 2560),
        ("bytes=-5", 2555, 2560),
        ("bytes=0-9999", 0, 2560),
    ],
)
async def test_a_range_is_given_out_as_such(
    http: Http, stored: Link, asked: str, start: int, end: int
) -> None:
    answer = await http.get(stored.url, headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/2560"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=2560-", "bytes=9999-10000", "bytes=-0"])
async def test_a_range_outside_the_file_is_told_its_size(http: Http, stored: Link, asked: str) -> None:
    answer = await http.get(stored.url, headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */2560")


@pytest.mark.parametrize(
    "asked", ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=" + "9" * 30 + "-"]
)
def test_a_range_that_may_be_ignored_is(asked: str) -> None:
    assert byte_range(asked, 2560) is None


async def test_a_range_of_another_file_is_ignored(http: Http, stored: Link) -> None:
    tag = (await http.head(stored.url)).headers["etag"]
    part = {"range": "bytes=0-9"}
    assert (await http.get(stored.url, headers={**part, "if-range": tag})).status_code == 206
    assert (await http.get(stored.url, headers={**part, "if-range": '"other"'})).status_code == 200


async def test_a_long_file_comes_in_pieces_that_join(files: AudioFiles, http: Http) -> None:
    content = os.urandom(3 * MEGABYTE + 5)
    wanted = link(files)
    await files.put(wanted, io.BytesIO(content), len(content))
    assert (await http.get(wanted.url)).content == content
    part = await http.get(wanted.url, headers={"range": f"bytes={MEGABYTE - 1}-{2 * MEGABYTE}"})
    assert part.content == content[MEGABYTE - 1 : 2 * MEGABYTE + 1]


async def test_a_link_ends_after_its_time(http: Http, stored: Link, clock: Clock) -> None:
    assert stored.expires_at == clock.now_s + 24 * HOUR
    clock.now_s += 24 * HOUR - 1
    assert (await http.get(stored.url)).status_code == 200
    clock.now_s += 1
    answer = await http.get(stored.url)
    assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied")


@pytest.mark.parametrize(
    "change",
    [("expires=1", "expires=2"), ("signature=", "signature=x"), ("&signature", "&expires=9&signature")],
)
async def test_a_changed_link_is_refused(http: Http, stored: Link, change: tuple[str, str]) -> None:
    answer = await http.get(stored.url.replace(*change))
    assert answer.status_code == 403
    assert answer.content.count(CONTENT[:20]) == 0


@pytest.mark.parametrize(
    "path",
    [
        "/files/20260101/../../secret",
        "/files/..%2f..%2f/secret.wav",
        "/files/%2e%2e/secret.wav",
        "/files/20260101/..%2fsecret.wav",
        "/files/20260101/secret.wav",
        "/files/20260101/00000000-0000-4000-8000-000000000000.wav%00",
        "/files/20260101/00000000-0000-4000-8000-000000000000.mp3",
        "/files/20260101/00000000-0000-4000-8000-00000000000G.wav",
        "/files/2026010１/00000000-0000-4000-8000-000000000000.wav",
        "/files/",
    ],
)
async def test_what_is_no_name_of_ours_is_not_looked_for(http: Http, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "secret.wav").write_bytes(b"secret")
    answer = await http.get(path, params={"expires": "9999999999", "signature": "x"})
    assert answer.status_code in (403, 404)
    assert b"secret" not in answer.content


async def test_a_file_that_is_gone_is_not_found(http: Http, stored: Link, store: LocalStore) -> None:
    obstore.delete(store, stored.path)
    answer = await http.get(stored.url)
    assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")


async def test_expired_files_are_removed_and_only_ours(
    files: AudioFiles, stored: Link, store: LocalStore, tmp_path: Path, clock: Clock
) -> None:
    stranger = tmp_path / "files" / "notes.txt"
    stranger.write_text("not ours")
    written_s = (tmp_path / "files" / stored.path).stat().st_mtime
    clock.now_s = written_s + 24 * HOUR
    await files.sweep()
    assert len(names(tmp_path)) == 1
    clock.now_s += 2 * 60
    await files.sweep()
    assert names(tmp_path) == []
    assert stranger.exists()


async def test_over_the_quota_the_oldest_files_go(files: AudioFiles, tmp_path: Path, clock: Clock) -> None:
    paths = []
    for age_s in (30, 20, 10):
        wanted = link(files)
        await files.put(wanted, io.BytesIO(bytes(400_000)), 400_000)
        path = tmp_path / "files" / wanted.path
        os.utime(path, (clock.now_s - age_s,) * 2)
        paths.append(path)
    await files.sweep()
    assert [path.exists() for path in paths] == [False, True, True]


async def test_a_file_over_the_quota_wakes_the_sweeper(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, files=FileSettings(max_total_bytes=MEGABYTE))
    async with AudioFiles.open(settings) as files:
        for _ in range(4):
            await files.put(link(files), io.BytesIO(bytes(400_000)), 400_000)
        async with asyncio.timeout(10):
            while len(names(tmp_path)) > 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_files_outlive_the_server_and_its_links_too(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with AudioFiles.open(settings) as files:
        wanted = link(files)
        await files.put(wanted, io.BytesIO(CONTENT), len(CONTENT))
    async with AudioFiles.open(settings) as files:
        assert (await Http(files).get(wanted.url)).content == CONTENT
    assert stat.S_IMODE((tmp_path / "files").stat().st_mode) == 0o700


async def test_a_store_that_fails_is_a_fault_and_leaves_nothing(clock: Clock) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError("no more")

    store = MemoryStore()
    files = AudioFiles(store, LinkSigner(b"x" * 32), FileSettings(), clock=clock)
    with pytest.raises(StoreUnavailable):
        await files.put(link(files), Broken(CONTENT), len(CONTENT))
    assert [meta for batch in obstore.list(store) for meta in batch] == []


@pytest.mark.parametrize("url", ["nonsense://x", "s3://", "no url"])
async def test_a_store_that_cannot_be_opened_is_named_without_its_url(url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, files=FileSettings(url=url))
    with pytest.raises(ConfigurationError, match="files.url") as raised:
        async with AudioFiles.open(settings):
            pass
    assert url not in raised.value.message


async def test_a_store_may_be_named_by_url_and_the_secret_given(tmp_path: Path) -> None:
    own = FileSettings(url="memory:///", secret="s" * 32)
    async with AudioFiles.open(Settings(data_dir=tmp_path, files=own)) as files:
        wanted = link(files)
        await files.put(wanted, io.BytesIO(CONTENT), len(CONTENT))
        assert (await Http(files).get(wanted.url)).content == CONTENT
    assert list(tmp_path.iterdir()) == []
