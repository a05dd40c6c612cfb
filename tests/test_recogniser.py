"""The recogniser that judges our speech: it hears what a voice of others says, and it hears what is missing."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hibari import Hibari

from foreign import Recogniser

pytestmark = pytest.mark.asr

SAMPLE_RATE = 24000
SENTENCES = [
    "She paid $42.50 for the book and gave the driver a tip.",
    "Could you please tell me where the nearest hospital is?",
    "Michael and Sarah have lived in Edinburgh since 1998.",
]


def write(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def test_clean_speech_is_heard_and_missing_words_are_missed(recogniser: Recogniser, tmp_path: Path) -> None:
    voice = Hibari()
    spoken = [np.clip(voice(sentence), -1, 1) for sentence in SENTENCES]
    whole = [write(tmp_path / f"{index}.wav", samples) for index, samples in enumerate(spoken)]
    heard = recogniser.hear(whole, SENTENCES)
    assert heard.differences == []
    assert heard.word_error_rate == 0
    cut = write(tmp_path / "cut.wav", spoken[1][: len(spoken[1]) // 3])
    assert recogniser.hear([cut], SENTENCES[1:2]).word_error_rate > 0.4
