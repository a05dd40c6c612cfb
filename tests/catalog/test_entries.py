from __future__ import annotations

import pytest

from saystream.catalog import load


@pytest.mark.parametrize(
    ("name", "undated"),
    [
        ("qwen3-tts-flash-realtime", "qwen3-tts-flash-realtime"),
        ("qwen3-tts-flash-realtime-2025-11-27", "qwen3-tts-flash-realtime"),
        ("qwen3-tts-vc-realtime-2026-01-15", "qwen3-tts-vc-realtime"),
        ("qwen-tts-realtime-latest", "qwen-tts-realtime"),
        ("qwen-tts-realtime-2025-07-15", "qwen-tts-realtime"),
    ],
)
def test_the_versions_of_a_model_share_its_undated_name(name: str, undated: str) -> None:
    assert load().model(name, door="realtime").undated == undated
