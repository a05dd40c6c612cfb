from __future__ import annotations

import json
from typing import Any

import pytest

from saystream.errors import InvalidRequest, MissingInput, MissingModel
from saystream.protocol.http.speech_synthesizer import (
    Sentence,
    SynthesisAnswer,
    SynthesisOutput,
    audio_body,
    decode_synthesis,
)

MODEL = "cosyvoice-v3-flash"


def body(**given: Any) -> bytes:
    return json.dumps({"model": MODEL, "input": given}).encode()


def test_the_parameters_stand_beside_the_text() -> None:
    wanted = decode_synthesis(
        body(text="Hello.", voice="longanyang", format="wav", sample_rate=24000.0, odd=1)
    )
    assert (wanted.model, wanted.text) == (MODEL, "Hello.")
    parameters = wanted.parameters
    assert (parameters.voice, parameters.format, parameters.sample_rate) == ("longanyang", "wav", 24000)
    assert parameters.unknown_fields == ("input.odd",)


@pytest.mark.parametrize(
    ("content", "error", "param"),
    [
        (b"{}", MissingModel, "model"),
        (b'{"model": 1}', InvalidRequest, "model"),
        (b'{"model": "m"}', MissingInput, "input"),
        (b'{"model": "m", "input": []}', InvalidRequest, "input"),
        (body(voice="v"), InvalidRequest, "input.text"),
        (body(text=["Hello."], voice="v"), InvalidRequest, "input.text"),
        (body(text="Hello."), InvalidRequest, "input.voice"),
        (body(text="Hello.", voice="v", rate=9), InvalidRequest, "input.rate"),
    ],
)
def test_what_is_missing_or_wrong_is_named(content: bytes, error: type[InvalidRequest], param: str) -> None:
    with pytest.raises(error) as caught:
        decode_synthesis(content)
    assert caught.value.param == param


def test_answers_hold_what_they_tell_of_and_nothing_else() -> None:
    begun = SynthesisOutput(type="sentence-begin", original_text="Hello.", sentence=Sentence(index=0))
    assert json.loads(SynthesisAnswer(output=begun, request_id="r").encode()) == {
        "output": {
            "type": "sentence-begin",
            "original_text": "Hello.",
            "sentence": {"index": 0, "words": []},
            "finish_reason": "null",
        },
        "request_id": "r",
    }
    audio = audio_body(b"abc", request_id="r", expires_at=7, url="http://a/b")
    ended = SynthesisOutput(finish_reason="stop", audio=audio)
    assert json.loads(SynthesisAnswer(output=ended, request_id="r").encode()) == {
        "output": {
            "finish_reason": "stop",
            "audio": {"data": "YWJj", "expires_at": 7, "id": "audio_r", "url": "http://a/b"},
        },
        "request_id": "r",
    }
