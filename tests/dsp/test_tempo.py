"""Both libraries keep one contract: the right length, exact pitch, no steps, whatever the cuts of the input."""

import importlib
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.sounds import (
    SAMPLE_RATE,
    cents,
    check_every_single_cut,
    check_pieces_of_any_size,
    noise,
    run,
    strongest_hz,
    tone,
    vowel,
)
from saystream.dsp import tempo
from saystream.dsp.stage import Stage
from saystream.dsp.tempo import PITCH_RANGE, SPEED_RANGE, TEMPO_LIBRARY, Atempo, Sonic, make_tempo
from saystream.errors import InvalidValue

LIBRARIES = (Sonic, Atempo)

LATEST_END = SAMPLE_RATE * 60 // 1000
"""How much longer than asked for the output may be, where a library lags behind."""

STAGES: dict[str, Callable[[], Stage]] = {
    f"{library.__name__} {name}": partial(library, SAMPLE_RATE, **wanted)
    for library in LIBRARIES
    for name, wanted in {
        "lower": {"pitch": 0.6},
        "higher and faster": {"speed": 1.3, "pitch": 1.4},
        "slower": {"speed": 0.7},
        "far faster": {"speed": 3.5},
        "as it is": {},
    }.items()
}


@pytest.mark.parametrize("num_samples", [0, 1, 2, 479, 480, 481, 1023, 4001])
@pytest.mark.parametrize("make", STAGES.values(), ids=STAGES)
def test_what_comes_out_does_not_depend_on_how_the_input_was_cut(
    make: Callable[[], Stage], num_samples: int
) -> None:
    check_pieces_of_any_size(make, vowel(120, 5000)[:num_samples])


@pytest.mark.parametrize("make", STAGES.values(), ids=STAGES)
def test_every_place_of_a_single_cut_gives_the_same(make: Callable[[], Stage]) -> None:
    check_every_single_cut(make, vowel(120, 3000)[:1501])


@pytest.mark.parametrize("library", LIBRARIES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(0, 9000), max_size=5),
    speed=st.floats(*SPEED_RANGE),
    pitch=st.floats(*PITCH_RANGE),
)
def test_the_length_is_what_the_speed_asks_for_and_what_its_sound_takes_to_end(
    library: type[Sonic | Atempo], lengths: Sequence[int], speed: float, pitch: float
) -> None:
    pitch = min(pitch, speed * 4)
    output = run(library(SAMPLE_RATE, speed=speed, pitch=pitch), *(noise(length) for length in lengths))
    assert 0 <= len(output) - round(sum(lengths) / speed) <= LATEST_END
    assert np.isfinite(output).all()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("speed", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("pitch", [0.5, 1.0, 1.2, 2.0])
def test_nothing_is_lost_at_the_beginning_or_at_the_end(
    library: type[Sonic | Atempo], speed: float, pitch: float
) -> None:
    """The vowel fades in and out within 5 ms: what is cut off would be heard as a click."""
    sound = vowel(100, SAMPLE_RATE // 2)
    sound *= np.minimum(1, np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1]) / 120)
    output = run(library(SAMPLE_RATE, speed=speed, pitch=pitch), sound)
    edge = SAMPLE_RATE // 50
    assert abs(output[0]) < 0.01 and abs(output[-1]) < 0.01
    assert np.abs(output[:edge]).max() > 0.3 * np.abs(sound[:edge]).max()
    ending = LATEST_END + round(edge / speed)  # or it ended early, and silence filled it up
    assert np.abs(output[-ending:]).max() > 0.3 * np.abs(sound[-edge:]).max()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("sample_rate", [16000, 22050, 24000])
@pytest.mark.parametrize("pitch", [0.5, 0.6, 0.8, 1.25, 2.0])
def test_a_tone_moves_to_its_pitch_within_ten_cents(
    library: type[Sonic | Atempo], pitch: float, sample_rate: int
) -> None:
    output = run(library(sample_rate, pitch=pitch), tone(220, 2 * sample_rate, sample_rate))
    heard = strongest_hz(output[sample_rate // 4 : -sample_rate // 4], sample_rate)
    assert abs(cents(heard, 220 * pitch)) < 10


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_another_speed_keeps_the_pitch(library: type[Sonic | Atempo], speed: float) -> None:
    output = run(library(SAMPLE_RATE, speed=speed), tone(220, 2 * SAMPLE_RATE))
    assert abs(cents(strongest_hz(output[6000:-6000]), 220)) < 10


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("speed", "pitch"), [(0.5, 1.0), (2.0, 1.0), (1.0, 0.5), (1.3, 0.8), (2.0, 0.5)])
def test_there_is_no_step_not_even_at_the_end(
    library: type[Sonic | Atempo], speed: float, pitch: float
) -> None:
    """The tone ends at a zero: what follows is silence, and neither may begin with a jump."""
    output = run(library(SAMPLE_RATE, speed=speed, pitch=pitch), tone(220, 2 * SAMPLE_RATE))
    its_own = 0.5 * 2 * np.pi * 220 * pitch / SAMPLE_RATE
    blur = 1.2 if library is Sonic else 1.5  # where waves are crossed that do not quite meet
    assert np.abs(np.diff(output)).max() <= blur * its_own + 2 / 32767


@pytest.mark.parametrize("library", LIBRARIES)
def test_at_one_every_sample_stays_as_it_was(library: type[Sonic | Atempo]) -> None:
    samples = 3 * noise(1000)
    np.testing.assert_array_equal(run(library(SAMPLE_RATE), samples), samples)


@pytest.mark.parametrize("make", STAGES.values(), ids=STAGES)
def test_the_first_output_comes_no_later_than_the_stage_says(make: Callable[[], Stage]) -> None:
    for sound in (vowel(80), noise(SAMPLE_RATE), tone(220, SAMPLE_RATE)):
        stage = make()
        num_in = 0
        while not stage.push(sound[num_in : num_in + 24]):
            num_in += 24
        assert num_in * 1000 / SAMPLE_RATE <= stage.delay_ms


def test_sonic_holds_back_at_most_fifty_milliseconds_before_it_begins() -> None:
    assert Sonic(SAMPLE_RATE, speed=0.5).delay_ms == Sonic(SAMPLE_RATE, pitch=2.0).delay_ms == 50
    assert Sonic(SAMPLE_RATE).delay_ms == 0


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("value", [0.0, -1.0, 0.1, 9.0, math.nan, math.inf])
def test_numbers_out_of_range_are_refused_with_the_range(library: type[Sonic | Atempo], value: float) -> None:
    for param in ("speed", "pitch"):
        with pytest.raises(InvalidValue, match="a number from") as refused:
            library(SAMPLE_RATE, **{param: value})
        assert refused.value.param == param


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_speed_far_below_the_pitch_is_refused(library: type[Sonic | Atempo]) -> None:
    with pytest.raises(InvalidValue, match=r"at least a quarter of the pitch, 2\.5"):
        library(SAMPLE_RATE, speed=0.5, pitch=2.5)


def test_libsonic_is_the_first_choice() -> None:
    assert TEMPO_LIBRARY == "libsonic"
    assert isinstance(make_tempo(SAMPLE_RATE, speed=1.5), Sonic)


def test_where_libsonic_is_not_installed_atempo_is_chosen_when_the_module_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "libsonic", None)
    monkeypatch.delitem(sys.modules, "saystream.dsp.tempo")
    without = importlib.import_module("saystream.dsp.tempo")
    monkeypatch.setattr("saystream.dsp.tempo", tempo)
    assert without.TEMPO_LIBRARY == "atempo"
    assert isinstance(without.make_tempo(SAMPLE_RATE, pitch=1.5), without.Atempo)
    assert 2000 <= len(run(without.make_tempo(SAMPLE_RATE, speed=1.5), noise(3000))) <= 2000 + LATEST_END
