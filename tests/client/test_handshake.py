from __future__ import annotations

import json

import pytest

from saystream.client.handshake import (
    DEFAULT_URL,
    add_model,
    api_key_from,
    realtime_url,
    refusal,
    request_headers,
)
from saystream.errors import ConnectionFailed, HandshakeRefused, InvalidValue


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("ws://127.0.0.1:8321", "ws://127.0.0.1:8321/api-ws/v1/realtime?model=m"),
        ("ws://127.0.0.1:8321/", "ws://127.0.0.1:8321/api-ws/v1/realtime?model=m"),
        ("wss://host/speech/", "wss://host/speech/api-ws/v1/realtime?model=m"),
        ("wss://host/api-ws/v1/realtime", "wss://host/api-ws/v1/realtime?model=m"),
        ("wss://host/api-ws/v1/realtime?model=m", "wss://host/api-ws/v1/realtime?model=m"),
        ("wss://host/custom/realtime?trace=1&empty=", "wss://host/custom/realtime?trace=1&empty=&model=m"),
        ("ws://[::1]:80", "ws://[::1]:80/api-ws/v1/realtime?model=m"),
        (DEFAULT_URL, "ws://127.0.0.1:8321/api-ws/v1/realtime?model=m"),
    ],
)
def test_a_base_or_a_full_url_becomes_the_url_of_the_door(given: str, full: str) -> None:
    assert realtime_url(given, "m") == full


def test_the_model_is_escaped() -> None:
    assert add_model("ws://host/any/path", "a b&c=d/é") == "ws://host/any/path?model=a+b%26c%3Dd%2F%C3%A9"


@pytest.mark.parametrize(
    "url", ["http://host", "host:8321", "", "ws://", "ws://host#part", "ws://[::1", "ws://host:99999999"]
)
def test_a_url_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        realtime_url(url, "m")
    assert refused.value.param == "url"


def test_a_refused_url_is_not_echoed_with_its_password() -> None:
    with pytest.raises(InvalidValue) as refused:
        realtime_url("http://name:secret@host/?key=secret", "m")
    assert "secret" not in str(refused.value)


def test_a_url_that_names_another_model_is_refused() -> None:
    with pytest.raises(InvalidValue, match="other"):
        realtime_url("ws://host?model=other", "m")


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({}, None),
        ({"SAYSTREAM_API_KEY": ""}, None),
        ({"DASHSCOPE_API_KEY": "d"}, "d"),
        ({"SAYSTREAM_API_KEY": "s", "DASHSCOPE_API_KEY": "d"}, "s"),
        ({"SAYSTREAM_API_KEY": "", "DASHSCOPE_API_KEY": "d"}, "d"),
    ],
)
def test_the_key_is_read_from_the_environment(environment: dict[str, str], key: str | None) -> None:
    assert api_key_from(environment) == key


def test_without_a_key_no_authorization_is_sent() -> None:
    assert "Authorization" not in request_headers(None, None)
    assert request_headers("sk-1", None)["Authorization"] == "Bearer sk-1"


def test_the_callers_headers_win_whatever_their_case() -> None:
    headers = request_headers("sk-1", {"authorization": "Bearer mine", "X-Custom": "1"})
    assert headers["authorization"] == "Bearer mine"
    assert "Authorization" not in headers
    assert headers["X-Custom"] == "1"
    assert headers["User-Agent"].startswith("saystream/")


def test_a_refusal_tells_status_code_and_message() -> None:
    body = json.dumps({"code": "InvalidApiKey", "message": "No such key.", "request_id": "r"}).encode()
    error = refusal(401, body, None)
    assert isinstance(error, HandshakeRefused)
    assert not error.retryable
    assert (error.status, error.remote_code, error.retry_after_s) == (401, "InvalidApiKey", None)
    assert str(error) == "the server refused the handshake with HTTP 401 (InvalidApiKey): No such key."


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_for_now_can_be_tried_again(status: int) -> None:
    error = refusal(status, b"", "7")
    assert type(error) is ConnectionFailed
    assert error.retryable
    assert error.retry_after_s == 7


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "HTTP 404"),
        (b"<html>gone</html>", "HTTP 404: <html>gone</html>"),
        (b"[1]", "HTTP 404: [1]"),
        (b"[" * 100_000, "HTTP 404: " + "[" * 500),
        (b'{"code": 5, "message": null}', "HTTP 404"),
        (b"\xff\xfe", "HTTP 404: \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_refusal_takes_any_body(body: bytes, text: str) -> None:
    assert str(refusal(404, body, None)) == f"the server refused the handshake with {text}"


def test_a_long_error_page_is_cut() -> None:
    assert len(str(refusal(502, b"x" * 100_000, None))) < 600


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_is_no_number_of_seconds_is_left_out(value: str) -> None:
    assert refusal(429, b"", value).retry_after_s is None
