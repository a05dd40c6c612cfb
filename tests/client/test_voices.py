"""Voices of one's own through our client, on a server whose engine is a tone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import pytest_asyncio

from hums import speech
from saystream.client.voices import BlockingVoices, MadeVoice, Voices
from saystream.errors import ConnectionFailed, RemoteError, RemoteProtocolError
from server.live import Live, live_server
from uploads import written

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE = 24_000
VC, VD, COSY = "qwen3-tts-vc-2026-01-22", "qwen3-tts-vd-2026-01-26", "cosyvoice-v3-flash"
RECORDING = written("wav", "pcm_s16le", RATE, speech(11.0, RATE)[None])
PREVIEW = "Good evening, everybody."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with live_server(tmp_path_factory.mktemp("server")) as live:
        yield live


@pytest_asyncio.fixture(loop_scope="module")
async def voices(server: Live) -> AsyncIterator[Voices]:
    async with Voices(f"http://127.0.0.1:{server.port}") as opened:
        yield opened


async def test_a_recording_becomes_a_voice_that_speaks_moves_and_goes(voices: Voices, tmp_path: Path) -> None:
    file = tmp_path / "anna.wav"
    file.write_bytes(RECORDING)
    made = await voices.clone(file, target_model=VC, name="anna", language="en", consent="by letter")
    assert made.name.startswith("qwen-tts-vc-anna-") and made.target_model == VC
    assert made.fallback_mode == "voice_match"
    shown = await voices.show(made.name)
    assert (shown.origin, shown.language, shown.consent) == ("cloned", "en", "by letter")
    assert made.name in [voice.name for voice in await voices.list()]
    assert (await voices.say(made.name, "Hello.")).startswith(b"RIFF")
    archive = await voices.export(made.name)
    await voices.delete(made.name)
    assert made.name not in [voice.name for voice in await voices.list()]
    assert (await voices.restore(archive)).name == made.name


@pytest.mark.parametrize("model", [VD, COSY])
async def test_a_description_becomes_a_voice_with_a_preview(voices: Voices, model: str) -> None:
    made = await voices.design(
        "A calm old man with a deep voice.", target_model=model, preview_text=PREVIEW, name="sage"
    )
    assert "sage" in made.name and made.preview.startswith(b"RIFF") and made.fallback_mode == ""
    assert (await voices.show(made.name)).origin == "designed"


async def test_cosyvoice_clones_what_is_in_memory(voices: Voices) -> None:
    made = await voices.clone(RECORDING, target_model=COSY, name="ben", language="en")
    assert made.name.startswith(f"{COSY}-ben-")


async def test_a_refusal_says_what_was_wrong(voices: Voices) -> None:
    with pytest.raises(RemoteError) as short:
        await voices.clone(written("wav", "pcm_s16le", RATE, speech(1.0, RATE)[None]), target_model=VC)
    assert short.value.remote_code == "Audio.AudioShortError"
    with pytest.raises(RemoteError) as missing:
        await voices.show("nobody")
    assert "nobody" in missing.value.message


async def test_an_address_where_nobody_listens_is_a_failed_connection(unused_tcp_port: int) -> None:
    async with Voices(f"http://127.0.0.1:{unused_tcp_port}") as nowhere:
        with pytest.raises(ConnectionFailed, match="no answer"):
            await nowhere.list()


class _Stranger(BaseHTTPRequestHandler):
    """A server that is none of ours."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/v1/voices" else 502)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, *_: object) -> None:
        return


async def test_a_server_that_is_none_of_ours_is_told_apart() -> None:
    with HTTPServer(("127.0.0.1", 0), _Stranger) as stranger:
        thread = threading.Thread(target=stranger.serve_forever, daemon=True)
        thread.start()
        async with Voices(f"http://127.0.0.1:{stranger.server_port}") as voices:
            with pytest.raises(RemoteProtocolError, match="not what was asked for"):
                await voices.list()
            with pytest.raises(RemoteError, match="the server answered 502"):
                await voices.show("anna")
        stranger.shutdown()
        thread.join()


async def test_the_same_calls_block_in_programs_without_a_loop(server: Live) -> None:
    def use() -> tuple[MadeVoice, list[str]]:
        voices = BlockingVoices(f"http://127.0.0.1:{server.port}")
        made = voices.design("A young woman.", target_model=VD, preview_text=PREVIEW, name="eve")
        assert voices.show(made.name).description == "A young woman."
        assert voices.say(made.name, "Hello.")
        archive = voices.export(made.name)
        voices.delete(made.name)
        voices.restore(archive)
        cloned = voices.clone(RECORDING, target_model=VC, name="eve")
        voices.delete(cloned.name)
        return made, [voice.name for voice in voices.list()]

    made, names = await asyncio.to_thread(use)
    assert made.name in names
