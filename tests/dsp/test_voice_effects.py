"""Effects that SSML names: what each does to the spectrum, however the samples are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from saystream.audio import SAMPLE_RATES
from saystream.dsp.loudness import PEAK_LIMIT
from saystream.dsp.stage import flush_all, push_all
from saystream.dsp.voice_effects import EFFECTS, check_effect, make_effect
from saystream.errors import InvalidValue

if TYPE_CHECKING:
    from saystream.audio import Samples

RATE = 24000
NOISE: Samples = (np.random.default_rng(0).standard_normal(2 * RATE) * 0.1).astype(np.float32)
VALUES: dict[str, tuple[float, ...]] = {
    "eq": (0, 20, 0, 0, -20, 0, 10, 0),
    "lpfilter": (2000,),
    "hpfilter": (2000,),
}


def voiced() -> Samples:
    """Two seconds of a gliding note with its harmonics."""
    pitch = 180 + 40 * np.sin(2 * np.pi * 0.7 * np.arange(2 * RATE) / RATE)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    harmonics = [np.sin(number * phase) / number for number in range(1, 25)]
    return (0.1 * np.sum(harmonics, axis=0)).astype(np.float32)


def affected(name: str, samples: Samples, cuts: tuple[int, ...] = (), sample_rate: int = RATE) -> Samples:
    stages = [make_effect(name, VALUES.get(name, ()), sample_rate)]
    pieces = [piece for cut in np.split(samples, cuts) for piece in push_all(stages, [cut])]
    return np.concatenate([*pieces, *flush_all(stages)])


def level_db(samples: Samples, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    return float(10 * np.log10(power[(frequency >= low_hz) & (frequency < high_hz)].mean()))


def change_db(name: str, low_hz: float, high_hz: float) -> float:
    return level_db(affected(name, NOISE), low_hz, high_hz) - level_db(NOISE, low_hz, high_hz)


@pytest.mark.parametrize("name", EFFECTS)
def test_the_sound_does_not_depend_on_how_it_was_cut(name: str) -> None:
    whole = affected(name, NOISE)
    cut = affected(name, NOISE, (1, 100, 5000, 5001, 20000, 2 * RATE - 1))
    assert len(whole) == len(cut)
    np.testing.assert_allclose(whole, cut, atol=1e-5)


@pytest.mark.parametrize("name", EFFECTS)
def test_nothing_is_louder_than_the_limit(name: str) -> None:
    assert np.abs(affected(name, np.sign(NOISE))).max() <= PEAK_LIMIT + 0.01


@pytest.mark.parametrize(
    ("name", "low_hz", "high_hz", "least_db", "most_db"),
    [
        ("lowpass", 100, 800, -1.5, 0.5),
        ("lowpass", 4000, 9000, -90, -25),
        ("lpfilter", 100, 1000, -1.5, 0.5),
        ("lpfilter", 6000, 9000, -90, -30),
        ("hpfilter", 6000, 9000, -1, 0.5),
        ("hpfilter", 100, 600, -120, -30),
        ("eq", 90, 110, 14, 21),
        ("eq", 760, 840, -21, -14),
        ("eq", 3800, 4200, 6, 11),
    ],
)
def test_filters_change_the_bands_that_they_name(
    name: str, low_hz: float, high_hz: float, least_db: float, most_db: float
) -> None:
    assert least_db < change_db(name, low_hz, high_hz) < most_db


def test_a_robot_hums_on_one_note() -> None:
    spectrum = np.abs(np.fft.rfft(affected("robot", voiced())[RATE:]))
    frequency = np.fft.rfftfreq(RATE, 1 / RATE)
    note = RATE / 128
    beside = np.abs(frequency / note - np.round(frequency / note)) * note > 8
    assert (spectrum[~beside] ** 2).sum() > 10 * (spectrum[beside] ** 2).sum()


def test_a_girl_is_higher() -> None:
    def highest(samples: Samples) -> float:
        power = np.abs(np.fft.rfft(samples)) ** 2
        return float(np.fft.rfftfreq(len(samples), 1 / RATE)[power.argmax()])

    tone = np.sin(2 * np.pi * 300 * np.arange(2 * RATE) / RATE).astype(np.float32)
    assert highest(affected("lolita", tone)) == pytest.approx(420, rel=0.03)


def test_an_echo_comes_back_and_outlasts_the_voice() -> None:
    click = np.zeros(RATE // 10, np.float32)
    click[0] = 0.5
    heard = np.abs(affected("echo", click))
    assert len(heard) > RATE * 0.26
    assert heard[round(RATE * 0.26) - 50 : round(RATE * 0.26) + 50].max() > 0.05


@pytest.mark.parametrize("name", ["robot", "lolita", "echo"])
def test_a_voice_stays_about_as_loud(name: str) -> None:
    before, after = voiced(), affected(name, voiced())
    assert abs(20 * np.log10(np.sqrt((after**2).mean() / (before**2).mean()))) < 4


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
@pytest.mark.parametrize("name", EFFECTS)
def test_every_rate_has_every_effect(name: str, sample_rate: int) -> None:
    assert len(affected(name, NOISE[:8000], sample_rate=sample_rate)) >= 7900


def test_a_filter_at_the_end_of_the_band_leaves_the_voice_as_it_is() -> None:
    stages = [make_effect("lpfilter", (4000,), 8000)]
    heard = np.concatenate([*push_all(stages, [NOISE]), *flush_all(stages)])
    np.testing.assert_allclose(heard, NOISE, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "values", "param"),
    [
        ("choir", (), "effect"),
        ("eq", (1, 2), "effectValue"),
        ("eq", (0, 0, 0, 0, 0, 0, 0, 21), "effectValue"),
        ("lpfilter", (), "effectValue"),
        ("lpfilter", (12001,), "effectValue"),
        ("hpfilter", (0,), "effectValue"),
        ("robot", (1,), "effectValue"),
    ],
)
def test_an_effect_that_there_is_not_is_refused(name: str, values: tuple[float, ...], param: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        check_effect(name, values, RATE)
    assert refused.value.param == param
