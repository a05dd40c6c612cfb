from __future__ import annotations

import ast
import io
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

import saystream
from saystream import logs
from saystream.config import LogSettings
from saystream.errors import EngineFailed

SPOKEN = "the quick brown fox"
KEY = "sk-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


class Written(io.StringIO):
    """What the log holds, as text and as the objects of its lines."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


def configured(*, json_lines: bool = True, level: str = "debug") -> tuple[Written, Any]:
    written = Written()
    logs.configure(LogSettings.model_validate({"level": level, "json_lines": json_lines}), written)
    return written, structlog.get_logger("saystream.test")


def test_a_line_for_machines_is_one_object_with_time_level_logger_event_and_fields() -> None:
    written, log = configured()
    log.info(
        "response ended", status="completed", audio_ms=1250, first_audio_ms=61.5, final=True, item_id=None
    )
    (line,) = written.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "response ended",
        "level": "info",
        "logger": "saystream.test",
        "status": "completed",
        "audio_ms": 1250,
        "first_audio_ms": 61.5,
        "final": True,
        "item_id": None,
    }


def test_a_line_for_people_holds_the_same_without_colours_in_a_file() -> None:
    written, log = configured(json_lines=False)
    log.info("response ended", status="completed", audio_ms=1250)
    line = written.getvalue()
    assert "response ended" in line and "audio_ms=1250" in line and "status=completed" in line
    assert "\x1b" not in line and line.count("\n") == 1


@pytest.mark.parametrize("json_lines", [True, False])
@pytest.mark.parametrize(
    "field", ["text", "key", "api_key", "authorization", "frame", "input", "Session Text", "层"]
)
@pytest.mark.parametrize(
    "shape", [SPOKEN, SPOKEN.encode(), [SPOKEN], {"text": SPOKEN}, ValueError(SPOKEN), KEY]
)
def test_a_field_that_is_not_on_the_list_is_dropped_and_named(
    json_lines: bool, field: str, shape: object
) -> None:
    written, log = configured(json_lines=json_lines)
    log.info("appended", session_id="sess_1", **{field: shape})
    line = written.getvalue()
    assert "fox" not in line and "abcdefg" not in line
    assert "sess_1" in line
    named = field if field.isascii() and field.islower() else "…"
    if json_lines:
        assert written.lines[0]["dropped_fields"] == named
    else:
        assert f"dropped_fields={named}" in line


def test_ids_bound_to_the_context_stand_in_every_line_and_other_bound_fields_do_not() -> None:
    written, log = configured()
    with structlog.contextvars.bound_contextvars(session_id="sess_1", request_id="req_1", text=SPOKEN):
        log.info("session opened")
    log.info("idle")
    opened, idle = written.lines
    assert (opened["session_id"], opened["request_id"]) == ("sess_1", "req_1")
    assert opened["dropped_fields"] == "text"
    assert "session_id" not in idle
    assert SPOKEN not in written.getvalue()


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_key_is_taken_out_of_allowed_fields_and_events_too(json_lines: bool) -> None:
    written, log = configured(json_lines=json_lines)
    log.info(f"refused {KEY}", model=KEY, voice=f"x {KEY} y", path=f"Bearer {KEY}", unknown_fields=["a", KEY])
    assert "abcdefg" not in written.getvalue()


def test_a_long_string_is_cut_and_a_sentence_of_ours_later() -> None:
    written, log = configured()
    log.info("refused", voice="v" * 5000, reason="r" * 5000, lines=["l"] * 5000, path=Path("/x"))
    (line,) = written.lines
    assert (len(line["voice"]), len(line["reason"]), len(line["lines"])) == (64, 500, 500)
    assert line["path"] == "/x"


def test_what_is_no_string_under_an_allowed_name_is_shown_as_its_type() -> None:
    written, log = configured()
    log.info("refused", voice={"text": SPOKEN}, model=SPOKEN.encode())
    (line,) = written.lines
    assert (line["voice"], line["model"]) == ("dict", "bytes")


@given(st.text(max_size=200))
def test_no_string_can_start_a_line_of_its_own(voice: str) -> None:
    written = Written()
    logs.configure(LogSettings(json_lines=False), written)
    structlog.get_logger("saystream.test").info("refused", voice=voice)
    assert len(written.getvalue().splitlines()) == 1
    assert "\x1b" not in written.getvalue()


@pytest.mark.parametrize("json_lines", [True, False])
def test_an_error_shows_its_stack_and_no_message_but_ours(json_lines: bool) -> None:
    written, log = configured(json_lines=json_lines)

    def speak() -> None:
        text = SPOKEN.title()
        try:
            int(text)
        except ValueError as error:
            raise ExceptionGroup(text, [EngineFailed("the engine gave up"), KeyError(text)]) from error

    try:
        speak()
    except ExceptionGroup as group:
        log.exception("response failed", error=group)
    shown = written.getvalue()
    assert "Fox" not in shown
    for part in (
        "ValueError",
        "which led to",
        "ExceptionGroup",
        "EngineFailed: the engine gave up",
        "in speak",
    ):
        assert part in shown


def test_the_type_of_a_stranger_the_reason_of_the_system_and_the_message_of_ours_are_shown() -> None:
    written, log = configured()
    for error in (
        ValueError(SPOKEN),
        OSError(98, "Address already in use", SPOKEN),
        EngineFailed("the engine gave up"),
    ):
        log.warning("failed", error=error)
    assert [line["error"] for line in written.lines] == [
        "ValueError",
        "OSError: Address already in use",
        "EngineFailed: the engine gave up",
    ]


def test_a_chain_of_errors_without_end_is_cut() -> None:
    written, log = configured()
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    log.error("failed", exc_info=first)
    assert written.lines[0]["exception"].count("ValueError") == 5


def test_the_level_holds_for_our_lines() -> None:
    written, log = configured(level="warning")
    log.info("hidden")
    log.warning("shown")
    assert [line["event"] for line in written.lines] == ["shown"]


def test_uvicorn_speaks_through_the_same_stream_without_query_strings() -> None:
    written, _ = configured()
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.info("Started server process [%d]", 7)
    for query in (f"?model=qwen3-tts&api_key={KEY}", f"?text={SPOKEN.replace(' ', '+')}", ""):
        uvicorn.info('%s - "WebSocket %s" [accepted]', "127.0.0.1:5", f"/api-ws/v1/realtime{query}")
    assert [line["event"] for line in written.lines] == [
        "Started server process [7]",
        '127.0.0.1:5 - "WebSocket /api-ws/v1/realtime?model=qwen3-tts" [accepted]',
        '127.0.0.1:5 - "WebSocket /api-ws/v1/realtime" [accepted]',
        '127.0.0.1:5 - "WebSocket /api-ws/v1/realtime" [accepted]',
    ]
    assert written.lines[0]["logger"] == "uvicorn.error"


def test_uvicorn_set_to_debug_still_prints_no_frames_and_there_is_no_access_log() -> None:
    written, _ = configured()
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.setLevel(logging.DEBUG)
    uvicorn.debug("< TEXT '%s'", SPOKEN)
    logging.getLogger("uvicorn.access").info('%s - "GET %s"', "127.0.0.1:5", f"/?text={SPOKEN}")
    assert written.getvalue() == ""


def test_of_other_packages_only_the_fixed_beginning_is_shown() -> None:
    written, _ = configured()
    logging.getLogger("asyncio").error(f"Exception in callback speak({SPOKEN!r})\nhandle: <Handle {SPOKEN}>")
    logging.getLogger("other").warning("could not say %s", SPOKEN)
    logging.getLogger("other").info("hidden")
    assert [line["event"] for line in written.lines] == ["Exception in callback speak", "could not say %s"]


def test_a_line_that_cannot_be_formatted_is_dropped_without_its_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    written, _ = configured()
    logging.getLogger("other").warning("%d words", SPOKEN)
    captured = capsys.readouterr()
    assert written.getvalue() == captured.out == captured.err == ""


def test_configuring_again_replaces_the_stream() -> None:
    first, log = configured()
    second, _ = configured()
    log.info("once")
    assert first.getvalue() == "" and len(second.lines) == 1


def test_every_event_in_the_source_is_a_literal_so_that_no_text_can_be_in_it() -> None:
    calls = 0
    for path in Path(saystream.__file__).parent.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if "structlog.get_logger" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="_log"), attr=_), args=arguments):
                    calls += 1
                    literal = len(arguments) == 1 and isinstance(arguments[0], ast.Constant)
                    assert literal, f"{path.name}:{node.lineno}: the event must be one literal"
    assert calls


def test_an_event_is_a_sentence_in_lower_case() -> None:
    source = Path(saystream.__file__).parent
    calls = [
        node
        for path in source.rglob("*.py")
        if "sdk" not in path.parts  # which logs by the standard library, for the programs of others
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("_log.", "say")) and node.args
    ]
    events = {str(call.args[0].value) for call in calls if isinstance(call.args[0], ast.Constant)}
    assert len(events) > 30
    assert {
        event for event in events if event != event.lower() or "_" in event or event.endswith(".")
    } == set()


def test_a_server_that_nobody_listens_to_goes_on_and_later_says_how_much_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "_MAX_WAITING_LINES", 10)
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as writer:
        logs.configure(LogSettings(json_lines=True), writer)
        log = structlog.get_logger("saystream.test")
        with logs.written_apart():
            for number in range(2000):  # a pipe holds 64 KiB
                log.info("said", number=number, reason="x" * 100)
            lost = heard = 0
            while lost + heard < 2000:
                log.info("said")
                line = json.loads(reader.readline())
                if line["event"] == "log lines dropped":
                    lost += line["count"]
                else:
                    heard += 1
    assert lost > 1000


def test_what_is_logged_last_is_written_before_the_server_ends() -> None:
    written, log = configured()
    with logs.written_apart():
        for number in range(100):
            log.info("said", number=number)
    log.info("said", number=100)
    assert [line["number"] for line in written.lines] == list(range(101))


def test_a_log_whose_reader_has_gone_stops_nobody() -> None:
    before = set(threading.enumerate())
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as writer:
        logs.configure(LogSettings(), writer)
        with logs.written_apart():
            structlog.get_logger("saystream.test").info("said")
        assert set(threading.enumerate()) <= before, "the thread that writes has ended"
