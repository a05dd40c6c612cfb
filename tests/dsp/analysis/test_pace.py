from __future__ import annotations

import numpy as np
import pytest

from hums import RATE, syllables
from saystream.dsp.analysis.intonation import intonation_hz
from saystream.dsp.analysis.pace import syllables_per_s


def measured(samples: np.ndarray) -> float:
    return syllables_per_s(samples, RATE, intonation_hz(samples, RATE))


@pytest.mark.parametrize("per_s", [2.5, 4.0, 6.0])
def test_syllables_are_counted(per_s: float) -> None:
    assert measured(syllables(18, per_s)) == pytest.approx(per_s, rel=0.1)


def test_pauses_do_not_make_a_speaker_slow() -> None:
    speech = syllables(12, 4.0)
    pause = np.zeros(RATE, np.float32)
    assert measured(np.concatenate([speech, pause, speech])) == pytest.approx(4.0, rel=0.1)


def test_in_silence_there_are_no_syllables() -> None:
    assert measured(np.zeros(100, np.float32)) == 0
    assert measured(np.zeros(RATE, np.float32)) == 0
