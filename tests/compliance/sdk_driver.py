"""Runs in an environment that has an official SDK (or ours): one scenario, what the caller saw as JSON.

    python sdk_driver.py MODULE SCENARIO URL KEY

MODULE is ``dashscope`` or ``saystream.sdk``. Only what both SDK versions document is used.
"""

import base64
import hashlib
import importlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any

MODULE, SCENARIO, URL, KEY = sys.argv[1:5]
dashscope: Any = importlib.import_module(MODULE)
realtime: Any = importlib.import_module(MODULE + ".audio.qwen_tts_realtime")
dashscope.api_key = KEY

SENTENCE = "The first sentence is here, and it is long enough. The second sentence follows it."


class Recorder(realtime.QwenTtsRealtimeCallback):  # type: ignore[misc]  # which SDK it is, is seen at run time
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.errors: list[dict[str, Any]] = []
        self.audio = b""
        self.changed = threading.Condition()
        self.closed: list[Any] | None = None

    def note(self, what: str) -> None:
        with self.changed:
            self.seen.append(what)
            self.changed.notify_all()

    def on_open(self) -> None:
        self.note("on_open")

    def on_close(self, close_status_code: int | None, close_msg: str | None) -> None:
        self.closed = [close_status_code, close_msg]
        self.note("on_close")

    def on_event(self, message: Any) -> None:
        if message["type"] == "response.audio.delta":
            self.audio += base64.b64decode(message["delta"])
        if message["type"] == "error":
            self.errors.append(message["error"])
        self.note(message["type"])

    def wait_for(self, what: str, count: int = 1, timeout: float = 50) -> None:
        deadline = time.monotonic() + timeout
        with self.changed:
            while self.seen.count(what) < count:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise SystemExit(f"no {what} within {timeout} s; seen: {self.seen}")
                self.changed.wait(left)


def client(
    model: str = "qwen3-tts-flash-realtime", recorder: Recorder | None = None, **kwargs: Any
) -> tuple[Any, Recorder]:
    recorder = recorder or Recorder()
    return realtime.QwenTtsRealtime(model=model, callback=recorder, url=URL, **kwargs), recorder


def server_commit() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client()
    tts.connect()
    tts.update_session(voice="Cherry")
    seen.wait_for("session.updated")
    for word in SENTENCE.split(" "):
        tts.append_text(word + " ")
    tts.finish()
    seen.wait_for("session.finished")
    tts.close()
    return seen, {"getters": [tts.get_session_id(), tts.get_last_response_id(), tts.get_first_audio_delay()]}


def dripped() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client()
    tts.connect()
    tts.update_session(voice="Cherry")
    seen.wait_for("session.updated")
    first, second = SENTENCE.split(". ")
    for word in (first + ".").split(" "):
        tts.append_text(word + " ")
    tts.append_text(second.split(" ")[0])
    seen.wait_for("response.audio.delta")
    before = len(seen.audio)
    for word in second.split(" ")[1:]:
        tts.append_text(" " + word)
    tts.finish()
    seen.wait_for("session.finished")
    tts.close()
    return seen, {"audio_bytes_before_the_last_text": before}


def commit() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client()
    tts.connect()
    tts.update_session(voice="Ethan", mode="commit")
    for number in (1, 2):
        tts.append_text(SENTENCE)
        tts.commit()
        seen.wait_for("response.done", number)
    tts.finish()
    seen.wait_for("session.finished")
    return seen, {}


def every_parameter() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client("qwen3-tts-instruct-flash-realtime", headers={"X-Custom": "1"}, workspace="ws-demo")
    tts.connect()
    tts.update_session(
        voice="Cherry",
        response_format=realtime.AudioFormat.PCM_24000HZ_MONO_16BIT,
        mode="commit",
        sample_rate=16000,
        volume=50,
        speech_rate=1.0,
        audio_format="wav",
        pitch_rate=1.0,
        bit_rate=128,
        language_type="English",
        enable_tn=True,
        instructions="Speak fast",
        optimize_instructions=True,
        custom_key={"a": 1},
    )
    seen.wait_for("session.updated")
    tts.append_text(SENTENCE)
    tts.commit()
    tts.finish()
    seen.wait_for("session.finished")
    return seen, {"head": seen.audio[:4].decode("latin-1")}


def clear() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client()
    tts.connect()
    tts.update_session(voice="Cherry", mode="commit")
    tts.append_text("This must never be heard, although it is quite long. " * 5)
    tts.clear_appended_text()
    seen.wait_for("input_text_buffer.cleared")
    tts.append_text("Only this.")
    tts.commit()
    tts.finish()
    seen.wait_for("session.finished")
    return seen, {"audio_s": len(seen.audio) / 48000}


def cancel() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client()
    tts.connect()
    tts.update_session(voice="Cherry")
    tts.append_text(SENTENCE * 20)
    seen.wait_for("response.audio.delta")
    tts.cancel_response()
    seen.wait_for("response.done")
    heard = seen.seen.count("response.audio.delta")
    tts.append_text("After the interruption, speech goes on.")
    tts.commit()
    seen.wait_for("response.done", 2)
    tts.finish()
    seen.wait_for("session.finished")
    return seen, {"deltas_before_cancel": heard}


def bad_voice() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client()
    tts.connect()
    tts.update_session(voice="Chery")
    seen.wait_for("error")
    tts.update_session(voice="Cherry")
    seen.wait_for("session.updated")
    tts.close()
    return seen, {}


def bad_model() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client("qwen9-tts")
    try:
        tts.connect()
    except (ConnectionError, TimeoutError) as error:  # ours says what was wrong
        return seen, {"raised": str(error)}
    seen.wait_for("on_close")
    return seen, {}


def refused_key() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client()
    try:
        tts.connect()
    except Exception as error:
        return seen, {"raised": type(error).__mro__[-4].__name__, "name": type(error).__name__}
    raise SystemExit("connect succeeded with a refused key")


def unknown_event_and_bad_json() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client()
    tts.connect()
    tts.send_raw('{"type":"custom.raw"}')
    tts.send_raw("{broken")
    seen.wait_for("error", 2)
    tts.update_session(voice="Cherry")
    seen.wait_for("session.updated")
    tts.close()
    return seen, {}


def server_gone_mid_sentence() -> tuple[Recorder, dict[str, Any]]:
    tts, seen = client()
    tts.connect()
    tts.update_session(voice="Cherry")
    tts.append_text(SENTENCE * 20)
    seen.wait_for("response.audio.delta")
    os.kill(int(sys.argv[5]), signal.SIGKILL)
    seen.wait_for("on_close")
    try:
        tts.append_text("more")
    except Exception as error:
        return seen, {"raised_after": isinstance(error, ConnectionError) or type(error).__name__}
    raise SystemExit("append succeeded after the server was gone")


recorder, extra = globals()[SCENARIO]()
print(
    json.dumps(
        {
            "events": recorder.seen,
            "errors": recorder.errors,
            "audio_bytes": len(recorder.audio),
            "audio_sha256": hashlib.sha256(recorder.audio).hexdigest(),
            "closed": recorder.closed,
            **extra,
        }
    )
)
sys.stdout.flush()
os._exit(0)  # the official SDK's socket thread may still be running
