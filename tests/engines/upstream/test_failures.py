import json

import pytest

from saystream.engines.upstream.failures import Verdict, refusal, told, unreachable
from saystream.errors import EngineFailed, EngineUnavailable, Overloaded


@pytest.mark.parametrize(
    ("status", "fault", "verdict", "final"),
    [
        (400, EngineFailed, Verdict.FINE, True),
        (401, EngineUnavailable, Verdict.DOWN, False),
        (403, EngineUnavailable, Verdict.DOWN, False),
        (404, EngineUnavailable, Verdict.SUSPECT, False),
        (413, EngineFailed, Verdict.FINE, True),
        (422, EngineFailed, Verdict.FINE, True),
        (429, Overloaded, Verdict.BUSY, False),
        (500, EngineFailed, Verdict.SUSPECT, False),
        (502, EngineFailed, Verdict.SUSPECT, False),
        (503, Overloaded, Verdict.BUSY, False),
    ],
)
def test_a_status_says_who_is_to_blame(status: int, fault: type, verdict: Verdict, final: bool) -> None:
    failure = refusal("gpu1:8091", status, b"")
    assert type(failure.fault) is fault
    assert (failure.verdict, failure.final) == (verdict, final)
    assert "gpu1:8091" in failure.fault.message
    assert str(status) in failure.fault.message


def test_a_refused_key_names_the_option() -> None:
    assert "key_env" in refusal("gpu1", 401, b"").fault.message


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Invalid voice", "type": "BadRequestError", "param": "voice", "code": 400}},
        {"error": "Invalid voice (voice)"},
        {"detail": "Invalid voice (voice)"},
        {"detail": [{"loc": ["body", "voice"], "msg": "Invalid voice (voice)", "input": "what was said"}]},
        {"code": "InvalidParameter", "message": "Invalid voice (voice)", "request_id": "1"},
    ],
)
def test_the_words_of_any_kind_of_body_are_told(body: object) -> None:
    message = refusal("gpu1", 400, json.dumps(body).encode(), text="What was said.").fault.message
    assert message == "The upstream server gpu1 refused the request (HTTP 400: Invalid voice (voice))."


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"7",
        b"[]",
        b"{}",
        b'{"detail":[]}',
        b'{"error":null}',
        b"\xff",
        b"[" * 100_000,
        b'{"error":{"message":5}}',
    ],
)
def test_a_body_without_words_is_left_out(body: bytes) -> None:
    assert (
        refusal("gpu1", 400, body).fault.message == "The upstream server gpu1 refused the request (HTTP 400)."
    )


@pytest.mark.parametrize(
    "message",
    [
        "Cannot say 'My secret  plan is this.'",
        "input 'secret plan is' has no phonemes",
        "MySecret: My secret plan is this.",
    ],
)
def test_words_that_quote_the_text_are_not_told(message: str) -> None:
    assert told(message, "My secret plan is this.") == ""


def test_words_that_share_little_with_the_text_are_told() -> None:
    assert told("Invalid voice", "My voice is this") == ": Invalid voice"
    assert told("No such voice", "No") == ": No such voice"


def test_long_words_are_cut() -> None:
    assert len(told("a" * 1000, "")) < 250


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 1), ("7", 7), ("0", 0), ("86400", 30), ("Wed, 21 Oct 2026 07:28:00 GMT", 1)],
)
def test_a_busy_server_may_say_for_how_long(header: str | None, seconds: float) -> None:
    assert refusal("gpu1", 503, b"", retry_after=header).busy_s == seconds


def test_an_unreachable_server_is_down() -> None:
    failure = unreachable("gpu1", "connection refused")
    assert failure.verdict is Verdict.DOWN
    assert failure.fault.message == "The upstream server gpu1 cannot be reached: connection refused."
