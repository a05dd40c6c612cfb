from __future__ import annotations

import base64

import pytest

from saystream.errors import AudioTooLarge, InvalidValue
from saystream.protocol.customization.audio_source import is_url, read_data_uri

CONTENT = bytes(range(256)) * 3 + b"\xfb\xff"
BASE64 = base64.b64encode(CONTENT).decode()


def read(source: str, max_bytes: int = 10_000) -> bytes:
    return read_data_uri(source, param="input.audio.data", max_bytes=max_bytes)


@pytest.mark.parametrize(
    "source",
    [
        f"data:audio/mpeg;base64,{BASE64}",
        f"DATA:audio/wav;codecs=1; BASE64 ,{BASE64}",
        f"data:;base64,{BASE64}",
        f"data:audio/wav;base64,{BASE64.rstrip('=')}",
        f"data:audio/wav;base64,{BASE64[:76]}\r\n{BASE64[76:]}\n",
        f"data:audio/wav;base64,{BASE64.replace('+', '%2B').replace('=', '%3d')}",
        f"data:audio/wav;base64,{base64.urlsafe_b64encode(CONTENT).decode()}",
        "data:audio/wav," + "".join(f"%{byte:02X}" for byte in CONTENT),
    ],
)
def test_the_bytes_of_a_data_uri_come_back(source: str) -> None:
    assert read(source) == CONTENT


@pytest.mark.parametrize(
    "source",
    [
        "",
        BASE64,
        "data:audio/wav;base64",
        "data:audio/wav;base64,!!!!",
        "data:audio/wav;base64,abcde",
        "data:audio/wav;base64,声音",
        "file:///etc/passwd",
    ],
)
def test_anything_else_is_refused_without_being_quoted(source: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        read(source)
    assert caught.value.param == "input.audio.data"
    assert "passwd" not in caught.value.message and "!!!!" not in caught.value.message


@pytest.mark.parametrize("length", [1000, 10_000])
def test_too_much_is_refused_with_the_code_of_the_documents(length: int) -> None:
    in_base64 = base64.b64encode(bytes(length)).decode()
    for source in (f"data:a/b;base64,{in_base64}", "data:a/b," + "x" * length):
        with pytest.raises(AudioTooLarge, match="bytes; at most 999") as caught:
            read(source, 999)
        assert caught.value.http_code == "Audio.FileSizeExceed"


def test_addresses_are_known_by_how_they_begin() -> None:
    assert is_url("https://a/b.wav") and is_url("HTTP://a")
    assert not is_url("data:audio/wav,https://a") and not is_url("ftp://a")
