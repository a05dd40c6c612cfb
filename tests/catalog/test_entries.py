from __future__ import annotations

import pytest

from saystream.catalog import load


@pytest.mark.parametrize(
    ("name", "undated", "snapshot_of"),
    [
        ("qwen3-tts-flash-realtime", "qwen3-tts-flash-realtime", None),
        ("qwen3-tts-flash-realtime-2025-11-27", "qwen3-tts-flash-realtime", "qwen3-tts-flash-realtime"),
        ("qwen3-tts-vc-realtime-2026-01-15", "qwen3-tts-vc-realtime", "qwen3-tts-vc-realtime"),
        ("qwen-tts-realtime-latest", "qwen-tts-realtime", None),
        ("qwen-tts-realtime-2025-07-15", "qwen-tts-realtime", "qwen-tts-realtime"),
    ],
)
def test_a_dated_model_is_a_snapshot_of_the_undated_one(
    name: str, undated: str, snapshot_of: str | None
) -> None:
    model = load().model(name, door="realtime")

    assert (model.undated, model.snapshot_of) == (undated, snapshot_of)
