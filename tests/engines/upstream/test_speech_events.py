import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.upstream.speech_events import MAX_EVENT_BYTES, SpeechEvents, SpeechFailed
from saystream.errors import EngineOutputInvalid

from .fake_server import DONE, delta, failed_event
from .test_sound import cut


@given(st.lists(st.binary(max_size=9), max_size=5), st.lists(st.integers(0, 2000), max_size=8))
def test_audio_does_not_depend_on_where_the_stream_is_cut(audio: list[bytes], cuts: list[int]) -> None:
    events = SpeechEvents()
    stream = b"".join(map(delta, audio)) + DONE
    assert [part for piece in cut(stream, cuts) for part in events.push(piece)] == audio
    assert events.done


def test_the_recorded_events_of_vllm_omni_are_read() -> None:
    events = SpeechEvents()
    recorded = (
        b'event: speech.audio.delta\ndata: {"type":"speech.audio.delta","audio":"AAABAA==","response_format":"pcm"}\n\n'
        b'event: speech.audio.error\ndata: {"type":"speech.audio.error","error":{"message":"Engine died","type":'
        b'"server_error","param":null,"code":500,"partial_audio":true,"action":"discard"}}\n\n'
    )
    assert events.push(recorded) == [b"\0\0\1\0", SpeechFailed("Engine died", 500)]
    assert not events.done


def test_the_error_of_a_server_of_ours_is_read() -> None:
    body = {
        "type": "error",
        "error": {"message": "no", "type": "server_error", "param": None, "code": "engine_failed"},
    }
    assert SpeechEvents().push(f"data: {json.dumps(body)}\n\n".encode()) == [SpeechFailed("no", None)]


def test_an_error_without_words_is_one_all_the_same() -> None:
    assert SpeechEvents().push(b'data: {"type":"error"}\n\n') == [SpeechFailed("", None)]


def test_comments_and_events_that_are_yet_to_come_are_passed_over() -> None:
    events = SpeechEvents()
    assert events.push(b': ping\n\ndata: {"type":"speech.audio.timestamps"}\n\n') == []
    assert not events.done


def test_nothing_counts_after_the_end() -> None:
    events = SpeechEvents()
    assert events.push(DONE + delta(b"12") + failed_event()) == []


def test_the_end_of_a_chat_stream_is_an_end_too() -> None:
    events = SpeechEvents()
    assert events.push(b"data: [DONE]\n\n") == []
    assert events.done


@pytest.mark.parametrize(
    "stream",
    [
        b"data: {broken\n\n",
        b"data: [1]\n\n",
        b"data: {}\n\n",
        b'data: {"type":"speech.audio.delta","audio":"***"}\n\n',
        b'data: {"type":"speech.audio.delta","audio":7}\n\n',
        b"data: \xff\n\n",
        b'data: {"type":' + b"[" * 100_000 + b"\n\n",
    ],
)
def test_what_is_no_such_event_is_a_fault(stream: bytes) -> None:
    with pytest.raises(EngineOutputInvalid):
        SpeechEvents().push(stream)


def test_an_event_without_an_end_is_not_kept() -> None:
    events = SpeechEvents()
    with pytest.raises(EngineOutputInvalid, match=str(MAX_EVENT_BYTES)):
        events.push(b"data: " + b"A" * MAX_EVENT_BYTES)
