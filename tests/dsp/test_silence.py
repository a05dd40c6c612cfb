"""Sound passes at once; silence at the edges is cut or filled; silence inside stays, however the input is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.dsp.silence import LEADING_MS, QUIETEST, TRAILING_MS, SegmentEdges, trimmed

RATE = 1000
"""So that a sample is a millisecond."""

SOUND = np.full(50, 0.3, np.float32)


def silence(duration_ms: int) -> np.ndarray:
    return np.full(duration_ms, QUIETEST / 2, np.float32)


def joined(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate([*parts, np.zeros(0, np.float32)])


def said(*segments: np.ndarray, pause_ms: float = 0, size: int = 10_000) -> np.ndarray:
    edges = SegmentEdges(RATE)
    given_out = []
    for segment in segments:
        for start in range(0, len(segment), size):
            given_out += edges.push(segment[start : start + size])
        edges.end_segment(pause_ms)
    assert edges.flush() == []
    return joined(*given_out)


def gaps(samples: np.ndarray) -> list[int]:
    """Lengths of the silences, the first and the last too."""
    quiet = np.abs(samples) <= QUIETEST
    edges = np.flatnonzero(np.diff(np.concatenate(([not quiet[0]], quiet, [not quiet[-1]]))))
    runs = np.diff(edges)
    return [int(run) for run, start in zip(runs, edges[:-1], strict=True) if quiet[start]]


def test_sound_passes_at_once_and_untouched() -> None:
    edges = SegmentEdges(RATE)
    samples = np.linspace(0.1, 0.9, 100, dtype=np.float32)
    for sample in samples:
        [given_out] = edges.push(np.array([sample]))
        assert given_out == sample


def test_silence_before_a_segment_is_cut_to_its_end() -> None:
    ramp = np.linspace(0, QUIETEST, 500, dtype=np.float32)
    np.testing.assert_array_equal(said(joined(ramp, SOUND)), joined(ramp[-LEADING_MS:], SOUND))


def test_short_silence_before_a_segment_stays() -> None:
    np.testing.assert_array_equal(said(joined(silence(20), SOUND)), joined(silence(20), SOUND))


def test_silence_after_the_last_segment_is_cut_to_the_bound() -> None:
    assert gaps(said(joined(SOUND, silence(5000)), pause_ms=400)) == [TRAILING_MS]


def test_silence_up_to_the_bound_leaves_at_once() -> None:
    edges = SegmentEdges(RATE)
    assert len(joined(*edges.push(joined(SOUND, silence(TRAILING_MS))))) == 50 + TRAILING_MS


@pytest.mark.parametrize("duration_ms", [1, 99, 100, 101, 700, 1099, 3000])
def test_silence_inside_a_segment_stays_as_long_as_it_was(duration_ms: int) -> None:
    samples = joined(SOUND, silence(duration_ms), SOUND)
    for size in (1, 7, 10_000):
        np.testing.assert_array_equal(said(samples, size=size), samples)


@pytest.mark.parametrize(
    ("own_ms", "pause_ms", "expected_ms"),
    [
        (0, 0, []),
        (0, 300, [300]),
        (50, 300, [300]),
        (200, 300, [300]),
        (299, 300, [300]),
        (800, 300, [300]),
        (30, 0, [30]),
        (800, 0, [TRAILING_MS]),
        (35, 20, [35]),
    ],
)
def test_a_pause_fills_up_what_the_engine_left_and_cuts_what_goes_beyond(
    own_ms: int, pause_ms: int, expected_ms: list[int]
) -> None:
    assert gaps(joined(said(joined(SOUND, silence(own_ms)), SOUND, pause_ms=pause_ms))) == expected_ms


def test_the_engines_own_silence_before_the_next_segment_counts_for_the_pause() -> None:
    assert gaps(said(joined(SOUND, silence(30)), joined(silence(40), SOUND), pause_ms=200)) == [200]
    assert gaps(said(SOUND, joined(silence(500), SOUND), pause_ms=20)) == [LEADING_MS]


def test_the_engines_own_silence_is_kept_rather_than_made() -> None:
    samples = said(joined(SOUND, silence(800)), SOUND, pause_ms=300)
    np.testing.assert_array_equal(samples, joined(SOUND, silence(300), SOUND))


def test_a_segment_without_sound_leaves_the_pause_that_was_due() -> None:
    assert gaps(said(SOUND, silence(500), np.zeros(0, np.float32), SOUND, pause_ms=150)) == [150]


def test_a_pause_may_be_owed_from_before() -> None:
    edges = SegmentEdges(RATE, owed_ms=120)
    assert edges.owed_ms == 120
    assert gaps(joined(*edges.push(SOUND))) == [120]
    assert edges.owed_ms == 0


def test_no_more_than_ten_seconds_of_silence_is_held() -> None:
    edges = SegmentEdges(RATE)
    given_out = len(joined(*edges.push(joined(SOUND, silence(60_000)))))
    assert given_out == 50 + 60_000 - 10_000


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    runs=st.lists(st.tuples(st.booleans(), st.integers(0, 1500)), max_size=8),
    cuts=st.lists(st.integers(0, 12_000), max_size=8),
    end=st.integers(0, 12_000),
)
def test_what_comes_out_does_not_depend_on_how_the_input_was_cut(
    runs: list[tuple[bool, int]], cuts: list[int], end: int
) -> None:
    samples = joined(*(np.full(ms, 0.3, np.float32) if loud else silence(ms) for loud, ms in runs))
    end = min(end, len(samples))
    whole = said(samples[:end], samples[end:], pause_ms=130)
    edges = SegmentEdges(RATE)
    given_out = []
    for segment in (samples[:end], samples[end:]):
        for piece in np.split(segment, sorted(min(cut, len(segment)) for cut in cuts)):
            given_out += edges.push(piece)
        edges.end_segment(130)
    np.testing.assert_array_equal(joined(*given_out), whole)


def test_a_whole_sound_keeps_what_a_soft_beginning_and_the_pause_need() -> None:
    sound = joined(silence(300), np.full(500, 0.3, np.float32), silence(400))
    kept = trimmed(sound, RATE, pause_ms=150)
    np.testing.assert_array_equal(kept, sound[300 - 20 * RATE // 1000 : 800 + 150 * RATE // 1000])


def test_a_whole_sound_is_not_made_longer() -> None:
    sound = joined(silence(5), np.full(50, 0.3, np.float32), silence(10))
    np.testing.assert_array_equal(trimmed(sound, RATE, pause_ms=300), sound)


def test_of_a_sound_that_is_all_silence_nothing_is_left() -> None:
    assert len(trimmed(silence(500), RATE, pause_ms=300)) == 0
