"""Runs in an environment that has an official SDK: voices are made, used and deleted; what the caller saw as JSON.

    python customization_driver.py URL RECORDING

``RECORDING`` is the path of a file with an MP3 file as a data URI.
"""

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

dashscope: Any = importlib.import_module("dashscope")
tts_v2: Any = importlib.import_module("dashscope.audio.tts_v2")

URL, RECORDING = sys.argv[1], Path(sys.argv[2]).read_text()
MODEL, DESIGNED = "cosyvoice-v3-flash", "qwen3-tts-vd-2026-01-26"

dashscope.api_key = "sk-any"
dashscope.base_http_api_url = URL.replace("ws://", "http://") + "/api/v1"
dashscope.base_websocket_api_url = URL + "/api-ws/v1/inference"


def raised(call: Any) -> list[Any]:
    try:
        call()
    except Exception as error:
        return [type(error).__name__, getattr(error, "_code", None) or getattr(error, "code", None)]
    return []


def service() -> dict[str, Any]:
    voices = tts_v2.VoiceEnrollmentService()
    seen: dict[str, Any] = {}
    voice = voices.create_voice(target_model=MODEL, prefix="sdk", url=RECORDING)
    seen["created"] = voice
    seen["request_id"] = bool(voices.get_last_request_id())
    seen["listed"] = [
        entry["voice_id"] for entry in voices.list_voices(prefix="sdk", page_index=0, page_size=10)
    ]
    seen["status"] = voices.query_voice(voice)["status"]
    synthesizer = tts_v2.SpeechSynthesizer(model=MODEL, voice=voice)
    seen["audio_bytes"] = len(synthesizer.call("Hello there, it is me.", timeout_millis=30_000))
    seen["updated"] = voices.update_voice(voice, RECORDING)
    seen["deleted"] = voices.delete_voice(voice)
    seen["gone"] = raised(lambda: voices.query_voice(voice))
    seen["silent"] = raised(lambda: voices.create_voice(MODEL, "sdk", "data:audio/wav;base64,AAAA"))
    return seen


def second_client() -> dict[str, Any]:
    client = dashscope.Client(api_key="sk-any", base_url=URL.replace("ws://", "http://") + "/api/v1")
    voices, designs = client.audio.voices, client.audio.voice_design
    seen: dict[str, Any] = {}
    voice = voices.create(target_model=MODEL, prefix="new", url=RECORDING, language_hints=["en"]).voice_id
    seen["created"] = voice
    seen["listed"] = [entry["voice_id"] for entry in voices.list(prefix="new").voices]
    seen["status"] = voices.get(voice).status
    voices.update(voice, url=RECORDING)
    voices.delete(voice)
    seen["gone"] = raised(lambda: voices.get(voice))
    design = designs.create(
        target_model=DESIGNED,
        voice_prompt="A calm, deep voice.",
        preview_text="Good evening, dear listeners.",
        language="en",
        parameters={"sample_rate": 24000, "response_format": "wav"},
    )
    seen["designed"] = design.voice
    seen["preview"] = [design.preview_audio["response_format"], len(design.preview_audio["data"])]
    seen["designs"] = [entry["voice"] for entry in designs.list().voices]
    seen["target"] = designs.get(design.voice).target_model
    designs.delete(design.voice)
    seen["design_gone"] = raised(lambda: designs.get(design.voice))
    return seen


warnings.simplefilter("ignore")
result = {"service": service()}
if hasattr(dashscope, "Client"):
    result["second_client"] = second_client()
print(json.dumps(result))
