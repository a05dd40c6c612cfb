from __future__ import annotations

import pytest

from saystream.engines.base import SynthesisRequest
from saystream.text.description import described
from saystream.voices.instructed import instructed, pauses_of

BASE = SynthesisRequest("v", "en", speed=1.1, pitch=0.9, formant=0.95)


def asked(instructions: str) -> SynthesisRequest:
    return instructed(BASE, described(instructions))


def test_nothing_understood_changes_nothing() -> None:
    assert asked("hello") == BASE


@pytest.mark.parametrize(
    ("instructions", "field", "raised"),
    [
        ("fast", "speed", True),
        ("说慢一点", "speed", False),
        ("high pitch", "pitch", True),
        ("音调低沉", "pitch", False),
        ("expressive", "intonation", True),
        ("monotone", "intonation", False),
        ("大声", "loudness_db", True),
        ("whisper", "loudness_db", False),
        ("long pauses", "pauses", True),
        ("一口气说完", "pauses", False),
        ("shrill", "formant", True),
        ("浑厚", "formant", False),
        ("like a child", "pitch", True),
        ("like an old man", "speed", False),
    ],
)
def test_each_axis_moves_as_asked(instructions: str, field: str, raised: bool) -> None:
    before, after = getattr(BASE, field), getattr(asked(instructions), field)
    assert after > before if raised else after < before


def test_ratios_multiply_those_of_the_voice() -> None:
    assert asked("fast").speed / BASE.speed == pytest.approx(1.21)


def test_all_ratios_stay_within_what_engines_take() -> None:
    request = asked(
        "like a child, very fast, very high, shrill, very expressive, shouting, with very long pauses"
    )
    assert request.speed < 2
    assert request.pitch < 1.6
    assert request.formant < 1.3
    assert request.intonation < 2.2
    assert request.loudness_db <= 6
    assert request.pauses < 3


def test_pauses_between_texts_follow_the_instructions() -> None:
    assert pauses_of(described("")) == pauses_of(described("fast")) == 1.0
    assert pauses_of(described("long pauses")) > 1.5 > 0.7 > pauses_of(described("without pauses"))
