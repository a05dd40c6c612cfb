from __future__ import annotations

import io
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import obstore
import pytest
from obstore.store import LocalStore
from starlette.applications import Starlette
from starlette.requests import Request

from clock import Clock
from saystream.config import FileSettings, Settings
from saystream.server.access.links import Link, Links, LinkSigner
from saystream.server.doors.base import Services
from saystream.server.doors.files import FilesDoor, byte_range
from saystream.server.web.faults import EXCEPTION_HANDLERS
from saystream.server.web.request_ids import RequestIds
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


@dataclass(frozen=True)
class FileServices:
    """What the door needs of all services."""

    files: FileStore
    links: Links


@pytest.fixture
def services(store: LocalStore, clock: Clock) -> FileServices:
    files = FileStore(store, FileSettings(), clock=clock)
    return FileServices(files, Links(LinkSigner(b"x" * 32), ttl_s=24 * HOUR, clock=clock))


class Http:
    """Sends requests to the door as the application serves it."""

    def __init__(self, services: FileServices) -> None:
        door = FilesDoor(cast(Services, services))
        self._app = Starlette(routes=door.routes(), exception_handlers=EXCEPTION_HANDLERS)
        self._app.add_middleware(RequestIds)

    async def get(self, url: str, *, method: str = "GET", **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, url, **options)

    async def head(self, url: str) -> httpx.Response:
        return await self.get(url, method="HEAD")


@pytest.fixture
def http(services: FileServices) -> Http:
    return Http(services)


async def put(services: FileServices, content: bytes = CONTENT) -> Link:
    path = services.files.new_path(str(uuid.uuid4()))
    await services.files.put(path, io.BytesIO(content), len(content))
    scope = {"type": "http", "scheme": "http", "path": "/", "headers": [(b"host", b"testserver")]}
    return services.links.link(Request(scope), path)


@pytest.fixture
async def stored(services: FileServices) -> Link:
    return await put(services)


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


async def test_a_long_file_comes_in_pieces_that_join(services: FileServices, http: Http) -> None:
    content = os.urandom(3 * MEGABYTE + 5)
    wanted = await put(services, content)
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


async def test_links_outlive_the_server(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with FileStore.open(settings) as files:
        wanted = await put(FileServices(files, Links.of(settings)))
    async with FileStore.open(settings) as files:
        assert (await Http(FileServices(files, Links.of(settings))).get(wanted.url)).content == CONTENT


async def test_the_secret_of_links_may_be_given(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, files=FileSettings(url="memory:///", secret="s" * 32))
    async with FileStore.open(settings) as files:
        services = FileServices(files, Links.of(settings))
        assert (await Http(services).get((await put(services)).url)).content == CONTENT
    assert list(tmp_path.iterdir()) == []
