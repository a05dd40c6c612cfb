"""The realtime door when it takes nobody new: refused handshakes, and draining."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from saystream.config import Settings
from saystream.server.access.keys import KeyStore
from saystream.server.transport import websocket
from saystream.storage import open_store
from server.live import (
    PATIENCE_S,
    Live,
    live_server,
    until,
)

from .peers import LONG_TEXT, failed, kinds_of, refusal, speaks, stalled_peer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


# --- handshakes that are refused -------------------------------------------------------------------------------------


async def test_without_a_good_key_the_handshake_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_store(Settings(data_dir=tmp_path, database_url=None)) as engine:
        keys = KeyStore(engine)
        good, revoked = await keys.create("good"), await keys.create("revoked")
        await keys.revoke(revoked.key.id)
    async with live_server(tmp_path) as live:
        for key in (None, "sk-unknown", revoked.secret):
            status, body, headers = await refusal(live, key)
            assert (status, body["code"]) == (401, "InvalidApiKey")
            assert body["message"]
            assert body["request_id"]
            assert "retry-after" not in headers
            assert key is None or key not in json.dumps(body)
        async with live.peer(key=good.secret) as peer:
            assert await speaks(peer)
        assert await live.metric("saystream_handshakes_refused_total", code="invalid_api_key") == 3
        await live.quiet()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_handshake_over_the_limit_is_refused_for_now(tmp_path: Path) -> None:
    async with live_server(tmp_path, limits={"max_sessions": 2}) as live:
        async with live.peer() as first, live.peer():
            status, body, headers = await refusal(live)
            assert (status, body["code"]) == (429, "Throttling.RateQuota")
            assert "2 sessions" in body["message"]
            assert int(headers["retry-after"]) > 0
            assert await speaks(first)
        await live.quiet()
        async with live.peer() as peer:
            assert await speaks(peer)


# --- draining --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def draining(live: Live, timeout_s: float = PATIENCE_S) -> AsyncIterator[asyncio.Task[None]]:
    drain = asyncio.create_task(live.room.drain(timeout_s))
    await until(lambda: live.room.draining)
    yield drain
    await drain


async def test_a_draining_server_lets_everybody_finish_and_takes_nobody_new(tmp_path: Path) -> None:
    async with live_server(
        tmp_path, realtime={"response_idle_ms": 100}, engines={"tone": {"real_time_factor": 0.1}}
    ) as live:
        async with (
            live.peer() as idle,
            live.peer() as mid_sentence,
            live.peer() as finishing,
            live.peer() as finished,
            live.peer() as unspoken,
        ):
            await mid_sentence.append(LONG_TEXT[:180])
            await finishing.append(LONG_TEXT[:180])
            await finishing.finish()
            await finished.finish()
            await finished.until("session.finished")
            await finishing.until("response.audio.delta")
            await mid_sentence.until("response.audio.delta")
            await unspoken.append("No end of a sentence")
            await unspoken.update()
            await unspoken.until("session.updated")
            async with draining(live):
                status, body, headers = await refusal(live)
                assert (status, body["code"]) == (503, "Throttling")
                assert int(headers["retry-after"]) > 0
                assert (await live.get("/readyz"))[0] == 503
                assert (await live.get("/healthz"))[0] == 200
                events, code, _ = await idle.until_closed()
                assert [event["error"]["code"] for event in events] == ["server_draining"]
                assert code == 1012
                events, code, _ = await finished.until_closed()
                assert (events, code) == ([], 1012)
                events, code, _ = await finishing.until_closed()
                assert kinds_of(events)[-2:] == ["response.done", "session.finished"]
                assert (events[-2]["response"]["status"], code) == ("completed", 1012)
                for peer, text in ((mid_sentence, LONG_TEXT[:180]), (unspoken, "No end of a sentence")):
                    events, code, _ = await peer.until_closed()
                    assert kinds_of(events)[-2:] == ["response.done", "error"]
                    assert events[-2]["response"]["usage"]["characters"] == len(text)
                    assert (events[-1]["error"]["code"], code) == ("server_draining", 1012)


async def test_a_draining_server_does_not_wait_for_text_that_is_dropped(tmp_path: Path) -> None:
    async with live_server(tmp_path, segmenter={"max_wait_ms": 60_000}) as live, live.peer() as peer:
        await peer.append("No end of a sentence")
        await peer.update()
        await peer.until("session.updated")
        async with draining(live):
            await peer.clear()
            events, code, _ = await peer.until_closed()
    assert (kinds_of(events), code) == (["input_text_buffer.cleared", "error"], 1012)


async def test_a_drain_ends_in_time_whatever_the_peers_do(tmp_path: Path) -> None:
    async with live_server(tmp_path, engines={"tone": {"real_time_factor": 1.0}}) as live:
        async with live.peer() as peer, stalled_peer(live) as stalled:
            await peer.append(LONG_TEXT)
            await stalled.append(LONG_TEXT)
            await peer.until("response.audio.delta")
            async with draining(live, timeout_s=0.2):
                _, error, response, (code, _) = await failed(peer)
                assert (error["code"], response["status"], code) == ("server_draining", "failed", 1012)


async def test_a_peer_that_does_not_answer_the_close_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "_FAREWELL_S", 0.3)
    async with live_server(tmp_path) as live, stalled_peer(live) as peer:
        await peer.socket.send(b"")
        await until(lambda: not live.room.num_taken)
        assert live.num_open == 1
        await until(lambda: live.num_open == 0)
