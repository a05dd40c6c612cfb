"""Bodies of requests: a request or a documented error, which never quotes the text to speak."""

from __future__ import annotations

import msgspec

from fuzzing.reading import Reader
from saystream.errors import InvalidRequest
from saystream.protocol.http.errors import DashScopeError
from saystream.protocol.http.generation import GenerationRequest, decode_request
from saystream.protocol.http.openai import error_body
from saystream.protocol.http.speech_request import SpeechRequest, decode_speech_request
from saystream.protocol.json import decode_body_object

MAX_BYTES = 2048
DICTIONARY = "bodies"


def one(data: bytes) -> None:
    reader = Reader(data)
    decode = reader.choice((decode_request, _decode_speech))
    body = reader.rest()
    try:
        request = decode(body)
    except InvalidRequest as refusal:
        assert len(refusal.message) < 1000, "an error does not echo a body"
        assert len(refusal.param or "") < 100
        assert decode_body_object(_encoded(refusal))
        return
    assert isinstance(request, GenerationRequest | SpeechRequest)
    assert isinstance(request.model, str)


def _decode_speech(body: bytes) -> SpeechRequest:
    return decode_speech_request(body)[0]


def _encoded(refusal: InvalidRequest) -> bytes:
    """Doors send it in one of two forms."""
    msgspec.json.encode(DashScopeError(refusal.http_code, refusal.message, "id"))
    return msgspec.json.encode(error_body(refusal))
