from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np
import pytest

from hums import RATE, hum, syllables
from saystream.engines.base import Recording
from saystream.engines.kokoro.match.bases import Bases
from saystream.engines.kokoro.match.encoder import EMBEDDING_SIZE, SpeakerEncoder
from saystream.engines.kokoro.match.material import Match
from saystream.engines.kokoro.match.search import Matcher, measured
from saystream.errors import AudioSilent

OWN_HZ = 150.0
"""Of the model that hums, in every mix."""


def sung(match: Match) -> np.ndarray:
    """What the model that hums would say."""
    hertz = match.hz * (OWN_HZ / match.own_hz) ** match.spread
    return syllables(round(8 * match.speed), 4.0 * match.speed, hertz)


class Ears(SpeakerEncoder):
    """Hears nothing but what it is told."""

    def __init__(self, hear: Callable[[np.ndarray], np.ndarray]) -> None:
        self._hear = hear

    def embedding(self, samples: np.ndarray) -> np.ndarray:
        heard = np.resize(self._hear(samples), EMBEDDING_SIZE)
        return np.asarray(heard / np.linalg.norm(heard), np.float32)


@pytest.fixture(scope="module")
def bases() -> Bases:
    return Bases(["af_heart", "am_adam", "am_michael", "zf_xiaoxiao", "zm_yunyang", "bm_lewis"])


def matcher(bases: Bases, ears: SpeakerEncoder | None = None, **more: Callable[[], float]) -> Matcher:
    return Matcher(bases, ears, sample_rate=RATE, say=sung, **more)


def test_pitch_pace_and_colour_become_those_of_the_speaker(bases: Bases) -> None:
    speaker = np.concatenate([syllables(10, 4.6, 110.0)] * 2)
    match, similarity = matcher(bases).match(Recording(speaker, RATE))
    assert similarity is None
    assert match.hz == pytest.approx(110, rel=0.01)
    assert measured(sung(match), RATE, None).hz == pytest.approx(110, rel=0.02)
    assert match.speed == pytest.approx((4.6 / 4.0) ** 0.7, rel=0.1)
    assert {name[1] for name in match.timbre} == {"m"}
    assert max(map(abs, match.levels_db)) < 3


def test_a_darker_speaker_makes_the_mix_darker(bases: Bases) -> None:
    dark = hum(120.0, 3.0, tilt=-12.0)
    match, _ = matcher(bases).match(Recording(dark, RATE))
    assert np.mean(match.levels_db[:6]) > np.mean(match.levels_db[12:18]) + 5
    assert max(map(abs, match.levels_db)) <= 12


def test_what_is_heard_as_most_similar_is_taken(bases: Bases) -> None:
    """The more often it was asked, the more similar it finds what it hears."""
    asked = count()

    def hear(samples: np.ndarray) -> np.ndarray:
        return np.array([1.0, 0.0]) if (turn := next(asked)) == 0 else np.array([turn, 10.0])

    match, similarity = matcher(bases, Ears(hear)).match(Recording(syllables(12, 4.0, 110.0), RATE))
    assert similarity is not None and 0.5 < similarity <= 1
    assert match.formant > 1
    assert sum(match.timbre.values()) == pytest.approx(1, abs=0.01)


def test_no_mix_is_tried_after_the_time_is_up(bases: Bases) -> None:
    said: list[Match] = []

    def say(match: Match) -> np.ndarray:
        said.append(match)
        return sung(match)

    hurried = Matcher(
        bases,
        Ears(lambda samples: np.array([1.0, 0.0])),
        sample_rate=RATE,
        say=say,
        clock=lambda: 30.0 * len(said),
    )
    hurried.match(Recording(syllables(12, 4.0, 110.0), RATE))
    assert len(said) == 2, "one to measure, one to hear"


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), hum(120.0, 0.3)])
def test_a_recording_with_hardly_a_voice_is_refused(bases: Bases, samples: np.ndarray) -> None:
    with pytest.raises(AudioSilent, match="hardly"):
        matcher(bases).match(Recording(samples, RATE))
