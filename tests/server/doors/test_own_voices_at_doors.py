"""Cloned and designed voices, spoken at every door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from saystream.protocol.http import generation, speech_synthesizer
from saystream.protocol.task.events import TaskFailed, TaskFinished
from saystream.server.access.keys import KeyStore
from saystream.storage import open_store
from saystream.voices.custom.voice import OwnVoice, Rendition
from saystream.voices.recipes import Recipe
from server.live import PATIENCE_S, Live, audio_of, live_server

from .task_peer import audio_of as task_audio
from .task_peer import task_peer

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

VC_REALTIME = "qwen3-tts-vc-realtime-2026-01-15"
VC = "qwen3-tts-vc-2026-01-22"
COSYVOICE = "cosyvoice-v3-flash"
OWN = {VC_REALTIME: "anna-realtime", VC: "anna-http", COSYVOICE: "cosyvoice-v3-flash-anna-1"}
TEXT = "Hello there, this is a whole sentence."
SLOW = {"tone": Rendition(Recipe("tone", speed=0.5))}


def own(name: str, model: str, **facts: Any) -> OwnVoice:
    now = datetime.now(UTC)
    family = "voice-enrollment" if model == COSYVOICE else "qwen-voice-enrollment"
    return OwnVoice(
        **{
            "name": name,
            "workspace": "home",
            "family": family,
            "origin": "cloned",
            "target_model": model,
            "created_at": now,
            "modified_at": now,
            "renditions": SLOW,
            **facts,
        }
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """With one own voice for each of three models, all of them half as fast as a voice of the system."""
    async with live_server(
        tmp_path_factory.mktemp("server"), realtime={"response_idle_ms": 200, "idle_timeout_s": 300}
    ) as live:
        store = live.services.own_voices.store
        for model, name in OWN.items():
            await store.create(own(name, model), None)
        await store.create(own("unready", VC_REALTIME, status="DEPLOYING"), None)
        yield live


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keys(server: Live) -> dict[str, str]:
    """A key of the workspace of these voices, of another one, and of none."""
    async with open_store(server.settings) as engine:
        made = KeyStore(engine)
        secrets = {
            workspace: (await made.create("Ann", workspace=workspace or None)).secret
            for workspace in ("home", "elsewhere", "")
        }
    return secrets


async def refusal(server: Live, key: str, model: str, voice: str) -> dict[str, Any]:
    async with server.peer(model, key=key) as peer:
        await peer.update(voice=voice)
        return await peer.error()


async def test_a_realtime_session_speaks_with_an_own_voice(server: Live, keys: dict[str, str]) -> None:
    seconds = {}
    for model, voice in ((VC_REALTIME, OWN[VC_REALTIME]), ("qwen3-tts-flash-realtime", "Cherry")):
        async with server.peer(model, key=keys["home"]) as peer:
            await peer.update(voice=voice)
            assert (await peer.next())["session"]["voice"] == voice
            await peer.append(TEXT)
            await peer.finish()
            seconds[voice] = len(audio_of(await peer.until("session.finished"))) / 48_000
    assert seconds[OWN[VC_REALTIME]] > 1.5 * seconds["Cherry"] > 0


async def test_a_second_session_on_a_connection_names_its_voice_again(
    server: Live, keys: dict[str, str]
) -> None:
    async with server.peer(VC_REALTIME, key=keys["home"]) as peer:
        for _ in range(2):
            await peer.update(voice=OWN[VC_REALTIME])
            await peer.until("session.updated")
            await peer.append(TEXT)
            await peer.finish()
            assert audio_of(await peer.until("session.finished"))


@pytest.mark.parametrize(
    ("workspace", "model", "voice", "reason"),
    [
        ("home", "qwen3-tts-flash-realtime", OWN[VC_REALTIME], "It was made for qwen3-tts-vc-realtime-2026"),
        ("home", VC_REALTIME, OWN[VC], "It was made for qwen3-tts-vc-2026-01-22"),
        ("home", VC_REALTIME, "unready", "It is still being made"),
        ("home", VC_REALTIME, "nobody", "voices cloned for qwen3-tts-vc-realtime-2026-01-15"),
        ("elsewhere", VC_REALTIME, OWN[VC_REALTIME], "voices cloned for qwen3-tts-vc-realtime-2026-01-15"),
        ("", VC_REALTIME, OWN[VC_REALTIME], "voices cloned for qwen3-tts-vc-realtime-2026-01-15"),
    ],
)
async def test_a_voice_that_is_not_the_callers_or_the_models_is_refused(
    server: Live, keys: dict[str, str], workspace: str, model: str, voice: str, reason: str
) -> None:
    error = await refusal(server, keys[workspace], model, voice)
    assert (error["code"], error["param"]) == ("invalid_value", "session.voice")
    assert reason in error["message"]


async def posted(server: Live, key: str, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
        return await client.post(
            f"http://127.0.0.1:{server.port}{path}",
            content=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers},
        )


async def test_a_header_opens_no_other_workspace(server: Live, keys: dict[str, str]) -> None:
    body = {"model": VC, "input": {"text": TEXT, "voice": OWN[VC]}}
    answer = await posted(server, keys[""], generation.PATH, body, **{"X-DashScope-WorkSpace": "home"})
    assert answer.status_code == 400 and answer.json()["code"] == "InvalidParameter"


async def test_generation_speaks_with_an_own_voice(server: Live, keys: dict[str, str]) -> None:
    for model, status in ((VC, 200), ("qwen3-tts-flash", 400)):
        body = {"model": model, "input": {"text": TEXT, "voice": OWN[VC]}}
        answer = await posted(server, keys["home"], generation.PATH, body)
        assert answer.status_code == status, answer.text
    assert "It was made for" in answer.json()["message"]


async def test_cosyvoice_over_http_speaks_with_an_own_voice(server: Live, keys: dict[str, str]) -> None:
    for voice, status in ((OWN[COSYVOICE], 200), (OWN[VC], 400)):
        body = {"model": COSYVOICE, "input": {"text": TEXT, "voice": voice}}
        answer = await posted(server, keys["home"], speech_synthesizer.PATH, body)
        assert answer.status_code == status, answer.text
    assert answer.json()["message"] == "[cosyvoice:]Engine return error code: 418"


async def test_a_task_speaks_with_an_own_voice_also_in_ssml(server: Live, keys: dict[str, str]) -> None:
    name = OWN[COSYVOICE]
    async with task_peer(server, key=keys["home"]) as peer:
        await peer.begin("own", model=COSYVOICE, voice=name, enable_ssml=True)
        await peer.say(f'<speak voice="{name}">{TEXT}</speak>', "own")
        await peer.finish("own")
        heard = await peer.until_end("own")
        assert isinstance(heard[-1], TaskFinished) and task_audio(heard)
        await peer.run("other", model=COSYVOICE, voice=OWN[VC])
        last = (await peer.until_end("other"))[-1]
        assert isinstance(last, TaskFailed)
        assert last.error_message == "[cosyvoice:]Engine return error code: 418"


@pytest.mark.parametrize(
    ("model", "voice", "status"),
    [
        ("tts-1", OWN[VC], 200),
        ("", OWN[COSYVOICE], 200),
        (VC, OWN[VC], 200),
        ("qwen3-tts-flash", OWN[VC], 400),
        ("tts-1", "nobody", 400),
    ],
)
async def test_programs_for_openai_speak_with_an_own_voice(
    server: Live, keys: dict[str, str], model: str, voice: str, status: int
) -> None:
    body = {"input": TEXT, "voice": voice, "response_format": "pcm", **({"model": model} if model else {})}
    answer = await posted(server, keys["home"], "/v1/audio/speech", body)
    assert answer.status_code == status, answer.text


async def test_a_voice_that_was_deleted_speaks_no_more(server: Live, keys: dict[str, str]) -> None:
    store = server.services.own_voices.store
    await store.create(own("short-lived", VC_REALTIME), None)
    async with server.peer(VC_REALTIME, key=keys["home"]) as peer:
        await peer.update(voice="short-lived")
        assert (await peer.next())["type"] == "session.updated"
        assert await store.delete("home", "short-lived")
        await peer.update(voice="short-lived")
        assert "voices cloned" in (await peer.error())["message"]


async def test_that_a_voice_speaks_is_noted(server: Live, keys: dict[str, str]) -> None:
    store = server.services.own_voices.store
    voice = replace(own("noted", VC), modified_at=datetime.now(UTC))
    await store.create(voice, None)
    resolved = await server.services.own_voices.resolve("home", VC, "noted")
    assert resolved is not None and resolved.used_at is None
    await asyncio.gather(*server.services.own_voices._noting.values())
    found = await store.find("home", "noted")
    assert found is not None and found.used_at is not None
