from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.sounds import SAMPLE_RATE, check_pieces_of_any_size, noise, run
from saystream.dsp.pauses import Pauses
from saystream.errors import InvalidValue

MS = SAMPLE_RATE // 1000


def silence(ms: int) -> np.ndarray:
    return np.zeros(ms * MS, np.float32)


def sound(ms: int) -> np.ndarray:
    return noise(ms * MS)


SPEECH = np.concatenate(
    [silence(200), sound(300), silence(400), sound(200), silence(50), sound(105), silence(300)]
)
"""A pause of 400 ms, and a silence that is none."""


def silences_ms(samples: np.ndarray) -> list[int]:
    """Those between the first and the last sound, in their order."""
    loud = np.flatnonzero(np.abs(samples) > 0.001)
    gaps = np.diff(loud)
    return [round(gap / MS) for gap in gaps if gap > 20 * MS]


@pytest.mark.parametrize(("ratio", "pause_ms"), [(0.1, 40), (0.5, 200), (1.0, 400), (1.5, 600), (3.0, 1200)])
def test_a_pause_gets_its_new_length_and_nothing_else_changes(ratio: float, pause_ms: int) -> None:
    changed = run(Pauses(SAMPLE_RATE, ratio=ratio), SPEECH)
    assert silences_ms(changed) == pytest.approx([pause_ms, 50], abs=1)
    assert len(changed) == len(SPEECH) + (pause_ms - 400) * MS
    np.testing.assert_array_equal(changed[: 500 * MS], SPEECH[: 500 * MS])
    np.testing.assert_array_equal(changed[-500 * MS :], SPEECH[-500 * MS :])


@pytest.mark.parametrize("ratio", [0.3, 2.0])
def test_what_comes_out_does_not_depend_on_how_the_input_was_cut(ratio: float) -> None:
    check_pieces_of_any_size(lambda: Pauses(SAMPLE_RATE, ratio=ratio), SPEECH[: 1300 * MS])


@pytest.mark.parametrize("ratio", [0.3, 1.0, 2.0])
def test_silence_alone_stays_as_it_is(ratio: float) -> None:
    assert len(run(Pauses(SAMPLE_RATE, ratio=ratio), silence(333))) == 333 * MS
    assert len(run(Pauses(SAMPLE_RATE, ratio=ratio))) == 0


def test_a_silence_that_has_no_end_is_let_out() -> None:
    stage = Pauses(SAMPLE_RATE, ratio=0.1)
    stage.push(sound(100))
    heard = sum(map(len, stage.push(silence(9000))))
    assert heard == 4000 * MS
    assert stage.num_settled == heard + 100 * MS


@pytest.mark.parametrize("ratio", [0.0, 5.1, float("nan")])
def test_a_ratio_that_cannot_be_is_refused(ratio: float) -> None:
    with pytest.raises(InvalidValue) as refused:
        Pauses(SAMPLE_RATE, ratio=ratio)
    assert refused.value.param == "pauses"


@pytest.mark.parametrize(("ratio", "shift_ms"), [(0.5, -200), (2.0, 400)])
def test_it_knows_where_each_sample_comes_out(ratio: float, shift_ms: int) -> None:
    stage = Pauses(SAMPLE_RATE, ratio=ratio)
    changed = run(stage, SPEECH)
    for ms in (250, 400, 950, 1200):
        place = int(stage.place(ms * MS))
        assert changed[place] == SPEECH[ms * MS]
    assert stage.place(950 * MS) == (950 + shift_ms) * MS


@settings(max_examples=40, deadline=None, derandomize=True)
@given(ratio=st.floats(0.1, 5), lengths=st.lists(st.integers(0, 500), max_size=6))
def test_places_never_fall(ratio: float, lengths: list[int]) -> None:
    stage = Pauses(SAMPLE_RATE, ratio=ratio)
    for number, ms in enumerate(lengths):
        stage.push(silence(ms) if number % 2 else sound(ms))
    places = [stage.place(num) for num in range(0, sum(lengths) * MS, 97)]
    assert places == sorted(places)
