"""Runs in an environment that has an official SDK (or ours): one call over HTTP, what the caller saw as JSON.

    python generation_driver.py MODULE SCENARIO BASE_URL KEY

MODULE is ``dashscope`` or ``saystream.sdk``; BASE_URL ends in ``/api/v1``. The audio of a link is fetched here.
"""

import asyncio
import base64
import importlib
import json
import sys
import urllib.request
import warnings
from collections.abc import Iterable
from typing import Any

MODULE, SCENARIO, URL, KEY = sys.argv[1:5]
dashscope: Any = importlib.import_module(MODULE)
qwen_tts: Any = importlib.import_module(MODULE + ".audio.qwen_tts")
dashscope.base_http_api_url = URL
dashscope.api_key = KEY

TEXT = "The first sentence is here, and it is long enough. The second sentence follows it."
SPEECH = {"model": "qwen3-tts-flash", "text": TEXT, "voice": "Cherry"}


def fetched(url: str) -> bytes:
    # Without a proxy from the environment: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=60) as answer:
        content: bytes = answer.read()
    return content


def seen(answers: Iterable[Any]) -> dict[str, Any]:
    """What a program looks at, by attribute and by key."""
    responses = list(answers)
    last = responses[-1]
    result: dict[str, Any] = {
        "count": len(responses),
        "status": [last.status_code, last["status_code"]],
        "code": last.code or "",
        "message": last.message,
        "has_request_id": bool(last.request_id),
        "request_ids": len({response.request_id for response in responses}),
        "output": None,
    }
    if last.status_code == 200:
        stream = b"".join(base64.b64decode(part.output.audio["data"]) for part in responses)
        audio = last.output["audio"]
        file = fetched(audio["url"])
        result.update(
            output={
                "finish_reasons": sorted({response.output.finish_reason for response in responses}),
                "keys": sorted(last.output),
                "audio_keys": sorted(audio),
                "id_is_of_request": audio["id"] == "audio_" + last.request_id,
                "expires_at": audio["expires_at"],
            },
            usage=dict(last.usage),
            stream_head=stream[:4].decode("latin-1"),
            samples_equal=stream[44:] == file[44:] if stream else None,
            file_head=file[:4].decode("latin-1"),
            file_bytes=len(file),
            sizes_right=int.from_bytes(file[40:44], "little") == len(file) - 44,
            printed=json.loads(str(last)).keys() >= {"status_code", "request_id", "output", "usage"},
        )
    return result


def plain() -> dict[str, Any]:
    response = dashscope.MultiModalConversation.call(**SPEECH, language_type="English")
    audio = response.output.audio
    same = audio.url == audio["url"] and audio.expires_at == response["output"]["audio"]["expires_at"]
    return {**seen([response]), "attributes_are_keys": same}


def streamed() -> dict[str, Any]:
    return seen(dashscope.MultiModalConversation.call(**SPEECH, stream=True))


def instructed() -> dict[str, Any]:
    return seen(
        [
            dashscope.MultiModalConversation.call(
                **{**SPEECH, "model": "qwen3-tts-instruct-flash"},
                instructions="Speak fast.",
                optimize_instructions=True,
                workspace="ws-demo",
            )
        ]
    )


def older_name() -> dict[str, Any]:
    return seen([qwen_tts.SpeechSynthesizer.call(**{**SPEECH, "model": "qwen-tts"}, language_type="English")])


def older_name_streamed() -> dict[str, Any]:
    return seen(qwen_tts.SpeechSynthesizer.call(**{**SPEECH, "model": "qwen-tts"}, stream=True))


def asynchronous() -> dict[str, Any]:
    return seen([asyncio.run(dashscope.AioMultiModalConversation.call(**SPEECH))])


def asynchronous_streamed() -> dict[str, Any]:
    async def collect() -> list[Any]:
        stream = await dashscope.AioMultiModalConversation.call(**SPEECH, stream=True)
        return [response async for response in stream]

    return seen(asyncio.run(collect()))


def plain_refused() -> dict[str, Any]:
    return seen([dashscope.MultiModalConversation.call(**SPEECH)])


def streamed_refused() -> dict[str, Any]:
    return seen(dashscope.MultiModalConversation.call(**SPEECH, stream=True))


def bad_voice() -> dict[str, Any]:
    return seen([dashscope.MultiModalConversation.call(**{**SPEECH, "voice": "Chery"})])


def bad_voice_streamed() -> dict[str, Any]:
    return seen(dashscope.MultiModalConversation.call(**{**SPEECH, "voice": "Chery"}, stream=True))


def bad_model() -> dict[str, Any]:
    return seen([dashscope.MultiModalConversation.call(**{**SPEECH, "model": "qwen9"})])


def no_voice() -> dict[str, Any]:
    return seen([qwen_tts.SpeechSynthesizer.call(model="qwen-tts", text=TEXT)])


def too_long() -> dict[str, Any]:
    return seen([dashscope.MultiModalConversation.call(**{**SPEECH, "text": "x" * 601})])


def fault_in_the_stream() -> dict[str, Any]:
    responses = list(dashscope.MultiModalConversation.call(**SPEECH, stream=True))
    return {**seen(responses), "statuses": [response.status_code for response in responses]}


def _client(**options: Any) -> Any:
    warnings.simplefilter("ignore")
    return dashscope.Client(api_key=KEY, base_url=URL, **options)


def second_client() -> dict[str, Any]:
    http = _client().audio.tts.http
    whole = http.synthesize(TEXT, model="qwen3-tts-flash", voice="Cherry", language_type="English")
    parts = list(http.stream(TEXT, model="qwen3-tts-flash", voice="Cherry"))
    stream = b"".join(base64.b64decode(part.output["audio"]["data"]) for part in parts)
    file = fetched(parts[-1].output["audio"]["url"])
    return {
        "status": whole.status_code,
        "request_id_is_the_headers": whole.request_id == whole.headers["x-request-id"],
        "usage": dict(whole.usage),
        "file_bytes": len(fetched(whole.output["audio"]["url"])),
        "finish_reasons": [part.output["finish_reason"] for part in parts],
        "samples_equal": stream[44:] == file[44:] and len(file) > 100_000,
    }


def second_client_errors() -> dict[str, Any]:
    results: dict[str, Any] = {}
    for name, options in {
        "bad_voice": {"model": "qwen3-tts-flash", "voice": "Chery"},
        "bad_model": {"model": "qwen9", "voice": "Cherry"},
    }.items():
        try:
            _client(max_retries=0).audio.tts.http.synthesize(TEXT, **options)
        except Exception as error:
            results[name] = [type(error).__name__, str(error)]
    return results


print(json.dumps(globals()[SCENARIO]()))
