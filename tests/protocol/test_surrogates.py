"""Characters that were cut between their UTF-16 halves are whole again, and nothing else changes."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.protocol.surrogates import HalfCharacters, decode_with_halves, mended

HALVES = st.text(st.characters(codec="utf-8") | st.sampled_from("\ud83d\ude00\ud83d\ude00a"))


@given(st.text(), st.integers(0))
def test_a_text_cut_anywhere_in_utf_16_is_whole_again(text: str, place: int) -> None:
    units = text.encode("utf-16-le")
    cut = place % (len(units) // 2 + 1) * 2
    halves = HalfCharacters()
    pieces = (part.decode("utf-16-le", "surrogatepass") for part in (units[:cut], units[cut:]))
    assert "".join(map(halves.push, pieces)) == text


@given(st.lists(HALVES))
def test_what_comes_out_can_be_written_in_utf_8(pieces: list[str]) -> None:
    halves = HalfCharacters()
    assert "".join(map(halves.push, pieces)).encode() is not None


def test_a_lone_half_is_replaced_and_the_text_around_it_stays() -> None:
    halves = HalfCharacters()
    assert [halves.push(piece) for piece in ("a\ud83d", "b", "\ude00c", "d\ud83d")] == [
        "a",
        "\ufffdb",
        "\ufffdc",
        "d",
    ]
    halves.clear()
    assert halves.push("\ude00e") == "\ufffde"


def test_values_are_mended_at_any_depth() -> None:
    given_value = {"a\ud83d": ["\ud83d\ude00", {"b": "\ude00"}, 1, None], "c": "é"}
    assert mended(given_value) == {"a\ufffd": ["😀", {"b": "\ufffd"}, 1, None], "c": "é"}


@pytest.mark.parametrize("text", ['{"a":"\\ud83d"}', b'{"a":"\\ud83d"}', '{"a":"\\udc00","b":1e3}'])
def test_escaped_halves_are_decoded(text: str | bytes) -> None:
    assert decode_with_halves(text) == json.loads(text)


@pytest.mark.parametrize(
    "text", ["{", '{"a":"\\ud83d"', '["\\ud83d",NaN]', b'"\xff\\ud83d"', '"\ud83d\\ud83d"', "1e999"]
)
def test_anything_else_is_refused_as_before(text: str | bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeError)):
        decode_with_halves(text)
