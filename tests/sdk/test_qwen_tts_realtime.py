from __future__ import annotations

import inspect
import logging
import re
import threading
import time
from typing import Any

import pytest

from client.doubles import serving, spoken
from saystream import sdk
from saystream.errors import InvalidValue
from saystream.sdk.audio import qwen_tts_realtime
from saystream.sdk.audio.qwen_tts_realtime import AudioFormat, QwenTtsRealtime, QwenTtsRealtimeCallback
from saystream.sdk.common.error import ModelRequired

from .recording import MODEL, WAIT_S, made, wait_for, wired

OFFICIAL_SIGNATURES = {
    "__init__": "model, headers=None, callback=None, workspace=None, url=None, additional_params=None",
    "connect": "",
    "update_session": (
        "voice, response_format=pcm16, mode='server_commit', sample_rate=None, volume=None, speech_rate=None,"
        " audio_format=None, pitch_rate=None, bit_rate=None, language_type=None, enable_tn=None,"
        " instructions=None, optimize_instructions=None, **kwargs"
    ),
    "append_text": "text",
    "commit": "",
    "clear_appended_text": "",
    "cancel_response": "",
    "send_raw": "raw_data",
    "finish": "",
    "close": "",
    "get_session_id": "",
    "get_last_message": "",
    "get_last_response_id": "",
    "get_first_audio_delay": "",
}
"""Recorded from the official package, the same in 1.25.11 and 2.0.2, without annotations."""
OFFICIAL_CALLBACK_SIGNATURES = {
    "on_open": "",
    "on_close": "close_status_code, close_msg",
    "on_event": "message",
}


def parameters(function: Any) -> str:
    signature = inspect.signature(function)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in signature.parameters.items()
        if name != "self"
    ]
    return str(inspect.Signature(bare)).strip("()")


# --- shape ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OFFICIAL_SIGNATURES)
def test_every_method_has_the_official_signature(name: str) -> None:
    assert parameters(getattr(QwenTtsRealtime, name)) == OFFICIAL_SIGNATURES[name]


@pytest.mark.parametrize("name", OFFICIAL_CALLBACK_SIGNATURES)
def test_every_callback_has_the_official_signature(name: str) -> None:
    assert parameters(getattr(QwenTtsRealtimeCallback, name)) == OFFICIAL_CALLBACK_SIGNATURES[name]


def test_the_module_exports_the_official_names() -> None:
    assert sorted(qwen_tts_realtime.__all__) == ["AudioFormat", "QwenTtsRealtime", "QwenTtsRealtimeCallback"]


def test_the_audio_format_is_the_official_one() -> None:
    pcm = AudioFormat.PCM_24000HZ_MONO_16BIT
    assert list(AudioFormat) == [pcm]
    assert pcm.value == ("pcm", 24000, "mono", "16bit", "pcm16")
    assert (pcm.format, pcm.sample_rate, pcm.channels, pcm.bit_rate, pcm.format_str) == pcm.value
    assert repr(pcm) == "pcm16"
    assert str(pcm) == "PCM with 24000Hz sample rate, mono channel, 16bit bit rate:  pcm16"


def test_an_object_has_the_official_attributes_before_it_is_connected() -> None:
    tts = QwenTtsRealtime(MODEL)
    assert (tts.model, tts.config, tts.ws, tts.apikey) == (MODEL, {}, None, None)
    assert (tts.session_id, tts.last_message, tts.last_response_id) == (None, None, None)
    assert tts.get_first_audio_delay() is None


def test_a_missing_model_is_refused() -> None:
    with pytest.raises(ModelRequired, match="Model is required!"):
        QwenTtsRealtime(None)


# --- where it connects to, and with what ----------------------------------------------------------------


def test_the_url_is_ours_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "base_websocket_api_url", "wss://speech.example/api-ws/v1/inference")
    assert QwenTtsRealtime("m").url == "wss://speech.example/api-ws/v1/realtime?model=m"


def test_the_path_of_a_given_url_is_the_callers_and_the_model_is_escaped() -> None:
    assert QwenTtsRealtime("a&b", url="ws://host/own?x=1").url == "ws://host/own?x=1&model=a%26b"


def test_a_url_that_cannot_work_is_refused_when_the_object_is_made() -> None:
    with pytest.raises(InvalidValue):
        QwenTtsRealtime("m", url="https://host")


def test_key_headers_and_workspace_go_into_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "api_key", "sk-test")
    with serving() as server:
        tts, _ = made(server.url, headers={"X-Custom": "1", "user-agent": "mine"}, workspace="ws-demo")
        tts.connect()
        tts.close()
    headers = server.requests[0].headers
    assert headers["Authorization"] == "Bearer sk-test"
    assert (headers["X-Custom"], headers["User-Agent"]) == ("1", "mine")
    assert headers["X-DashScope-WorkSpace"] == "ws-demo"


def test_without_a_key_the_handshake_has_none(server_url: str) -> None:
    with serving() as server:
        tts, _ = made(server.url)
        tts.connect()
        tts.close()
    assert "Authorization" not in server.requests[0].headers


def test_the_key_is_read_when_the_object_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "api_key", "first")
    tts = QwenTtsRealtime(MODEL)
    monkeypatch.setattr(sdk, "api_key", "second")
    assert tts.apikey == "first"


# --- a whole session ------------------------------------------------------------------------------------


def test_a_session_in_server_commit_mode(server_url: str) -> None:
    tts, recorder = made(server_url)
    tts.connect()
    assert tts.get_session_id() == "sess_1"
    tts.update_session(voice="Cherry")
    tts.append_text("你好")
    tts.append_text(" world.")
    tts.finish()
    assert recorder.closed.wait(WAIT_S)
    assert recorder.audio() == spoken("你好 world.")
    assert [call for call in recorder.calls if call != ("response.audio.delta",)] == [
        ("session.created",),
        ("on_open",),
        ("session.updated",),
        ("input_text_buffer.committed",),
        ("response.created",),
        ("response.output_item.added",),
        ("response.content_part.added",),
        ("response.audio.done",),
        ("response.content_part.done",),
        ("response.output_item.done",),
        ("response.done",),
        ("session.finished",),
        ("on_close", 1000, None),
    ]
    assert tts.get_last_message() == recorder.events[-1]
    assert tts.get_last_response_id() == "resp_1"


def test_callbacks_run_on_the_thread_of_the_sdk_but_on_open_on_the_callers(server_url: str) -> None:
    tts, recorder = made(server_url)
    tts.connect()
    tts.finish()
    assert recorder.closed.wait(WAIT_S)
    assert recorder.threads["on_open"] == {threading.current_thread()}
    assert recorder.threads["on_event"] == recorder.threads["on_close"]
    (thread,) = recorder.threads["on_event"]
    assert thread.daemon


def test_ids_are_known_only_after_their_event_was_handled(server_url: str) -> None:
    tts, recorder = made(server_url)
    tts.connect()
    tts.update_session(voice="Cherry", mode="commit")
    for text in ("one", "two"):
        tts.append_text(text)
        tts.commit()
    tts.finish()
    assert recorder.closed.wait(WAIT_S)
    watched = [
        seen for seen in recorder.seen if seen[0] in ("session.created", "response.created", "response.done")
    ]
    assert watched == [
        ("session.created", None, None),
        ("response.created", "sess_1", None),
        ("response.done", "sess_1", "resp_1"),
        ("response.created", "sess_1", "resp_1"),
        ("response.done", "sess_1", "resp_2"),
    ]


def test_the_first_audio_delay_is_measured_once(server_url: str) -> None:
    tts, recorder = made(server_url)
    before_s = time.monotonic()
    tts.connect()
    tts.update_session(voice="Cherry", mode="commit")
    assert tts.get_first_audio_delay() is None
    tts.append_text("one")
    tts.commit()
    wait_for(lambda: tts.get_first_audio_delay() is not None)
    first = tts.get_first_audio_delay()
    assert first is not None and 0 < first < (time.monotonic() - before_s) * 1000
    tts.append_text("two")
    tts.commit()
    tts.finish()
    assert recorder.closed.wait(WAIT_S)
    assert tts.get_first_audio_delay() == first


def test_an_error_event_is_handed_on_and_the_session_lives(server_url: str) -> None:
    tts, recorder = made(server_url)
    tts.connect()
    tts.update_session(voice="Nobody")
    assert recorder.finished.wait(WAIT_S)
    recorder.finished.clear()
    assert recorder.events[-1]["error"]["param"] == "session.voice"
    tts.append_text("still here")
    tts.finish()
    assert recorder.closed.wait(WAIT_S)
    assert recorder.audio() == spoken("still here")


# --- the wire -------------------------------------------------------------------------------------------


def masked(frames: list[str]) -> list[str]:
    return [re.sub(r"event_[0-9a-f]{32}", "event_<32hex>", frame) for frame in frames]


def test_every_call_sends_the_official_bytes() -> None:
    tts, _, transport = wired()
    tts.update_session("Cherry")
    tts.update_session(
        voice="Cherry",
        mode="commit",
        audio_format="mp3",
        sample_rate=16000,
        volume=60,
        speech_rate=1.2,
        pitch_rate=0.9,
        bit_rate=64,
        enable_tn=True,
        language_type="English",
        instructions="Speak fast",
        optimize_instructions=True,
        custom_key={"a": 1},
    )
    tts.append_text("你好")
    tts.commit()
    tts.clear_appended_text()
    tts.cancel_response()
    tts.send_raw('{"type":"custom.raw"}')
    tts.finish()
    head = '{"event_id": "event_<32hex>", "type": '
    assert masked(transport.sent) == [
        head + '"session.update", "session": {"voice": "Cherry", "mode": "server_commit",'
        ' "response_format": "pcm", "sample_rate": 24000}}',
        head + '"session.update", "session": {"voice": "Cherry", "mode": "commit", "response_format": "mp3",'
        ' "sample_rate": 16000, "volume": 60, "speech_rate": 1.2, "pitch_rate": 0.9, "bit_rate": 64,'
        ' "enable_tn": true, "language_type": "English", "instructions": "Speak fast",'
        ' "optimize_instructions": true, "custom_key": {"a": 1}}}',
        head + '"input_text_buffer.append", "text": "\\u4f60\\u597d"}',
        head + '"input_text_buffer.commit"}',
        head + '"input_text_buffer.clear"}',
        head + '"response.cancel"}',
        '{"type":"custom.raw"}',
        head + '"session.finish"}',
    ]
    assert tts.config["custom_key"] == {"a": 1}
    tts.close()


@pytest.mark.parametrize("odd", [b"\x00\x01", "not json", "[1]", '"text"', '{"type": "\\ud800"}'])
def test_a_frame_that_is_no_event_is_logged_and_left_out(
    odd: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    tts, recorder, transport = wired()
    transport.frames.put(odd)
    transport.frames.put('{"type": "session.finished"}')
    assert recorder.finished.wait(WAIT_S)
    assert recorder.calls == [("session.created",), ("on_open",), ("session.finished",)]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    tts.close()


def test_an_event_of_an_unknown_type_is_handed_on() -> None:
    tts, recorder, transport = wired()
    transport.frames.put('{"type": "something.new", "x": 1}')
    transport.frames.put('{"type": "session.finished"}')
    assert recorder.finished.wait(WAIT_S)
    assert recorder.events[1] == {"type": "something.new", "x": 1}
    tts.close()


def test_a_callback_that_raises_does_not_end_the_session(caplog: pytest.LogCaptureFixture) -> None:
    tts, recorder, transport = wired()
    transport.frames.put('{"no type": 1}')  # the recorder itself trips over this one
    transport.frames.put('{"type": "session.finished"}')
    assert recorder.finished.wait(WAIT_S)
    assert "on_event failed" in caplog.text
    tts.close()
