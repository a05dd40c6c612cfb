"""Runs in an environment that has an official SDK: scenarios of the task door, what the caller saw as JSON.

    python task_driver.py URL SCENARIO [SCENARIO …]

Each scenario runs in a process of its own, which is forked after the SDK was imported.
"""

import hashlib
import importlib
import json
import multiprocessing
import os
import sys
import threading
import traceback
import urllib.request
import warnings
from functools import partial
from typing import Any

dashscope: Any = importlib.import_module("dashscope")
tts: Any = importlib.import_module("dashscope.audio.tts")
tts_v2: Any = importlib.import_module("dashscope.audio.tts_v2")

URL = sys.argv[1]
INFERENCE = URL + "/api-ws/v1/inference"
COSY = {"model": "cosyvoice-v3-flash", "voice": "longanyang"}
SAMBERT = "sambert-zhichu-v1"
FIRST, SECOND = "The first sentence is here.", " The second sentence follows it."
PATIENCE_MS = 30_000

dashscope.api_key = "sk-any"
dashscope.base_websocket_api_url = INFERENCE


class Recorder(tts_v2.ResultCallback):  # type: ignore[misc]  # untyped
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.errors: list[str] = []
        self.audio = b""
        self.sentences: list[dict[str, Any]] = []
        self.closed = threading.Event()
        self.heard = threading.Event()

    def on_open(self) -> None:
        self.seen.append("open")

    def on_complete(self) -> None:
        self.seen.append("complete")

    def on_error(self, message: Any) -> None:
        self.errors.append(str(message))
        self.seen.append("error")

    def on_close(self) -> None:
        self.seen.append("close")
        self.closed.set()

    def on_event(self, message: str) -> None:
        output = json.loads(message)["payload"]["output"]
        self.seen.append(output["type"])
        if output["type"] == "sentence-end":
            self.sentences.append(output)

    def on_data(self, data: bytes) -> None:
        self.audio += data
        self.seen.append("data")
        self.heard.set()

    def wait(self) -> None:
        if not self.closed.wait(30):
            raise SystemExit(f"no end; seen: {self.seen}")

    def story(self) -> dict[str, Any]:
        """Repeated pairs of an event and its audio are one."""
        short: list[str] = []
        for word in self.seen:
            if word == "data" and short[-1:] == ["sentence-synthesis"]:
                short[-1] = "audio"
                if short[-2:-1] == ["audio"]:
                    short.pop()
            else:
                short.append(word)
        return {
            "seen": short,
            "errors": [described(error) for error in self.errors],
            "sentences": self.sentences,
            **heard(self.audio),
        }


def described(error: str) -> Any:
    try:
        header = json.loads(error)["header"]
    except ValueError:
        return error
    return [header["error_code"], header["error_message"]]


def heard(audio: bytes | None) -> dict[str, Any]:
    if audio is None:
        return {"audio_bytes": None}
    head = audio[:4].decode("latin-1")
    return {"audio_bytes": len(audio), "head": head, "sha256": hashlib.sha256(audio).hexdigest()}


def raised(call: Any) -> dict[str, Any]:
    try:
        result = call()
    except Exception as error:
        text = str(error).split("http_code", 1)
        return {
            "raised": type(error).__name__,
            "message": "http_code" + text[1] if len(text) > 1 else text[0],
        }
    return {"raised": None, "message": None, "audio_bytes": len(result or b"")}


def synthesizer(recorder: Recorder | None = None, **options: Any) -> Any:
    return tts_v2.SpeechSynthesizer(**{**COSY, **options}, callback=recorder)


# --- CosyVoice ------------------------------------------------------------------------------------------


def call() -> dict[str, Any]:
    tts = synthesizer()
    audio = tts.call(FIRST + SECOND, PATIENCE_MS)
    response = tts.get_response()
    return {
        **heard(audio),
        "last": [response["header"]["event"], response["payload"]],
        "id_is_of_task": response["header"]["task_id"] == tts.get_last_request_id(),
        "delay_known": tts.get_first_package_delay() > 0,
    }


def call_with_callback() -> dict[str, Any]:
    recorder = Recorder()
    result = synthesizer(recorder).call(FIRST + SECOND)
    recorder.wait()
    return {**recorder.story(), "result": result}


def formats() -> dict[str, Any]:
    kinds = tts_v2.AudioFormat
    chosen = {
        "wav": kinds.WAV_24000HZ_MONO_16BIT,
        "pcm": kinds.PCM_16000HZ_MONO_16BIT,
        "mp3": kinds.MP3_22050HZ_MONO_256KBPS,
        "opus": kinds.OGG_OPUS_24KHZ_MONO_32KBPS,
    }
    return {
        name: heard(synthesizer(format=kind, seed=7).call(FIRST, PATIENCE_MS))
        for name, kind in chosen.items()
    }


def streaming() -> dict[str, Any]:
    recorder = Recorder()
    tts = synthesizer(
        recorder,
        format=tts_v2.AudioFormat.PCM_22050HZ_MONO_16BIT,
        volume=60,
        speech_rate=1.1,
        pitch_rate=0.9,
        seed=12,
        synthesis_type=1,
        language_hints=["en"],
        additional_params={"word_timestamp_enabled": True},
    )
    for word in (FIRST + SECOND).split(" "):
        tts.streaming_call(word + " ")
    tts.streaming_complete(PATIENCE_MS)
    return recorder.story()


def streaming_async_complete() -> dict[str, Any]:
    recorder = Recorder()
    tts = synthesizer(recorder)
    tts.streaming_call(FIRST)
    tts.async_streaming_complete(PATIENCE_MS)
    recorder.wait()
    return recorder.story()


def streaming_flush() -> dict[str, Any]:
    recorder = Recorder()
    tts = synthesizer(recorder)
    tts.streaming_call("An unfinished")
    tts.streaming_flush()
    before = recorder.heard.wait(30)
    tts.streaming_call(" sentence.")
    tts.streaming_complete(PATIENCE_MS)
    return {**recorder.story(), "heard_before_the_rest": before}


def streaming_cancel() -> dict[str, Any]:
    recorder = Recorder()
    tts = synthesizer(recorder)
    tts.streaming_call((FIRST + SECOND) * 40)
    recorder.heard.wait(30)
    tts.streaming_cancel()
    return {**recorder.story(), "audio_at_all": bool(recorder.audio)}


# --- the pool ------------------------------------------------------------------------------------------


def object_pool() -> dict[str, Any]:
    pool = tts_v2.SpeechSynthesizerObjectPool(max_size=2)
    spoken = []
    for _ in range(3):
        tts = pool.borrow_synthesizer(**COSY)
        spoken.append(heard(tts.call(FIRST, PATIENCE_MS)))
        pool.return_synthesizer(tts)
    borrowed = [pool.borrow_synthesizer(**COSY) for _ in range(3)]  # one more than there are
    spoken += [heard(tts.call(FIRST, PATIENCE_MS)) for tts in borrowed]
    recorder = Recorder()
    pool.return_synthesizer(borrowed[0])
    streamed = pool.borrow_synthesizer(**COSY, callback=recorder)
    streamed.streaming_call(FIRST)
    streamed.streaming_complete(PATIENCE_MS)
    pool.shutdown()
    return {"spoken": spoken, "streamed": recorder.story(), "reused": streamed is borrowed[0]}


def object_pool_reconnects() -> dict[str, Any]:
    kind = tts_v2.SpeechSynthesizerObjectPool
    reconnected = threading.Event()
    create = kind._SpeechSynthesizerObjectPool__get_default_synthesizer

    def renewed(pool: Any) -> Any:
        reconnected.set()
        return create(pool)

    pool = kind(max_size=1)
    # Half a minute by default.
    kind._SpeechSynthesizerObjectPool__get_reconnect_interval = lambda _: -1.0
    kind._SpeechSynthesizerObjectPool__get_default_synthesizer = renewed
    came = reconnected.wait(30)
    kind._SpeechSynthesizerObjectPool__get_reconnect_interval = lambda _: 30.0
    result = heard(pool.borrow_synthesizer(**COSY).call(FIRST, PATIENCE_MS))
    pool.shutdown()
    return {"reconnected": came, **result}


# --- Sambert ------------------------------------------------------------------------------------------


class SambertRecorder(tts.ResultCallback):  # type: ignore[misc]  # untyped
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.audio = b""

    def on_open(self) -> None:
        self.seen.append("open")

    def on_complete(self) -> None:
        self.seen.append("complete")

    def on_error(self, response: Any) -> None:
        self.seen.append("error " + str(response.code))

    def on_close(self) -> None:
        self.seen.append("close")

    def on_event(self, result: Any) -> None:
        if result.get_audio_frame() is not None:
            self.audio += result.get_audio_frame()
        self.seen.append("audio" if result.get_timestamp() is None else "sentence")


def sambert_result(result: Any) -> dict[str, Any]:
    response = result.get_response()
    return {
        **heard(result.get_audio_data()),
        "status": response.status_code,
        "code": response.code,
        "message": response.message,
        "usage": response.usage,
        "timestamps": result.get_timestamps(),
    }


def sambert_call() -> dict[str, Any]:
    return sambert_result(tts.SpeechSynthesizer.call(model=SAMBERT, text=FIRST + SECOND))


def sambert_with_callback() -> dict[str, Any]:
    recorder = SambertRecorder()
    tts.SpeechSynthesizer.call(
        model=SAMBERT,
        text=FIRST + SECOND,
        callback=recorder,
        format="pcm",
        sample_rate=16000,
        word_timestamp_enabled=True,
        phoneme_timestamp_enabled=True,
    )
    seen = [
        word for place, word in enumerate(recorder.seen) if word != recorder.seen[place - 1] or place == 0
    ]
    return {"seen": seen, **heard(recorder.audio)}


def sambert_with_timestamps() -> dict[str, Any]:
    return sambert_result(
        tts.SpeechSynthesizer.call(
            model=SAMBERT,
            text=FIRST + SECOND,
            format="pcm",
            volume=60,
            rate=1.2,
            pitch=0.9,
            word_timestamp_enabled=True,
            phoneme_timestamp_enabled=True,
        )
    )


def sambert_refused() -> dict[str, Any]:
    return sambert_result(tts.SpeechSynthesizer.call(model="sambert-nobody-v1", text=FIRST))


def sambert_empty() -> dict[str, Any]:
    return sambert_result(tts.SpeechSynthesizer.call(model=SAMBERT, text=" "))


def sambert_silent() -> dict[str, Any]:
    return sambert_result(tts.SpeechSynthesizer.call(model=SAMBERT, text="\U0001f600"))


# --- failures ------------------------------------------------------------------------------------------


def refused(**options: Any) -> dict[str, Any]:
    """What a call without and one with a callback see."""
    text = options.pop("text", FIRST)
    plain = raised(lambda: synthesizer(**options).call(text, 3_000))
    recorder = Recorder()
    with_callback = raised(lambda: synthesizer(recorder, **options).call(text))
    recorder.wait()
    story = recorder.story()
    return {"plain": plain, "with_callback": with_callback, "seen": story["seen"], "errors": story["errors"]}


bad_voice = partial(refused, voice="nobody")
voice_of_another_model = partial(refused, voice="longxiaochun")
bad_model = partial(refused, model="cosyvoice-v9")
realtime_model = partial(refused, model="qwen3-tts-flash-realtime")
voice_of_no_qwen_audio = partial(refused, model="qwen-audio-3.0-tts-flash")
sambert_as_duplex = partial(refused, model=SAMBERT)


def refused_key() -> dict[str, Any]:
    return raised(lambda: synthesizer().call(FIRST, 3_000))


nothing_to_speak = partial(refused, text="\U0001f600")
bad_rate = partial(refused, speech_rate=9.0)


def second_text_with_ssml() -> dict[str, Any]:
    recorder = Recorder()
    tts = synthesizer(recorder, additional_params={"enable_ssml": True})
    tts.streaming_call("<speak>One.</speak>")
    tts.streaming_call("<speak>Two.</speak>")
    recorder.wait()
    return recorder.story()


def silent_client() -> dict[str, Any]:
    recorder = Recorder()
    synthesizer(recorder).streaming_call("An unfinished")
    recorder.wait()
    return recorder.story()


# --- the client of 2.0.2 ------------------------------------------------------------------------------------------


def _client() -> Any:
    warnings.simplefilter("ignore")
    return dashscope.Client(
        api_key="sk-any", base_url=URL.replace("ws://", "http://") + "/api/v1", max_retries=0
    )


def _options() -> dict[str, Any]:
    return {**COSY, "format": "pcm", "sample_rate": 24000, "ws_url": INFERENCE}


def client_synthesize() -> dict[str, Any]:
    return heard(_client().audio.tts.synthesize(FIRST, **_options()))


def client_stream() -> dict[str, Any]:
    pieces = list(_client().audio.tts.stream(FIRST, **_options()))
    return {**heard(b"".join(pieces)), "pieces": len(pieces)}


def client_session() -> dict[str, Any]:
    with _client().audio.tts.connect(**_options()) as session:
        session.send_text("An unfinished")
        session.flush()
        session.send_text(" sentence.")
        session.stop()
        audio = b"".join(session.audio_chunks())
        return {
            **heard(audio),
            "usage": session.usage,
            "delay_known": session.first_package_delay is not None,
        }


def client_shared_connection() -> dict[str, Any]:
    client = _client()
    connection = client.ws_connection(url=INFERENCE)
    spoken = []
    for _ in range(3):
        with client.audio.tts.connect(**_options(), connection=connection) as session:
            session.send_text(FIRST)
            session.stop()
            spoken.append(heard(b"".join(session.audio_chunks())))
    still_open = not connection.closed
    connection.close()
    return {"spoken": spoken, "still_open": still_open}


def http_helper() -> dict[str, Any]:
    dashscope.base_http_api_url = URL.replace("ws://", "http://") + "/api/v1"
    whole = dashscope.HttpSpeechSynthesizer.call(text=FIRST + SECOND, **COSY)
    *parts, last = dashscope.HttpSpeechSynthesizer.call(
        text=FIRST + SECOND, **COSY, audio_format="pcm", stream=True
    )
    with urllib.request.urlopen(last.audio_url) as answer:
        file = answer.read()
    return {
        "link": whole.audio_url.partition("?")[0][-4:],
        "parts": len(parts),
        "joined_is_the_file": last.audio_data == file,
        **heard(file),
    }


def client_http() -> dict[str, Any]:
    http = _client().audio.tts.http
    whole = http.synthesize(FIRST, **COSY, format="mp3", sample_rate=22050)
    parts = list(http.stream(FIRST, **COSY, format="pcm", sample_rate=24000))
    types = {part.output.get("type", "") for part in parts}
    return {"usage": dict(whole.usage), "types": sorted(types), "last": parts[-1].output["finish_reason"]}


def client_refused() -> dict[str, Any]:
    return raised(lambda: _client().audio.tts.synthesize(FIRST, **{**_options(), "voice": "nobody"}))


def client_refused_key() -> dict[str, Any]:
    return raised(lambda: _client().audio.tts.synthesize(FIRST, **_options()))


def _run(name: str, pipe: Any) -> None:
    os.dup2(2, 1)  # the older SDK prints what its threads die of, and the last line is for the results
    try:
        result = globals()[name]()
    except BaseException as error:
        traceback.print_exc()
        result = {"broken": repr(error)}
    pipe.send_bytes(json.dumps(result).encode())
    sys.stdout.flush()
    os._exit(0)  # threads of the SDK may still be running


def main() -> None:
    fork = multiprocessing.get_context("fork")
    running = {}
    for name in sys.argv[2:]:
        ours, theirs = fork.Pipe()
        process = fork.Process(target=_run, args=(name, theirs))
        process.start()
        theirs.close()
        running[name] = (process, ours)
    results = {}
    for name, (process, ours) in running.items():
        if ours.poll(50):
            results[name] = json.loads(ours.recv_bytes())
        else:
            results[name] = {"broken": "it takes too long"}
        process.kill()
    print(json.dumps(results))


main()
