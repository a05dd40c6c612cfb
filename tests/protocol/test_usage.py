from __future__ import annotations

import msgspec
import pytest

from saystream.protocol.usage import HttpUsage, Usage

TOKENS = Usage.of_tokens(text_tokens=7, audio_tokens=150)


@pytest.mark.parametrize("usage", [Usage.of_characters(195), HttpUsage.of(Usage.of_characters(195))])
def test_characters_stand_alone(usage: Usage | HttpUsage) -> None:
    assert msgspec.json.encode(usage) == b'{"characters":195}'


def test_tokens_are_summed_and_told_apart_in_the_order_of_the_realtime_interface() -> None:
    assert msgspec.json.encode(TOKENS) == (
        b'{"total_tokens":157,"input_tokens":7,"output_tokens":150,"input_tokens_details":{"text_tokens":7},'
        b'"output_tokens_details":{"text_tokens":0,"audio_tokens":150}}'
    )


def test_over_http_audio_tokens_come_before_text_tokens() -> None:
    assert msgspec.json.encode(HttpUsage.of(TOKENS)) == (
        b'{"total_tokens":157,"input_tokens":7,"output_tokens":150,"input_tokens_details":{"text_tokens":7},'
        b'"output_tokens_details":{"audio_tokens":150,"text_tokens":0}}'
    )
