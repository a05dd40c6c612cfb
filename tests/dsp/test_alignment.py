from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.dsp.alignment import SpokenWord, align

RATE = 1000


def sound(*parts: tuple[float, int]) -> np.ndarray:
    """Noise of these levels, each for so many ms."""
    chance = np.random.default_rng(1)
    return np.concatenate(
        [level * chance.standard_normal(ms) for level, ms in parts] or [np.zeros(0)]
    ).astype(np.float32)


def test_words_share_the_time_between_silences_by_their_length() -> None:
    words = [SpokenWord(1), SpokenWord(2)]
    (first, second) = align(sound((0, 200), (0.3, 600), (0, 300)), RATE, words)
    assert first[0] == pytest.approx(200, abs=5)
    assert first[1] == second[0] == pytest.approx(400, abs=45)
    assert second[1] == pytest.approx(800, abs=5)


def test_a_silence_is_where_the_text_has_a_pause() -> None:
    words = [SpokenWord(1), SpokenWord(1, pause=True), SpokenWord(1), SpokenWord(1)]
    times = align(sound((0.3, 500), (0, 200), (0.3, 300)), RATE, words)
    assert times[1][1] == pytest.approx(500, abs=5)
    assert times[2][0] == pytest.approx(700, abs=5)


def test_a_border_moves_to_the_quietest_moment_near_it() -> None:
    times = align(sound((0.3, 320), (0.02, 10), (0.3, 270)), RATE, [SpokenWord(1), SpokenWord(1)])
    assert times[0][1] == pytest.approx(325, abs=8)


def test_a_silence_inside_a_word_is_part_of_it() -> None:
    before, after = sound((0.3, 300), (0, 100), (0.3, 300)), sound((0.3, 30), (0, 100), (0.3, 600))
    assert align(before, RATE, [SpokenWord(1)]) == [(0, 700)]
    assert align(after, RATE, [SpokenWord(1), SpokenWord(1)])[0][0] == 0


def test_a_sound_after_the_last_word_belongs_to_it() -> None:
    click = sound((0.3, 300), (0, 200), (0.3, 290), (0, 200), (0.3, 10))
    times = align(click, RATE, [SpokenWord(1, pause=True), SpokenWord(1)])
    assert times[0][1] <= times[1][0]
    assert times[1][1] == pytest.approx(1000, abs=10)


def test_more_words_than_moments_have_what_there_is() -> None:
    times = align(sound((0.3, 10)), RATE, [SpokenWord(1)] * 9)
    assert times == sorted(times)
    assert times[-1][1] <= 10


@pytest.mark.parametrize("samples", [sound(), sound((0, 2)), sound((0, 300))])
def test_words_of_a_silent_sound_have_no_time(samples: np.ndarray) -> None:
    assert align(samples, RATE, [SpokenWord(1)]) == [(0, 0)]


def test_a_sound_without_words_has_no_times() -> None:
    assert align(sound((0.3, 300)), RATE, []) == []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.3]), st.integers(1, 300)), max_size=8),
    st.lists(st.builds(SpokenWord, st.floats(0.1, 5), st.booleans()), max_size=12),
)
def test_times_are_in_order_and_within_the_sound(
    parts: list[tuple[float, int]], words: list[SpokenWord]
) -> None:
    samples = sound(*parts)
    times = align(samples, RATE, words)
    assert len(times) == len(words)
    flat = [ms for pair in times for ms in pair]
    assert flat == sorted(flat)
    assert all(0 <= ms <= len(samples) for ms in flat)
