from __future__ import annotations

import msgspec

from saystream.protocol.usage import Usage


def test_characters_stand_alone() -> None:
    assert msgspec.json.encode(Usage.of_characters(195)) == b'{"characters":195}'


def test_tokens_are_summed_and_told_apart() -> None:
    assert msgspec.to_builtins(Usage.of_tokens(text_tokens=7, audio_tokens=150)) == {
        "total_tokens": 157,
        "input_tokens": 7,
        "output_tokens": 150,
        "input_tokens_details": {"text_tokens": 7},
        "output_tokens_details": {"text_tokens": 0, "audio_tokens": 150},
    }
