"""Events of OpenAI's speech interface, as OpenAI frames them."""

from __future__ import annotations

import json

from saystream.errors import InvalidValue
from saystream.protocol.http.openai import (
    SpeechAudioDone,
    SpeechError,
    SpeechUsage,
    audio_delta,
    encode_event,
    error_body,
)


def test_events_are_framed_as_openai_frames_them() -> None:
    assert encode_event(audio_delta(b"\0\1")) == b'data: {"type":"speech.audio.delta","audio":"AAE="}\n\n'
    done = json.loads(encode_event(SpeechAudioDone(SpeechUsage(1, 2, 3)))[6:])
    assert done == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    }
    error = json.loads(encode_event(SpeechError(error_body(InvalidValue("voice", "a", ["b"])).error))[6:])
    assert (error["type"], error["error"]["param"]) == ("error", "voice")
