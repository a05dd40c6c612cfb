from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette

from saystream import __version__
from saystream.config import Settings
from saystream.errors import AuthenticationFailed
from saystream.server.doors.base import Services
from saystream.server.doors.operations import OperationsDoor
from saystream.server.web.faults import EXCEPTION_HANDLERS
from saystream.server.web.request_ids import RequestIds
from saystream.text.counting import billed_characters
from server.live import Live, audio_of, live_server, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "Hello there, dear listener."


async def test_the_process_says_that_it_lives(server: Live) -> None:
    status, body = await server.get("/healthz")
    assert (status, json.loads(body)) == (200, {"status": "ok", "version": __version__})


async def test_it_is_ready_while_an_engine_is_up(server: Live) -> None:
    assert await server.get("/readyz") == (200, '{"status":"ready"}')


async def test_it_is_not_ready_without_an_engine_and_is_again_with_one(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        for engine in live.engine_processes():
            engine.kill()
        await until(lambda: live.load.hosts == 0)
        assert (await live.get("/readyz"))[0] == 503
        assert (await live.get("/healthz"))[0] == 200
        await until(lambda: live.load.hosts == 1)
        assert (await live.get("/readyz"))[0] == 200
        assert await live.metric("saystream_host_restarts_total", engine="tone") == 1
        assert audio_of(await live.say(TEXT))


async def test_it_is_not_ready_while_it_drains(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        await live.room.drain(0)
        assert await live.get("/readyz") == (503, '{"status":"draining"}')
        assert (await live.get("/healthz"))[0] == 200


async def test_the_document_describes_every_path_of_every_door(server: Live) -> None:
    status, body = await server.get("/openapi.json")
    paths = json.loads(body)["paths"]
    assert status == 200
    assert list(paths) == [
        "/api/v1/services/aigc/multimodal-generation/generation",
        "/api/v1/services/audio/tts/SpeechSynthesizer",
        "/api/v1/services/audio/tts/customization",
        "/files/{date}/{name}",
        "/v1/audio/speech",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/voices",
        "/v1/voices/archive",
        "/v1/voices/{name}/archive",
        "/v1/voices/{name}",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
    ]


async def test_the_metrics_tell_what_a_session_was(server: Live) -> None:
    names = {
        "saystream_sessions": {},
        "saystream_running": {"engine": "tone"},
        "saystream_queue": {"engine": "tone"},
        "saystream_engine_hosts": {"engine": "tone"},
        "saystream_host_restarts_total": {"engine": "tone"},
        "saystream_responses_total": {"status": "completed"},
        "saystream_characters_total": {},
        "saystream_audio_seconds_total": {},
        "saystream_first_audio_seconds_count": {},
        "saystream_response_real_time_factor_count": {},
        "saystream_chunk_lag_seconds_count": {},
        "saystream_underruns_total": {},
        "saystream_faults_total": {},
    }

    async def shown() -> dict[str, float]:
        return {name: await server.metric(name, **labels) for name, labels in names.items()}

    before = await shown()
    async with server.peer() as peer:
        assert (await shown())["saystream_sessions"] == 1
        await peer.append(TEXT)
        await peer.finish()
        events = await peer.until("session.finished")
    await server.quiet()
    after = await shown()
    deltas = [event for event in events if event["type"] == "response.audio.delta"]
    changes: dict[str, Any] = {name: after[name] - before[name] for name in names}
    assert changes == {
        **dict.fromkeys(names, 0),
        "saystream_responses_total": 1,
        "saystream_characters_total": billed_characters(TEXT),
        "saystream_audio_seconds_total": pytest.approx(len(audio_of(events)) / 2 / 24000),
        "saystream_first_audio_seconds_count": 1,
        "saystream_response_real_time_factor_count": 1,
        "saystream_chunk_lag_seconds_count": len(deltas),
        "saystream_underruns_total": changes["saystream_underruns_total"],
    }
    assert after["saystream_engine_hosts"] == 1


async def test_the_metrics_show_who_speaks_and_who_waits(tmp_path: Path) -> None:
    engine = {"tone": {"concurrency": 1, "real_time_factor": 1.0}}
    async with live_server(tmp_path, engines=engine) as live:
        async with live.peer() as speaking, live.peer() as waiting:
            for peer in (speaking, waiting):
                await peer.append(TEXT * 10)
                await peer.until("response.content_part.added")
            await until(lambda: live.load.waiting == 1)
            assert await live.metric("saystream_sessions") == 2
            assert await live.metric("saystream_running", engine="tone") == 1
            assert await live.metric("saystream_queue", engine="tone") == 1
        await live.quiet()
        assert await live.metric("saystream_sessions") == 0
        assert await live.metric("saystream_running", engine="tone") == 0


async def test_an_engine_slower_than_the_listener_is_seen_as_lag(tmp_path: Path) -> None:
    engine = {"tone": {"chunk_ms": 100, "real_time_factor": 1.5}}
    async with live_server(tmp_path, engines=engine) as live:
        await live.say(TEXT)
        assert await live.metric("saystream_underruns_total") > 0
        assert await live.metric("saystream_chunk_lag_seconds_sum") > 0.1
        assert await live.metric("saystream_response_real_time_factor_sum") > 1.2
        assert 0.1 < await live.metric("saystream_first_audio_seconds_sum")


class StrictAuthenticator:
    async def authenticate(self, headers: Mapping[str, str], peer: str) -> None:
        if headers.get("authorization") != "Bearer right":
            raise AuthenticationFailed("unknown or revoked key")


@pytest.mark.parametrize(
    ("readers", "stranger", "with_key", "here"),
    [
        ("everyone", 200, 200, 200),
        ("keys", 401, 200, 401),
        ("loopback", 403, 403, 200),
        ("nobody", 404, 404, 404),
    ],
)
async def test_settings_say_who_reads_the_metrics_and_the_document(
    readers: str, stranger: int, with_key: int, here: int
) -> None:
    services = SimpleNamespace(
        settings=Settings.model_validate({"metrics_for": readers, "openapi_for": readers}),
        authenticator=StrictAuthenticator(),
        metrics=SimpleNamespace(exposition=lambda: b""),
    )
    door = OperationsDoor(cast(Services, services))
    app = Starlette(routes=door.routes(), exception_handlers=EXCEPTION_HANDLERS)
    app.add_middleware(RequestIds)

    async def status(path: str, peer: str, **headers: str) -> int:
        transport = httpx.ASGITransport(app=app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return (await client.get(path, headers=headers)).status_code

    for path in ("/metrics", "/openapi.json"):
        assert await status(path, "10.0.0.1") == stranger
        assert await status(path, "10.0.0.1", authorization="Bearer right") == with_key
        assert await status(path, "127.0.0.1") == here
