import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.sounds import (
    FORMANTS_HZ,
    SAMPLE_RATE,
    check_every_single_cut,
    check_pieces_of_any_size,
    noise,
    run,
    vowel,
)
from saystream.dsp import tempo
from saystream.dsp.effects import FORMANT_RANGE, Formant, shaped, timbre
from saystream.dsp.stage import Stage
from saystream.dsp.tempo import Sonic
from saystream.errors import InvalidValue

STAGES: dict[str, Callable[[], Stage]] = {
    "formant up": lambda: Formant(SAMPLE_RATE, ratio=1.4),
    "formant down": lambda: Formant(SAMPLE_RATE, ratio=0.8),
    "formant that does nothing": lambda: Formant(SAMPLE_RATE, ratio=1.0),
}


def resonances(samples: np.ndarray, order: int = 12) -> list[float]:
    """Frequencies in Hz of the narrow poles of linear prediction."""
    windowed = samples.astype(float) * np.hanning(len(samples))
    lags = np.array([windowed[lag:] @ windowed[: len(windowed) - lag] for lag in range(order + 1)])
    rows = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    prediction = np.linalg.solve(lags[rows] + 1e-9 * lags[0] * np.eye(order), lags[1:])
    poles = np.roots([1, *-prediction])
    frequency = np.angle(poles) * SAMPLE_RATE / (2 * np.pi)
    bandwidth = -np.log(np.abs(poles)) * SAMPLE_RATE / np.pi
    return sorted(frequency[(frequency > 150) & (bandwidth < 600)])


def period_hz(samples: np.ndarray) -> float:
    """Pitch by autocorrelation, between 70 and 400 Hz."""
    spectrum = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(samples)] / np.arange(len(samples), 0, -1)
    shortest, longest = SAMPLE_RATE // 400, SAMPLE_RATE // 70
    return SAMPLE_RATE / (shortest + int(correlation[shortest:longest].argmax()))


@pytest.mark.parametrize("num_samples", [0, 1, 2, 479, 480, 481, 1023, 1024, 1025, 4001])
@pytest.mark.parametrize("make", STAGES.values(), ids=STAGES)
def test_what_comes_out_does_not_depend_on_how_the_input_was_cut(
    make: Callable[[], Stage], num_samples: int
) -> None:
    check_pieces_of_any_size(make, vowel(120, 5000)[:num_samples])


@pytest.mark.parametrize("make", STAGES.values(), ids=STAGES)
def test_every_place_of_a_single_cut_gives_the_same(make: Callable[[], Stage]) -> None:
    check_every_single_cut(make, vowel(120, 3000)[:1501])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(lengths=st.lists(st.integers(0, 3000), max_size=5), ratio=st.floats(*FORMANT_RANGE))
def test_formant_gives_as_many_samples_as_it_takes(lengths: Sequence[int], ratio: float) -> None:
    output = run(Formant(SAMPLE_RATE, ratio=ratio), *(noise(length) for length in lengths))
    assert len(output) == sum(lengths)
    assert np.isfinite(output).all()


@pytest.mark.parametrize("pitch_hz", [100, 130])
@pytest.mark.parametrize("ratio", [0.84, 1.2, 1.4])
def test_formant_moves_the_resonances_of_a_vowel_and_not_its_pitch(ratio: float, pitch_hz: float) -> None:
    output = run(Formant(SAMPLE_RATE, ratio=ratio), vowel(pitch_hz))[4000:-4000]
    for found, formant_hz in zip(resonances(output), FORMANTS_HZ, strict=False):
        assert found == pytest.approx(formant_hz * ratio, rel=0.05)
    assert len(resonances(output)) >= 2
    assert period_hz(output) == pytest.approx(pitch_hz, rel=0.01)


@pytest.mark.parametrize("ratio", [0.8, 1.2])
def test_formant_loses_neither_the_beginning_nor_the_end(ratio: float) -> None:
    sound = vowel(100)
    edge = SAMPLE_RATE // 100
    sound *= np.minimum(1, np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1]) / edge)
    output = run(Formant(SAMPLE_RATE, ratio=ratio), sound)
    for before, after in ((sound[:edge], output[:edge]), (sound[-edge:], output[-edge:])):
        assert np.std(after) > 0.7 * np.std(before)
    assert max(abs(output[0]), abs(output[-1])) < 0.05 * np.abs(output).max()


def test_formant_beside_one_gives_back_its_input() -> None:
    """The frames overlap to a whole: only the ratio changes the sound."""
    samples = noise(5001)
    np.testing.assert_allclose(run(Formant(SAMPLE_RATE, ratio=1 + 1e-7), samples), samples, atol=1e-5)


def test_formant_leaves_silence_silent() -> None:
    assert not run(Formant(SAMPLE_RATE, ratio=1.4), np.zeros(5000, np.float32)).any()


@pytest.mark.parametrize("make", STAGES.values(), ids=STAGES)
def test_no_more_is_held_back_than_the_stage_says(make: Callable[[], Stage]) -> None:
    stage, speed = make(), len(run(make(), noise(24000))) / 24000
    held_ms = []
    num_out = 0
    for block in range(100):
        num_out += sum(map(len, stage.push(vowel(80, 24000)[240 * block : 240 * (block + 1)])))
        held_ms.append((240 * (block + 1) - num_out / speed) * 1000 / SAMPLE_RATE)
    assert max(held_ms) <= stage.delay_ms


def test_a_voice_is_given_only_the_stages_that_it_needs() -> None:
    assert timbre(SAMPLE_RATE, speed=1.0, pitch=1.0, formant=1.0) == []
    assert [type(stage) for stage in timbre(SAMPLE_RATE, speed=1.0, pitch=0.6, formant=0.6)] == [Sonic]
    assert [type(stage) for stage in timbre(SAMPLE_RATE, speed=1.0, pitch=1.0, formant=0.9)] == [Formant]
    assert [type(stage) for stage in timbre(SAMPLE_RATE, speed=1.2, pitch=0.6, formant=0.9)] == [
        Sonic,
        Formant,
    ]


def test_without_libsonic_a_voice_is_given_the_second_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempo, "TEMPO_LIBRARY", "atempo")
    assert [type(stage) for stage in timbre(SAMPLE_RATE, speed=1.2, pitch=1.0, formant=1.0)] == [tempo.Atempo]


def test_a_man_made_from_a_woman_has_the_pitch_and_the_resonances_asked_for() -> None:
    stages = timbre(SAMPLE_RATE, speed=1.0, pitch=0.6, formant=0.84)
    samples = vowel(180, 2 * SAMPLE_RATE)
    pieces = [samples[start : start + 960] for start in range(0, len(samples), 960)]
    output = np.concatenate(list(shaped(pieces, stages)))
    assert 0 <= len(output) - len(samples) <= 0.01 * SAMPLE_RATE
    assert period_hz(output[8000:-8000]) == pytest.approx(0.6 * 180, rel=0.02)
    for found, formant_hz in zip(resonances(output[8000:-8000])[:2], FORMANTS_HZ, strict=False):
        assert found == pytest.approx(formant_hz * 0.84, rel=0.1)


def test_stages_that_are_shared_out_give_what_they_give_in_turn() -> None:
    samples = vowel(120, 6000)
    in_turn = run(Formant(SAMPLE_RATE, ratio=1.4), run(Sonic(SAMPLE_RATE, pitch=0.6), samples))
    stages = timbre(SAMPLE_RATE, speed=1.0, pitch=0.6, formant=0.84)
    np.testing.assert_array_equal(
        np.concatenate(list(shaped([samples[:100], samples[100:]], stages))), in_turn
    )


@pytest.mark.parametrize("value", [0.0, -1.0, 0.1, 9.0, math.nan, math.inf])
def test_numbers_out_of_range_are_refused_with_the_range(value: float) -> None:
    with pytest.raises(InvalidValue, match="a number from") as refused:
        Formant(SAMPLE_RATE, ratio=value)
    assert refused.value.param == "formant ratio"
