from __future__ import annotations

import io
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pybase64
import pytest

from saystream.protocol.http.speech_synthesizer import PATH
from saystream.protocol.http.sse import EventParser
from server.live import PATIENCE_S, live_server

pytestmark = pytest.mark.slow

TEXT = "The first sentence is here. The second one follows."
MEDIA_TYPES = {"wav": "audio/wav", "pcm": "audio/pcm", "mp3": "audio/mpeg", "opus": "audio/ogg"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with live_server(tmp_path) as server:
        base = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=base, timeout=PATIENCE_S, trust_env=False) as client:
            yield client


def body(model: str = "cosyvoice-v3-flash", **given: Any) -> dict[str, Any]:
    return {"model": model, "input": {"text": TEXT, "voice": "longanyang", **given}}


async def outputs(client: httpx.AsyncClient, **given: Any) -> list[dict[str, Any]]:
    answer = await client.post(PATH, json=body(**given), headers={"X-DashScope-SSE": "enable"})
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    events = EventParser(max_event_bytes=1 << 20).push(answer.content)
    return [json.loads(event.data) for event in events]


async def test_the_link_leads_to_a_file_in_the_format_asked_for(client: httpx.AsyncClient) -> None:
    files = {}
    for container, media_type in MEDIA_TYPES.items():
        said = (await client.post(PATH, json=body(format=container, sample_rate=24000))).json()
        audio = said["output"].pop("audio")
        assert (said["output"], said["usage"]) == ({"finish_reason": "stop"}, {"characters": len(TEXT)})
        assert (audio["data"], audio["id"]) == ("", "audio_" + said["request_id"])
        answer = await client.get(audio["url"])
        assert answer.headers["content-type"] == media_type
        assert f".{container}?" in audio["url"]
        files[container] = answer.content
    with wave.open(io.BytesIO(files["wav"])) as file:
        assert file.getparams()[:3] == (1, 2, 24000)
        assert file.readframes(file.getnframes()) == files["pcm"]
    assert files["mp3"][0] == 0xFF and files["opus"][:4] == b"OggS"


@pytest.mark.parametrize("container", ["pcm", "wav", "mp3"])
async def test_events_tell_of_sentences_and_carry_the_file(client: httpx.AsyncClient, container: str) -> None:
    *begun, last = await outputs(client, format=container, sample_rate=24000)
    assert last["output"]["finish_reason"] == "stop" and last["usage"] == {"characters": len(TEXT)}
    kinds = [each["output"]["type"] for each in begun]
    told = [kind for place, kind in enumerate(kinds) if place == 0 or kind != kinds[place - 1]]
    assert told == ["sentence-begin", "sentence-synthesis", "sentence-end"] * 2
    ends = [each for each in begun if each["output"]["type"] == "sentence-end"]
    assert "".join(each["output"]["original_text"] for each in ends) == TEXT
    assert [each["output"]["sentence"] for each in ends] == [
        {"index": 0, "words": []},
        {"index": 1, "words": []},
    ]
    assert ends[-1]["usage"] == {"characters": len(TEXT)}
    heard = b"".join(
        pybase64.b64decode(each["output"]["audio"]["data"]) for each in begun if "audio" in each["output"]
    )
    file = (await client.get(last["output"]["audio"]["url"])).content
    header = 44 if container == "wav" else 0  # the sizes in it are known at the end only
    assert heard[header:] == file[header:] and len(heard) > 20_000


async def test_words_have_times_with_events_when_asked_for(client: httpx.AsyncClient) -> None:
    told = await outputs(client, word_timestamp_enabled=True)
    ends = [each["output"] for each in told if each["output"].get("type") == "sentence-end"]
    first = ends[0]["sentence"]["words"]
    assert [word["text"] for word in first] == ["The", "first", "sentence", "is", "here"]
    assert (first[1]["begin_index"], first[1]["end_index"]) == (4, 9)


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        (body(voice="nobody"), 400, "InvalidParameter"),
        (body(text="\U0001f600"), 400, "InvalidParameter"),
        (body("cosyvoice-v9"), 404, "ModelNotFound"),
        (body("cosyvoice-v1", voice="longxiaochun"), 404, "ModelNotFound"),
        (body("sambert-zhichu-v1"), 404, "ModelNotFound"),
        (body(rate=9), 400, "InvalidParameter"),
        (body(text="x" * 20_001), 400, "InvalidParameter"),
        ({"model": "cosyvoice-v3-flash"}, 400, "BadRequest.EmptyInput"),
    ],
)
async def test_what_cannot_be_spoken_is_refused(
    client: httpx.AsyncClient, wanted: dict[str, Any], status: int, code: str
) -> None:
    answer = await client.post(PATH, json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_fault_of_the_engine_is_an_answer(tmp_path: Path) -> None:
    async with live_server(tmp_path, engines={"tone": {"fault": "error"}}) as server:
        base = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=base, timeout=PATIENCE_S, trust_env=False) as client:
            answer = await client.post(PATH, json=body())
    assert (answer.status_code, answer.json()["code"]) == (500, "InternalError")
