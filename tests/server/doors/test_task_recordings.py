"""Recordings and music that SSML names by their addresses, at the task door and over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
import pytest_asyncio

from saystream.protocol.http.speech_synthesizer import PATH
from saystream.protocol.task.events import TaskFinished, TaskStarted
from server.live import PATIENCE_S, Live, live_server
from uploads import written

from .task_peer import SAMBERT, VOICE, Heard, audio_of, task_peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE = 16000
BEEP_HZ = 1000
BEEP_S = 0.5
FADE_MS = 500
"""How long music goes on after the speech, softer and softer."""


def beep() -> bytes:
    time_s = np.arange(round(RATE * BEEP_S)) / RATE
    samples = 0.3 * np.sin(2 * np.pi * BEEP_HZ * time_s)
    return written("wav", "pcm_s16le", RATE, samples.astype(np.float32)[None])


class Shelf:
    """An HTTP server that has a beep, text, and what it gives only when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        """For ``/held``."""
        self.released = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        if path == "/held":
            self.asked.set()
            await self.released.wait()
        body = beep() if path in ("/beep", "/held") else b"no sound at all" * 99
        status = "404 Not Found" if path == "/missing" else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()


@pytest_asyncio.fixture(loop_scope="module")
async def shelf() -> AsyncIterator[Shelf]:
    shelf = Shelf()
    server = await asyncio.start_server(shelf.serve, "127.0.0.1", 0)
    async with server:
        shelf.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield shelf
        shelf.released.set()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fetching(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with live_server(
        tmp_path_factory.mktemp("server"), fetching={"allowed_networks": ["127.0.0.0/8"], "timeout_s": 60}
    ) as live:
        yield live


async def spoken(server: Live, document: str) -> list[Heard]:
    async with task_peer(server) as peer:
        await peer.begin(enable_ssml=True)
        await peer.say(document)
        await peer.finish()
        return await peer.until_end()


async def refused(server: Live, document: str) -> tuple[str, str]:
    async with task_peer(server) as peer:
        await peer.begin(enable_ssml=True)
        await peer.say(document)
        await peer.finish()
        return await peer.failure()


def beeping_ms(audio: bytes) -> float:
    """How long there is sound of the frequency of the beep, by windows of 20 ms."""
    samples = np.frombuffer(audio, "<i2") / 32768
    window = RATE // 50
    windows = samples[: len(samples) // window * window].reshape(-1, window)
    wave = np.exp(-2j * np.pi * BEEP_HZ * np.arange(window) / RATE) * np.hanning(window)
    return float(20 * (np.abs(windows @ wave) > 1.0).sum())


async def test_a_recording_is_heard_at_its_place(fetching: Live, shelf: Shelf) -> None:
    plain = audio_of(await spoken(fetching, "<speak>One.</speak><speak>Two.</speak>"))
    document = f'<speak>One.<soundEvent src="{shelf.url}/beep"/>Two.</speak>'
    heard = await spoken(fetching, document)
    audio = audio_of(heard)
    assert beeping_ms(plain) == 0
    assert beeping_ms(audio) == pytest.approx(1000 * BEEP_S, abs=40)
    samples = np.frombuffer(audio, "<i2")
    assert beeping_ms(samples[: RATE // 5].tobytes()) == beeping_ms(samples[-RATE // 5 :].tobytes()) == 0
    assert isinstance(heard[-1], TaskFinished)
    assert heard[-1].characters == len("One.Two.")


async def test_music_is_heard_under_all_of_the_speech(fetching: Live, shelf: Shelf) -> None:
    text = "This takes longer than the music, so it is repeated."
    plain = audio_of(await spoken(fetching, f"<speak>{text}</speak>"))
    audio = audio_of(
        await spoken(fetching, f'<speak bgm="{shelf.url}/beep" backgroundMusicVolume="100">{text}</speak>')
    )
    assert 0 <= len(audio) - len(plain) <= 32 * FADE_MS
    assert beeping_ms(audio) > 0.8 * len(plain) / 32


async def test_a_recording_alone_is_heard(fetching: Live, shelf: Shelf) -> None:
    heard = await spoken(fetching, f'<speak><soundEvent src="{shelf.url}/beep"/></speak>')
    assert beeping_ms(audio_of(heard)) == pytest.approx(1000 * BEEP_S, abs=40)


async def test_sambert_and_a_flush_wait_for_a_recording(fetching: Live, shelf: Shelf) -> None:
    document = f'<speak>One.<soundEvent src="{shelf.url}/beep"/></speak>'
    async with task_peer(fetching) as peer:
        await peer.begin(model=SAMBERT, streaming="out", text_type="SSML", text=document)
        assert beeping_ms(audio_of(await peer.until_end())) > 400
        await peer.begin("flushed", enable_ssml=True)
        await peer.say(document, "flushed", flush=True)
        await peer.finish("flushed")
        assert beeping_ms(audio_of(await peer.until_end("flushed"))) > 400


async def test_others_are_served_while_a_recording_is_fetched(fetching: Live, shelf: Shelf) -> None:
    async with task_peer(fetching) as peer:
        await peer.begin("waits", enable_ssml=True)
        await peer.say(f'<speak>One.<soundEvent src="{shelf.url}/held"/></speak>', "waits")
        await peer.finish("waits")
        async with asyncio.timeout(PATIENCE_S):
            await shelf.asked.wait()
        await peer.begin("b")
        await peer.say("Hello.", "b")
        await peer.finish("b")
        heard = await peer.until_end("b")
        assert all(isinstance(event, bytes) or event.task_id == "b" for event in heard)
        shelf.released.set()
        assert beeping_ms(audio_of(await peer.until_end("waits"))) > 400
    await fetching.quiet()


async def test_a_task_can_be_cancelled_while_a_recording_is_fetched(fetching: Live, shelf: Shelf) -> None:
    async with task_peer(fetching) as peer:
        await peer.begin(enable_ssml=True)
        await peer.say(f'<speak>One.<soundEvent src="{shelf.url}/held"/></speak>')
        async with asyncio.timeout(PATIENCE_S):
            await shelf.asked.wait()
        await peer.finish(cancel=True)
        (finished,) = await peer.until_end()
        assert isinstance(finished, TaskFinished)
        await peer.run("next")
        assert await peer.next() == TaskStarted(task_id="next")
        await peer.finish("next", cancel=True)
        await peer.until_end("next")
    await fetching.quiet()


async def test_a_peer_may_vanish_while_a_recording_is_fetched(fetching: Live, shelf: Shelf) -> None:
    async with task_peer(fetching) as peer:
        await peer.begin(enable_ssml=True)
        await peer.say(f'<speak>One.<soundEvent src="{shelf.url}/held"/></speak>')
        async with asyncio.timeout(PATIENCE_S):
            await shelf.asked.wait()
        peer.vanish()
        await fetching.quiet()
    assert fetching.room.num_taken == 0


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("/missing", "BadRequest.InputDownloadFailed", "it was answered with status 404"),
        ("/text", "BadRequest.UnsupportedFileFormat", ""),
    ],
)
async def test_what_cannot_be_had_fails_the_task(
    fetching: Live, shelf: Shelf, path: str, code: str, reason: str
) -> None:
    refusal = await refused(fetching, f'<speak>One.<soundEvent src="{shelf.url}{path}"/></speak>')
    assert refusal[0] == code
    assert reason in refusal[1]


async def test_what_is_not_public_is_not_fetched(server: Live, shelf: Shelf) -> None:
    for document in (
        f'<speak bgm="{shelf.url}/held">One.</speak>',
        f'<speak>One.<soundEvent src="{shelf.url}/held"/></speak>',
    ):
        code, message = await refused(server, document)
        assert code == "BadRequest.InputDownloadFailed"
        assert "'127.0.0.1' is not a public address" in message
    assert not shelf.asked.is_set()


async def test_over_http_they_are_heard_too(fetching: Live, server: Live, shelf: Shelf) -> None:
    def request(document: str) -> dict[str, object]:
        said = {"text": document, "voice": VOICE, "format": "pcm", "sample_rate": RATE, "enable_ssml": True}
        return {"model": "cosyvoice-v3-flash", "input": said}

    document = f'<speak>One.<soundEvent src="{shelf.url}/beep"/></speak>'
    async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
        answer = await client.post(f"http://127.0.0.1:{fetching.port}{PATH}", json=request(document))
        audio = (await client.get(answer.json()["output"]["audio"]["url"])).content
        assert beeping_ms(audio) == pytest.approx(1000 * BEEP_S, abs=40)
        for unheard, named in (
            (document, "not a public address"),
            ("<speak effect='choir'>One.</speak>", "effect"),
            ("<speak voice='nobody'>One.</speak>", "418"),
        ):
            answer = await client.post(f"http://127.0.0.1:{server.port}{PATH}", json=request(unheard))
            assert answer.status_code == 400, answer.text
            assert named in answer.json()["message"]
