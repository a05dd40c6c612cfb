"""The official SDK at the task door, unmodified but for its URL: CosyVoice, its pool of connections, and Sambert."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saystream.bench import ServerProcess

DRIVER = Path(__file__).parent / "task_driver.py"
SECOND_CLIENT = (
    "http_helper",
    "client_http",
    "client_synthesize",
    "client_stream",
    "client_session",
    "client_shared_connection",
    "client_refused",
)
SCENARIOS = (
    *("call", "call_with_callback", "formats"),
    *("streaming", "streaming_async_complete", "streaming_cancel", "object_pool", "object_pool_reconnects"),
    *(
        "sambert_call",
        "sambert_with_callback",
        "sambert_with_timestamps",
        "sambert_refused",
        "sambert_silent",
        "sambert_empty",
    ),
    *("bad_voice", "voice_of_another_model", "bad_model", "realtime_model", "bad_rate", "nothing_to_speak"),
    *("voice_of_no_qwen_audio", "sambert_as_duplex"),
    *("second_text_with_ssml", "silent_client"),
)
CHARACTERS = 59
FIRST, SECOND = "The first sentence is here.", "The second sentence follows it."
SENTENCE = ["sentence-begin", "audio", "sentence-end"]
TEXT_INVALID = ["InvalidParameter", "Request text is invalid!"]
ENGINE_411 = ["InvalidParameter", "[cosyvoice:]Engine error [411]: TTS speak operation failed"]
ENGINE_418 = ["InvalidParameter", "[cosyvoice:]Engine return error code: 418"]

pytestmark = pytest.mark.sdk

Seen = dict[str, Any]


@pytest.fixture(scope="module")
def task_server(start_server: Callable[..., ServerProcess]) -> ServerProcess:
    return start_server("tone", SAYSTREAM_TASK='{"text_timeout_s": 3}')


def run_driver(python: Path, url: str, *scenarios: str) -> Seen:
    command: list[str | Path] = [python, DRIVER, url, *scenarios]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    seen: Seen = json.loads(done.stdout.splitlines()[-1])
    broken = [name for name, result in seen.items() if "broken" in result]
    assert not broken, done.stderr
    return seen


@pytest.fixture(scope="module")
def newer(dashscope_python: Callable[[str], Path], task_server: ServerProcess) -> Seen:
    """What callers of 2.0.2 saw, by scenario."""
    return run_driver(
        dashscope_python("2.0.2"), task_server.url, *SCENARIOS, *SECOND_CLIENT, "streaming_flush"
    )


@pytest.fixture(scope="module")
def older(dashscope_python: Callable[[str], Path], task_server: ServerProcess) -> Seen:
    """What callers of 1.25.11 saw, by scenario."""
    return run_driver(dashscope_python("1.25.11"), task_server.url, *SCENARIOS)


@pytest.fixture(params=["newer", "older"])
def seen(request: pytest.FixtureRequest) -> Seen:
    by_scenario: Seen = request.getfixturevalue(request.param)
    return by_scenario


def test_a_call_gives_the_audio_and_keeps_the_last_event(seen: Seen) -> None:
    call = seen["call"]
    assert call["audio_bytes"] > 50_000
    assert call["last"] == ["task-finished", {"usage": {"characters": CHARACTERS}}]
    assert call["id_is_of_task"] and call["delay_known"]


def test_a_callback_is_told_sentence_by_sentence_and_hears_the_same(seen: Seen) -> None:
    call = seen["call_with_callback"]
    assert call["seen"] == ["open", *SENTENCE, *SENTENCE, "complete", "close"]
    assert [each["original_text"].strip() for each in call["sentences"]] == [FIRST, SECOND]
    assert [each["sentence"] for each in call["sentences"]] == [
        {"index": 0, "words": []},
        {"index": 1, "words": []},
    ]
    assert call["result"] is None
    assert call["sha256"] == seen["call"]["sha256"]


def test_every_format_of_the_sdk_begins_as_it_should(seen: Seen) -> None:
    formats = seen["formats"]
    assert (formats["wav"]["head"], formats["opus"]["head"]) == ("RIFF", "OggS")
    assert formats["mp3"]["head"][0] == "\xff"
    assert formats["wav"]["audio_bytes"] - 44 == formats["pcm"]["audio_bytes"] * 3 // 2 > 80_000
    assert formats["opus"]["audio_bytes"] > 5_000


def test_streamed_text_is_spoken_with_the_times_of_its_words(seen: Seen) -> None:
    story = seen["streaming"]
    assert story["seen"] == ["open", *SENTENCE, *SENTENCE, "complete", "close"]
    for each in story["sentences"]:
        text, words = each["original_text"], each["sentence"]["words"]
        assert [text[word["begin_index"] : word["end_index"]] for word in words] == [
            word["text"] for word in words
        ]
        assert [word.rstrip(".") for word in text.split()] == [word["text"] for word in words]
        times = [time for word in words for time in (word["begin_time"], word["end_time"])]
        assert times == sorted(times)


def test_an_end_that_is_not_waited_for_is_told_to_the_callback(seen: Seen) -> None:
    assert seen["streaming_async_complete"]["seen"] == ["open", *SENTENCE, "complete", "close"]


def test_a_flush_speaks_what_has_come(newer: Seen) -> None:
    story = newer["streaming_flush"]
    assert story["heard_before_the_rest"]
    assert story["seen"] == ["open", *SENTENCE, *SENTENCE, "complete", "close"]
    assert "".join(each["original_text"] for each in story["sentences"]) == "An unfinished sentence."


def test_a_cancelled_task_ends_at_once(newer: Seen) -> None:
    story = newer["streaming_cancel"]
    assert story["audio_at_all"] and story["seen"][-2:] == ["complete", "close"]
    assert len(story["sentences"]) < 80 and not story["errors"]


def test_the_older_sdk_cancels_by_leaving(older: Seen) -> None:
    story = older["streaming_cancel"]
    assert story["audio_at_all"] and not story["errors"]


def test_a_pool_speaks_over_its_connections_and_one_more(seen: Seen) -> None:
    pool = seen["object_pool"]
    assert pool["reused"] and pool["streamed"]["seen"] == ["open", *SENTENCE, "complete", "close"]
    alone = seen["streaming_async_complete"]["sha256"]
    assert {each["sha256"] for each in [*pool["spoken"], pool["streamed"]]} == {alone}
    assert len(pool["spoken"]) == 6


def test_a_pool_that_renews_its_connection_goes_on(seen: Seen) -> None:
    pool = seen["object_pool_reconnects"]
    assert pool["reconnected"] and pool["sha256"] == seen["streaming_async_complete"]["sha256"]


def test_sambert_gives_a_wav_file_and_its_usage(seen: Seen) -> None:
    call = seen["sambert_call"]
    assert (call["status"], call["head"], call["timestamps"]) == (200, "RIFF", [])
    assert call["usage"] == {"characters": CHARACTERS}


def test_sambert_tells_a_callback_of_audio_and_sentences(seen: Seen) -> None:
    call = seen["sambert_with_callback"]
    assert (call["seen"][0], call["seen"][-2:]) == ("open", ["complete", "close"])
    assert call["seen"].count("sentence") == 2 and call["audio_bytes"] > 100_000


def test_sambert_gives_times_of_words_and_sounds(seen: Seen) -> None:
    call = seen["sambert_with_timestamps"]
    assert call["status"] == 200 and call["audio_bytes"] > 200_000
    first, second = call["timestamps"]
    assert 0 == first["begin_time"] < first["end_time"] <= second["begin_time"] < second["end_time"]
    assert [word["text"] for word in first["words"]] == ["The", "first", "sentence", "is", "here"]
    for sentence in (first, second):
        for word in sentence["words"]:
            sounds = word["phonemes"]
            assert (sounds[0]["begin_time"], sounds[-1]["end_time"]) == (word["begin_time"], word["end_time"])


@pytest.mark.parametrize(
    ("scenario", "code", "message"),
    [
        ("sambert_refused", "ModelNotFound", "Model not exist."),
        ("sambert_silent", "InvalidParameter", "[tts:]Engine return error code: 418"),
        ("sambert_empty", *TEXT_INVALID),
    ],
)
def test_sambert_is_told_of_a_failure_in_its_response(
    seen: Seen, scenario: str, code: str, message: str
) -> None:
    call = seen[scenario]
    assert (call["status"], call["code"], call["message"]) == (44, code, message)
    assert call["audio_bytes"] is None


RATE = "Invalid value for payload.parameters.rate: '9.0'. Supported: a number from 0.5 to 2.0."
REFUSED_AT_THE_START = [
    ("bad_voice", *ENGINE_418),
    ("voice_of_another_model", *ENGINE_418),
    ("bad_model", "ModelNotFound", "Model not exist."),
    ("realtime_model", "ModelNotFound", "Model not exist."),
    ("bad_rate", "InvalidParameter", RATE),
    ("voice_of_no_qwen_audio", *ENGINE_411),
    ("sambert_as_duplex", *TEXT_INVALID),
]
LATER = [("nothing_to_speak", *ENGINE_418)]


def as_raised(code: str, message: str) -> Seen:
    return {
        "raised": "RequestFailure",
        "message": f"http_code: 44 error_name: {code}, error_message: {message}",
    }


@pytest.mark.parametrize(("scenario", "code", "message"), REFUSED_AT_THE_START)
def test_a_refusal_at_the_start_is_raised_by_the_newer_sdk_and_told_to_its_callback(
    newer: Seen, scenario: str, code: str, message: str
) -> None:
    story = newer[scenario]
    assert story["plain"] == story["with_callback"] == as_raised(code, message)
    assert (story["seen"], story["errors"]) == (["error", "close"], [[code, message]])


def test_a_later_refusal_is_told_to_the_callback_of_the_newer_sdk_alone(newer: Seen) -> None:
    story = newer["nothing_to_speak"]
    assert story["plain"] == as_raised(*ENGINE_418)
    assert story["with_callback"]["raised"] is None
    assert (story["seen"], story["errors"]) == (["open", "error", "close"], [ENGINE_418])


@pytest.mark.parametrize(("scenario", "code", "message"), [*REFUSED_AT_THE_START, *LATER])
def test_the_older_sdk_tells_only_its_callback_of_a_refusal(
    older: Seen, scenario: str, code: str, message: str
) -> None:
    story = older[scenario]
    assert story["errors"] == [[code, message]]
    for call in (
        story["plain"],
        story["with_callback"],
    ):  # it may find its own socket closed, or nothing at all
        assert call["raised"] in (None, "WebSocketConnectionClosedException")
        assert call["raised"] is not None or call["audio_bytes"] == 0


def test_a_second_text_of_ssml_is_refused(seen: Seen) -> None:
    story = seen["second_text_with_ssml"]
    assert story["errors"] == [["InvalidParameter", "Text request limit violated, expected 1."]]
    assert story["seen"][-2:] == ["error", "close"]


def test_a_silent_client_is_told_that_its_time_is_over(seen: Seen) -> None:
    story = seen["silent_client"]
    assert story["errors"] == [["CLIENT_ERROR", "request timeout after 3 seconds."]]
    assert story["seen"][-2:] == ["error", "close"]


def test_the_second_client_of_2_0_2_speaks(newer: Seen) -> None:
    whole, stream, session = (
        newer[name] for name in ("client_synthesize", "client_stream", "client_session")
    )
    assert whole["audio_bytes"] > 80_000 and whole["sha256"] == stream["sha256"] and stream["pieces"] > 1
    assert (
        session["usage"] == {"characters": 23} and session["delay_known"] and session["audio_bytes"] > 50_000
    )


def test_the_second_client_raises_what_refused_its_task(newer: Seen) -> None:
    refused = newer["client_refused"]
    assert refused["raised"] == "BadRequestError"
    assert refused["message"].startswith(
        f"<BadRequestError> {ENGINE_418[1]} | code={ENGINE_418[0]} | status_code=200"
    )


def test_the_sessions_of_the_second_client_share_a_connection(newer: Seen) -> None:
    shared = newer["client_shared_connection"]
    assert [each["sha256"] for each in shared["spoken"]] == [newer["client_synthesize"]["sha256"]] * 3
    assert shared["still_open"]


@pytest.fixture(scope="module")
def keyed_server(
    start_server: Callable[..., ServerProcess], tmp_path_factory: pytest.TempPathFactory
) -> ServerProcess:
    """One that takes no key of the driver's."""
    data_dir = str(tmp_path_factory.mktemp("keys"))
    make_key = [sys.executable, "-m", "saystream", "keys", "create", "test"]
    environment = {**os.environ, "SAYSTREAM_DATA_DIR": data_dir}
    subprocess.run(make_key, env=environment, stdout=subprocess.DEVNULL, check=True)
    return start_server("tone", data_dir=data_dir)


@pytest.mark.parametrize("version", ["2.0.2", "1.25.11"])
def test_a_refused_key_fails_the_handshake(
    version: str, dashscope_python: Callable[[str], Path], keyed_server: ServerProcess
) -> None:
    scenarios = ["refused_key", "sambert_call", *(["client_refused_key"] if version == "2.0.2" else [])]
    seen = run_driver(dashscope_python(version), keyed_server.url, *scenarios)
    assert seen["refused_key"]["raised"] == "TimeoutError"
    sambert = seen["sambert_call"]
    assert (sambert["status"], sambert["message"]) == (401, "Unauthorized, your api-key is invalid!")
    if version == "2.0.2":
        assert seen["client_refused_key"]["raised"] == "WebSocketBadStatusException"
        assert "401 Unauthorized" in seen["client_refused_key"]["message"]


def test_the_helper_of_2_0_2_over_http_gives_a_link_and_the_parts_of_the_file(newer: Seen) -> None:
    helper = newer["http_helper"]
    assert (helper["link"], helper["joined_is_the_file"]) == (".wav", True)
    assert helper["parts"] > 1 and helper["audio_bytes"] > 100_000


def test_the_second_client_speaks_over_http(newer: Seen) -> None:
    seen = newer["client_http"]
    assert seen["usage"] == {"characters": 27} and seen["last"] == "stop"
    assert seen["types"] == ["", "sentence-begin", "sentence-end", "sentence-synthesis"]
