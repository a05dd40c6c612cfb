"""Music under a voice: repeated, faded at the end, never clipped."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.sounds import SAMPLE_RATE, check_pieces_of_any_size, run, strongest_hz, tone
from saystream.dsp.background import FADE_OUT_MS, LOUDEST, Mix
from saystream.dsp.loudness import PEAK_LIMIT

FADING = SAMPLE_RATE * FADE_OUT_MS // 1000
SILENCE = np.zeros(SAMPLE_RATE, np.float32)


def test_music_is_repeated_under_the_voice_at_its_volume() -> None:
    music = tone(300, 2000)
    heard = run(Mix(SAMPLE_RATE, music, 50), SILENCE)
    expected = np.tile(music, 12)[:SAMPLE_RATE] / 2
    np.testing.assert_allclose(heard[:SAMPLE_RATE], expected, atol=1e-6)


def test_the_voice_stays_as_it_was() -> None:
    voice, music = tone(200, SAMPLE_RATE), tone(3000, SAMPLE_RATE) * np.float32(0.2)
    heard = run(Mix(SAMPLE_RATE, music, LOUDEST), voice)
    np.testing.assert_allclose(heard[:SAMPLE_RATE] - music, voice, atol=1e-6)


def test_behind_the_voice_the_music_fades() -> None:
    mix = Mix(SAMPLE_RATE, np.full(100, 0.5, np.float32), LOUDEST)
    heard = run(mix, SILENCE[:1000])
    assert len(heard) == 1000 + FADING == 1000 + mix.num_fading
    np.testing.assert_allclose(heard[1000:], np.linspace(0.5, 0, FADING), atol=1e-6)


def test_both_together_are_limited_and_not_clipped() -> None:
    loud = tone(200, SAMPLE_RATE) * np.float32(1.8)
    heard = run(Mix(SAMPLE_RATE, loud, LOUDEST), loud)
    assert np.abs(heard).max() == pytest.approx(PEAK_LIMIT, abs=0.01)
    assert strongest_hz(heard) == pytest.approx(200, abs=2)


def test_without_samples_the_voice_is_alone() -> None:
    voice = tone(200, 5000)
    heard = run(Mix(SAMPLE_RATE, voice[:0], LOUDEST), voice)
    np.testing.assert_allclose(heard[:5000], voice, atol=1e-6)
    assert not heard[5000:].any()


def test_a_volume_of_0_is_silence() -> None:
    assert not run(Mix(SAMPLE_RATE, tone(200, 5000), 0), SILENCE).any()


def test_the_mix_does_not_depend_on_the_pieces() -> None:
    check_pieces_of_any_size(lambda: Mix(SAMPLE_RATE, tone(333, 1700), 80), tone(220, 6000))


def test_an_empty_piece_gives_nothing() -> None:
    assert Mix(SAMPLE_RATE, tone(333, 1700), 80).push(SILENCE[:0]) == []
