from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio

from saystream.engines.base import Recording
from saystream.server.access.keys import KeyStore
from saystream.storage import open_store
from saystream.voices.custom.voice import OwnVoice
from server.live import PATIENCE_S, Live, live_server

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

MODEL = "cosyvoice-v3-flash"
ZIP = {"Content-Type": "application/zip"}
RATE = 16_000


def voice(name: str, **facts: Any) -> OwnVoice:
    now = datetime.now(UTC)
    return OwnVoice(
        **{
            "name": name,
            "prefix": "anna",
            "workspace": "home",
            "family": "voice-enrollment",
            "origin": "cloned",
            "target_model": MODEL,
            "created_at": now,
            "modified_at": now,
            **facts,
        }
    )


def recording() -> Recording:
    """Somebody who hums for four seconds."""
    time = np.arange(4 * RATE) / RATE
    hum = np.sum([np.sin(2 * np.pi * 120 * each * time) / each for each in range(1, 12)], axis=0)
    return Recording((0.1 * hum).astype(np.float32), RATE)


class Caller:
    """Somebody with a key of one workspace."""

    def __init__(self, server: Live, key: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE_S,
            trust_env=False,
        )

    async def ask(self, method: str, path: str, status: int = 200, **options: Any) -> httpx.Response:
        answer = await self._client.request(method, path, **options)
        assert answer.status_code == status, answer.text
        return answer

    async def names(self) -> list[str]:
        """Of the caller's own voices."""
        listed = (await self.ask("GET", "/v1/voices")).json()["data"]
        return [each["name"] for each in listed if each["origin"] != "system"]

    async def aclose(self) -> None:
        await self._client.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with live_server(tmp_path_factory.mktemp("server"), own_voices={"max_per_workspace": 2}) as live:
        await live.services.own_voices.create(
            voice("cosyvoice-v3-flash-anna-1", consent="by letter"), recording()
        )
        yield live


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def callers(server: Live) -> AsyncIterator[dict[str, Caller]]:
    async with open_store(server.settings) as engine:
        made = KeyStore(engine)
        keys = {name: (await made.create("Ann", workspace=name)).secret for name in ("home", "elsewhere")}
    callers = {name: Caller(server, key) for name, key in keys.items()}
    yield callers
    for caller in callers.values():
        await caller.aclose()


ANNA = "/v1/voices/cosyvoice-v3-flash-anna-1"


async def test_a_workspace_sees_its_own_voices_after_those_of_the_system(callers: dict[str, Caller]) -> None:
    listed = (await callers["home"].ask("GET", "/v1/voices")).json()["data"]
    assert listed[0]["origin"] == "system"
    assert (listed[-1]["name"], listed[-1]["models"], listed[-1]["origin"]) == (
        "cosyvoice-v3-flash-anna-1",
        [MODEL],
        "cloned",
    )
    assert await callers["elsewhere"].names() == []


async def test_a_voice_is_described_to_its_workspace_alone(callers: dict[str, Caller]) -> None:
    told = (await callers["home"].ask("GET", ANNA)).json()
    assert (told["origin"], told["consent"], told["status"]) == ("cloned", "by letter", "OK")
    english = next(each for each in told["languages"] if each["code"] == "en")
    assert (english["engine"], english["likeness"]) == ("tone", "voice_match")
    error = (await callers["elsewhere"].ask("GET", ANNA, 404)).json()["error"]
    assert error["message"] == "Voice 'cosyvoice-v3-flash-anna-1' not found."
    for path in ("/v1/voices/Cherry", "/v1/voices/%2e%2e%2fanna", "/v1/voices/nobody"):
        await callers["home"].ask("GET", path, 404)
        await callers["home"].ask("DELETE", path, 404)


async def test_a_voice_moves_to_another_workspace_as_one_file(callers: dict[str, Caller]) -> None:
    home, elsewhere = callers["home"], callers["elsewhere"]
    exported = await home.ask("GET", f"{ANNA}/archive")
    assert exported.headers["content-type"] == "application/zip"
    assert 'filename="cosyvoice-v3-flash-anna-1.zip"' in exported.headers["content-disposition"]
    await elsewhere.ask("GET", f"{ANNA}/archive", 404)

    restored = await elsewhere.ask("POST", "/v1/voices/archive", content=exported.content, headers=ZIP)
    assert restored.json()["consent"] == "by letter"
    again = await elsewhere.ask("GET", f"{ANNA}/archive")
    with (
        zipfile.ZipFile(io.BytesIO(exported.content)) as before,
        zipfile.ZipFile(io.BytesIO(again.content)) as now,
    ):
        assert before.read("recording.flac") == now.read("recording.flac")
    error = await elsewhere.ask("POST", "/v1/voices/archive", 409, content=exported.content, headers=ZIP)
    assert error.json()["error"]["code"] == "voice_exists"

    assert (await elsewhere.ask("DELETE", ANNA)).json() == {
        "name": "cosyvoice-v3-flash-anna-1",
        "deleted": True,
    }
    await elsewhere.ask("GET", ANNA, 404)
    assert await home.names() == ["cosyvoice-v3-flash-anna-1"]


async def test_a_full_workspace_takes_no_further_voice(server: Live, callers: dict[str, Caller]) -> None:
    file = await changed(callers, name="bob")
    store = server.services.own_voices.store
    for name in ("one", "two"):
        await store.create(voice(name, workspace="elsewhere"), None)
    error = await callers["elsewhere"].ask("POST", "/v1/voices/archive", 429, content=file, headers=ZIP)
    assert error.json()["error"]["code"] == "too_many_voices"
    for name in ("one", "two"):
        await store.delete("elsewhere", name)


async def changed(callers: dict[str, Caller], recorded: bytes | None = None, **facts: Any) -> bytes:
    """The export of a voice, with other contents."""
    exported = (await callers["home"].ask("GET", f"{ANNA}/archive")).content
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(exported)) as before, zipfile.ZipFile(file, "w") as after:
        written = json.loads(before.read("voice.json"))
        after.writestr("voice.json", json.dumps({**written, **facts}))
        after.writestr("recording.flac", before.read("recording.flac") if recorded is None else recorded)
    return file.getvalue()


@pytest.mark.parametrize(
    ("facts", "status", "code"),
    [
        ({"target_model": "nothing"}, 404, "model_not_found"),
        ({"target_model": "qwen3-tts-vc-2026-01-22"}, 400, "archive_refused"),
        ({"target_model": "sambert-zhichu-v1"}, 400, "archive_refused"),
        ({"name": "../anna"}, 400, "archive_refused"),
        ({"name": "bob", "recorded": b"no sound"}, 400, "audio_format_unsupported"),
    ],
)
async def test_an_import_that_cannot_be_is_refused(
    callers: dict[str, Caller], facts: dict[str, Any], status: int, code: str
) -> None:
    file = await changed(callers, **facts)
    error = await callers["elsewhere"].ask("POST", "/v1/voices/archive", status, content=file, headers=ZIP)
    assert error.json()["error"]["code"] == code
    assert await callers["elsewhere"].names() == []


async def test_an_import_is_declared_as_such_and_bounded(server: Live, callers: dict[str, Caller]) -> None:
    await callers["home"].ask(
        "POST", "/v1/voices/archive", 415, content=b"PK", headers={"Content-Type": "text/plain"}
    )
    longer = bytes(server.settings.own_voices.max_archive_bytes + 1)
    refused = await callers["home"].ask("POST", "/v1/voices/archive", 413, content=longer, headers=ZIP)
    assert refused
