"""Voices of one's own over HTTP, on a server whose engine is a tone."""

from __future__ import annotations

import base64
import io
import re
import wave
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio

from hums import speech
from saystream.dsp.decode import decode
from saystream.protocol.customization.requests import PATH
from server.live import PATIENCE_S, Live, live_server
from server.web.test_fetching import answer, serving
from uploads import encoded, written

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

CLONING, DESIGN, COSY = "qwen-voice-enrollment", "qwen-voice-design", "voice-enrollment"
VC, VD = "qwen3-tts-vc-2026-01-22", "qwen3-tts-vd-2026-01-26"
RATE = 24_000
PREVIEW = "Good evening, everybody."


def wav(sound: np.ndarray, rate: int = RATE) -> bytes:
    return written("wav", "pcm_s16le", rate, sound[np.newaxis])


def data_uri(file: bytes, kind: str = "audio/wav") -> str:
    return f"data:{kind};base64,{base64.b64encode(file).decode()}"


SPEECH = wav(speech(11.0, RATE))


class Client:
    """A program that makes voices."""

    def __init__(self, server: Live, client: httpx.AsyncClient) -> None:
        self.server = server
        self._client = client

    async def post(self, body: Any, path: str = PATH, key: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return await self._client.post(path, json=body, headers=headers)

    async def ask(self, model: str, action: str, *, key: str = "", **given: Any) -> httpx.Response:
        parameters = given.pop("parameters", {})
        body = {"model": model, "input": {"action": action, **given}, "parameters": parameters}
        return await self.post(body, key=key)

    async def told(self, model: str, action: str, **given: Any) -> dict[str, Any]:
        said = await self.ask(model, action, **given)
        assert said.status_code == 200, said.text
        output: dict[str, Any] = said.json()["output"]
        return output

    async def refused(self, model: str, action: str, **given: Any) -> tuple[int, str, str]:
        said = await self.ask(model, action, **given)
        body = said.json()
        assert body["request_id"] == said.headers["x-request-id"]
        return said.status_code, body["code"], body["message"]

    async def clone(self, file: bytes = SPEECH, **more: Any) -> dict[str, Any]:
        given = {"target_model": VC, "preferred_name": "anna", "audio": {"data": data_uri(file)}}
        return await self.told(CLONING, "create", **{**given, **more})

    async def design(self, **more: Any) -> dict[str, Any]:
        given = {"target_model": VD, "voice_prompt": "A deep, slow voice.", "preview_text": PREVIEW}
        return await self.told(DESIGN, "create", **{**given, "language": "en", **more})

    async def cosy(self, url: str = data_uri(SPEECH), **more: Any) -> str:
        given = {"target_model": "cosyvoice-v3-flash", "prefix": "my", "url": url}
        output = await self.told(COSY, "create_voice", **{**given, **more})
        name: str = output["voice_id"]
        return name

    async def spoken(self, model: str, voice: str, path: str) -> httpx.Response:
        body = {"model": model, "input": {"text": "Hello.", "voice": voice}}
        return await self.post(body, f"/api/v1/services/{path}")


GENERATION = "aigc/multimodal-generation/generation"
SYNTHESIS = "audio/tts/SpeechSynthesizer"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    folder = tmp_path_factory.mktemp("voices")
    fetching = {"allowed_networks": ["127.0.0.0/8"]}
    async with (
        live_server(folder, fetching=fetching) as server,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", timeout=PATIENCE_S, trust_env=False
        ) as http,
    ):
        yield Client(server, http)


# --- cloning ---------------------------------------------------------------------------------------------------------


async def test_a_voice_is_cloned_from_a_data_uri_and_speaks(client: Client) -> None:
    said = await client.ask(
        CLONING,
        "create",
        target_model=VC,
        preferred_name="anna",
        audio={"data": data_uri(encoded_speech("mp3"), "audio/mpeg")},
    )
    body = said.json()
    assert said.status_code == 200, body
    assert body["usage"] == {"count": 1} and body["request_id"] == said.headers["x-request-id"]
    voice = body["output"]["voice"]
    assert re.fullmatch(r"qwen-tts-vc-anna-voice-\d{17}-[0-9a-f]{4}", voice)
    assert body["output"]["target_model"] == VC
    spoken = await client.spoken(VC, voice, GENERATION)
    assert spoken.status_code == 200, spoken.text


def encoded_speech(name: str) -> bytes:
    return written("mp3", "lame", RATE, speech(11.0, RATE)[np.newaxis]) if name == "mp3" else SPEECH


async def test_a_voice_is_cloned_from_an_address_and_speaks_cosyvoice(client: Client) -> None:
    async with serving({"/a.wav": answer(SPEECH, Content_Type="audio/wav")}) as (url, _):
        voice = await client.cosy(f"{url}/a.wav", language_hints=["zh"], max_prompt_audio_length=15.0)
    assert re.fullmatch(r"cosyvoice-v3-flash-my-[0-9a-f]{32}", voice)
    spoken = await client.spoken("cosyvoice-v3-flash", voice, SYNTHESIS)
    assert spoken.status_code == 200, spoken.text


async def test_a_clone_says_what_it_is_and_what_would_be_better(client: Client) -> None:
    output = await client.clone(wav(speech(5.0, RATE)), language="en")
    assert output["fallback_mode"] in ("voice_match", "nearest_voice")
    assert output["fallback_reason"] == "no_cloning_engine"
    assert output["warnings"] == ["There is little speech. 10 to 20 seconds give a better voice."]


@pytest.mark.parametrize(
    "model, file, status, code",
    [
        (CLONING, wav(np.zeros(5 * RATE, np.float32)), 400, "Audio.AudioSilentError"),
        (COSY, wav(np.zeros(5 * RATE, np.float32)), 430, "Audio.AudioSilentError"),
        (COSY, wav(speech(10, 8000), 8000), 430, "Audio.AudioRateError"),
        (COSY, encoded("flac")[:-100], 430, "Audio.DecoderError"),
        (COSY, wav(speech(4.0, RATE)), 400, "Audio.AudioShortError"),
        (CLONING, wav(speech(2.0, RATE)), 400, "Audio.AudioShortError"),
        (CLONING, wav(np.zeros(61 * RATE, np.float32)), 400, "Audio.DurationLimitError"),
        (CLONING, encoded("wav-16", 5.0), 400, "Audio.PreprocessError"),
        (COSY, b"<html>", 400, "BadRequest.UnsupportedFileFormat"),
    ],
)
async def test_a_recording_of_no_use_has_the_code_of_the_documents(
    client: Client, model: str, file: bytes, status: int, code: str
) -> None:
    source = data_uri(file)
    given: dict[str, Any] = {"target_model": VC, "preferred_name": "a", "audio": {"data": source}}
    if model == COSY:
        given = {"target_model": "cosyvoice-v2", "prefix": "a", "url": source}
    action = "create_voice" if model == COSY else "create"
    assert (await client.refused(model, action, **given))[:2] == (status, code)


async def test_a_recording_that_cannot_be_had_is_refused(client: Client) -> None:
    async with serving({}) as (url, _):
        missing = {"target_model": "cosyvoice-v2", "prefix": "a", "url": f"{url}/none.wav"}
        refusal = await client.refused(COSY, "create_voice", **missing)
    assert refusal[:2] == (400, "BadRequest.InputDownloadFailed")
    private = {**missing, "url": "http://10.0.0.1/a.wav"}
    assert (await client.refused(COSY, "create_voice", **private))[1] == "BadRequest.InputDownloadFailed"
    given: dict[str, Any] = {"target_model": VC, "preferred_name": "a", "audio": {"data": "a.wav"}}
    assert (await client.refused(CLONING, "create", **given))[1] == "InvalidParameter"


async def test_a_file_over_the_limit_is_not_decoded(client: Client) -> None:
    large = data_uri(bytes(client.server.settings.uploads.max_bytes + 1000))
    given = {"target_model": VC, "preferred_name": "a", "audio": {"data": large}}
    assert (await client.refused(CLONING, "create", **given))[:2] == (400, "Audio.FileSizeExceed")


@pytest.mark.parametrize(
    "model, action, target, code, taker",
    [
        (CLONING, "create", "qwen3-tts-flash", "InvalidParameter", VC),
        (CLONING, "create", VD, "InvalidParameter", VC),
        (CLONING, "create", "qwen3-tts-vc", "ModelNotFound", VC),
        (COSY, "create_voice", VC, "InvalidParameter", "cosyvoice-v3-flash"),
        (COSY, "create_voice", "sambert-zhichu-v1", "InvalidParameter", "cosyvoice-v3.5-plus"),
    ],
)
async def test_a_voice_is_made_only_for_a_model_that_takes_it(
    client: Client, model: str, action: str, target: str, code: str, taker: str
) -> None:
    given = {"target_model": target, "prefix": "a", "url": "x", "audio": {"data": "x"}}
    refusal = await client.refused(model, action, **given)
    assert refusal[1] == code
    assert taker in refusal[2]


# --- design ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["wav", "pcm", "mp3", "opus"])
async def test_a_voice_is_designed_and_heard_at_once(client: Client, container: str) -> None:
    output = await client.design(parameters={"sample_rate": 16000, "response_format": container})
    assert re.fullmatch(r"qwen-tts-vd-voice-voice-\d{17}-[0-9a-f]{4}", output["voice"])
    preview = output["preview_audio"]
    assert (preview["sample_rate"], preview["response_format"]) == (16000, container)
    file = base64.b64decode(preview["data"])
    if container == "wav":
        with wave.open(io.BytesIO(file)) as sound:
            assert sound.getframerate() == 16000
            assert sound.getnframes() * 2 + 44 == len(file) > 16000
    elif container == "pcm":
        assert len(file) > 16000
    else:
        assert decode(file, max_duration_s=60).duration_ms > 500
    spoken = await client.spoken(VD, output["voice"], GENERATION)
    assert spoken.status_code == 200, spoken.text


async def test_cosyvoice_designs_voices_too(client: Client) -> None:
    given = {
        "target_model": "cosyvoice-v3.5-plus",
        "prefix": "host",
        "voice_prompt": "温暖的女声",
        "preview_text": "大家好",
    }
    output = await client.told(COSY, "create_voice", **given)
    assert re.fullmatch(r"cosyvoice-v3\.5-plus-vd-host-[0-9a-f]{32}", output["voice_id"])
    assert output["preview_audio"]["response_format"] == "wav"
    refusal = await client.refused(COSY, "update_voice", voice_id=output["voice_id"], url=data_uri(SPEECH))
    assert refusal[0] == 400 and "designed" in refusal[2]


async def test_a_preview_of_nothing_is_refused_and_makes_no_voice(client: Client) -> None:
    given = {"target_model": VD, "voice_prompt": "deep", "preview_text": "…"}
    before = (await client.told(DESIGN, "list"))["total_count"]
    assert (await client.refused(DESIGN, "create", **given))[:2] == (400, "InvalidParameter")
    assert (await client.told(DESIGN, "list"))["total_count"] == before


# --- what there is ---------------------------------------------------------------------------------------------------


async def test_voices_are_listed_page_by_page_the_newest_first(client: Client) -> None:
    names = [(await client.design(preferred_name=f"n{number}"))["voice"] for number in range(3)]
    first = await client.told(DESIGN, "list", page_size=2)
    assert [entry["voice"] for entry in first["voice_list"]] == names[:0:-1]
    assert first["voice_list"][0]["voice_prompt"] == "A deep, slow voice."
    assert first["voice_list"][0]["language"] == "en"
    second = await client.told(DESIGN, "list", page_size=2, page_index=1)
    assert second["voice_list"][0]["voice"] == names[0]
    assert second["total_count"] == first["total_count"] >= 3


async def test_a_voice_is_queried_and_deleted_by_its_family_alone(client: Client) -> None:
    voice = (await client.design())["voice"]
    found = await client.told(DESIGN, "query", voice=voice)
    assert (found["voice"], found["target_model"], found["preview_text"]) == (voice, VD, PREVIEW)
    missing = (400, "BadRequest.VoiceNotFound", f"Voice '{voice}' not found.")
    assert await client.refused(CLONING, "query", voice=voice) == missing
    assert await client.refused(CLONING, "delete", voice=voice) == missing
    assert await client.told(DESIGN, "delete", voice=voice) == {"voice": voice}
    assert await client.refused(DESIGN, "delete", voice=voice) == missing
    assert (await client.refused(DESIGN, "query", voice="../../etc/passwd"))[1] == "BadRequest.VoiceNotFound"
    assert (await client.spoken(VD, voice, GENERATION)).status_code == 400


async def test_a_voice_of_cosyvoice_lives_and_is_updated_and_dies(client: Client) -> None:
    voice = await client.cosy(prefix="dora")
    page = await client.told(COSY, "list_voice", prefix="dora", page_size=10, page_index=0)
    assert [entry["voice_id"] for entry in page["voice_list"]] == [voice]
    assert page["voice_list"][0]["status"] == "OK"
    before = await client.told(COSY, "query_voice", voice_id=voice)
    updated = await client.ask(COSY, "update_voice", voice_id=voice, url=data_uri(SPEECH))
    assert updated.status_code == 200 and updated.json()["usage"] == {"count": 1}
    bad = await client.refused(COSY, "update_voice", voice_id=voice, url=data_uri(wav(speech(2.0, RATE))))
    assert bad[1] == "Audio.AudioShortError"
    after = await client.told(COSY, "query_voice", voice_id=voice)
    assert after["gmt_create"] == before["gmt_create"] <= after["gmt_modified"]
    assert after["status"] == "OK"
    assert await client.told(COSY, "delete_voice", voice_id=voice) == {}
    missing = (400, "BadRequest.ResourceNotExist", "The Required resource not exist.")
    for action in ("query_voice", "delete_voice"):
        assert await client.refused(COSY, action, voice_id=voice) == missing
    assert await client.refused(COSY, "update_voice", voice_id=voice, url="http://x") == missing


async def test_a_voice_speaks_with_its_own_model_only(client: Client) -> None:
    voice = (await client.clone())["voice"]
    assert (await client.spoken(VD, voice, GENERATION)).status_code == 400
    assert (await client.spoken("qwen3-tts-flash", voice, GENERATION)).status_code == 400


async def test_a_body_that_is_no_request_is_refused(client: Client) -> None:
    for body, code in (
        ({"input": {}}, "BadRequest.EmptyModel"),
        ({"model": CLONING}, "BadRequest.EmptyInput"),
        ({"model": "x", "input": {"action": "create"}}, "ModelNotFound"),
    ):
        said = await client.post(body)
        assert said.json()["code"] == code, said.text


async def test_a_log_has_neither_the_words_nor_the_name_of_a_voice(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    voice = (await client.design(voice_prompt="Secretly deep."))["voice"]
    await client.refused(DESIGN, "create", target_model=VD, voice_prompt="Secretly deep.", preview_text="…")
    assert "Secretly" not in caplog.text and voice not in caplog.text
