"""Runs in an environment that has OpenAI's SDK: everything a program does with speech, what it saw as JSON.

    python openai_driver.py BASE_URL KEY FOLDER

Audio goes to files in FOLDER, named by their format.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import openai

BASE_URL, KEY, FOLDER = sys.argv[1], sys.argv[2], Path(sys.argv[3])
INPUT = "The first sentence is here. The second sentence follows it."

client = openai.OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, timeout=90)
seen: dict[str, Any] = {"content_types": {}, "chunks": {}, "errors": {}}


def speech(**options: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": INPUT, **options}


for name in ("mp3", "opus", "aac", "flac", "wav", "pcm"):
    try:
        answer = client.audio.speech.create(**speech(response_format=name))
    except openai.BadRequestError as error:
        seen["errors"][name] = error.body
        continue
    (FOLDER / name).write_bytes(answer.read())
    seen["content_types"][name] = answer.response.headers["content-type"]

for speed in (0.25, 0.5, 2.0, 4.0):
    answer = client.audio.speech.create(**speech(response_format="pcm", speed=speed))
    (FOLDER / f"speed-{speed}").write_bytes(answer.read())

with client.audio.speech.with_streaming_response.create(**speech(response_format="pcm")) as answer:
    with open(FOLDER / "streamed.pcm", "wb") as file:
        seen["chunks"]["audio"] = sum(1 for chunk in answer.iter_bytes() if file.write(chunk))

with client.audio.speech.with_streaming_response.create(
    **speech(response_format="pcm", stream_format="sse")
) as answer:
    events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
seen["content_types"]["sse"] = answer.headers["content-type"]
seen["events"] = [event["type"] for event in events]
seen["usage"] = events[-1]["usage"]
deltas = [event["audio"] for event in events if event["type"] == "speech.audio.delta"]
(FOLDER / "events.pcm").write_bytes(b"".join(map(base64.b64decode, deltas)))

refused: dict[str, dict[str, Any]] = {
    "model": {"model": "no-such-model"},
    "voice": {"voice": "nobody"},
    "long": {"input": "a" * 4097},
    "empty": {"input": ""},
    "speed": {"speed": 9.0},
}
for case, options in refused.items():
    try:
        client.audio.speech.create(**speech(**options))
    except openai.APIStatusError as error:
        seen["errors"][case] = [type(error).__name__, error.code, error.param, error.request_id]
try:
    openai.OpenAI(base_url=BASE_URL, api_key="sk-wrong", max_retries=0).models.list()
except openai.AuthenticationError as error:
    seen["errors"]["key"] = [type(error).__name__, error.code, error.param, error.request_id]

seen["models"] = [model.id for model in client.models.list()]
seen["model"] = client.models.retrieve("tts-1").id
print(json.dumps(seen))
