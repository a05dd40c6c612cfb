from __future__ import annotations

import pytest

from saystream import catalog
from saystream.catalog.entries import Door
from saystream.protocol.usage import Usage
from saystream.server.accounting.billing import TokenBill, bill

TEXT = "Hello there, 你好"


@pytest.mark.parametrize(
    ("model", "door", "usage"),
    [
        ("qwen3-tts-flash", "http", Usage.of_characters(17)),
        ("qwen3-tts-flash-realtime", "realtime", Usage.of_characters(17)),
        ("qwen-tts", "http", Usage.of_tokens(text_tokens=5, audio_tokens=100)),
        ("qwen-tts-realtime", "realtime", Usage.of_tokens(text_tokens=5, audio_tokens=100)),
    ],
)
def test_a_model_is_billed_by_characters_or_by_tokens(model: str, door: Door, usage: Usage) -> None:
    assert bill(catalog.load().model(model, door=door), TEXT, 1001.0).usage() == usage


def test_tokens_are_those_of_the_text_and_of_each_started_second() -> None:
    assert TokenBill.of(TEXT, 0.0) == TokenBill(text_tokens=5, audio_tokens=0)
    assert TokenBill.of(TEXT, 1.0) == TokenBill(text_tokens=5, audio_tokens=50)
