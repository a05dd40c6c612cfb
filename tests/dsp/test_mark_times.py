"""The times of marks hold in the audio that a listener gets, whatever the chain does to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.audio import AudioChunk, AudioFormat, Effects, Mark, PhonemeMark
from saystream.dsp.chain import Chain, EncodedAudio
from saystream.dsp.mark_times import MarkTimes
from saystream.dsp.silence import LEADING_MS, SegmentEdges

SILENT, QUIET, LOUD = 0.0, 0.3, 0.6


@dataclass(frozen=True)
class Segment:
    """What an engine says: words that differ in loudness from their neighbours, and the silence around them."""

    lead_ms: int
    words: list[tuple[int, int]]
    """How long each lasts, and how long the silence after it."""
    rate: int = 16000
    pause_ms: int = 0
    """Due after it."""
    early: bool = False
    """All of its marks come with its first chunk."""


SEGMENTS = st.lists(
    st.builds(
        Segment,
        lead_ms=st.integers(0, 300),
        words=st.lists(st.tuples(st.integers(80, 400), st.sampled_from([0, 60, 200, 700])), max_size=4),
        rate=st.sampled_from([16000, 24000]),
        pause_ms=st.sampled_from([0, 40, 300]),
        early=st.booleans(),
    ),
    max_size=4,
)


def spoken(segment: Segment, offset: int, *, pitch_hz: float = 0.0) -> tuple[np.ndarray, list[Mark]]:
    """Its audio, of constant level or a sine, and a mark for each word: word ``n`` of the response is ``[n:n + 1]``."""
    parts, marks = [np.zeros(segment.lead_ms * segment.rate // 1000, np.float32)], []
    at_ms = float(segment.lead_ms)
    for number, (sound_ms, gap_ms) in enumerate(segment.words, offset):
        times = np.arange(sound_ms * segment.rate // 1000) / segment.rate
        wave = np.sin(2 * np.pi * pitch_hz * times) if pitch_hz else np.ones(len(times))
        parts.append((wave * (LOUD if number % 2 else QUIET)).astype(np.float32))
        parts.append(np.zeros(gap_ms * segment.rate // 1000, np.float32))
        marks.append(Mark(number, number + 1, at_ms, at_ms + sound_ms))
        at_ms += sound_ms + gap_ms
    return np.concatenate(parts), marks


def chunks(
    samples: np.ndarray, marks: list[Mark], segment: Segment, sizes_ms: list[int]
) -> Iterator[AudioChunk]:
    """The audio in chunks of these sizes and then larger ones, each mark where its word begins or before."""
    start, left = 0, list(marks)
    for size_ms in [*sizes_ms, *[1000] * 20]:
        end = start + size_ms * segment.rate // 1000
        end_ms = np.inf if segment.early else end * 1000 / segment.rate
        due = [mark for mark in left if mark.start_ms < end_ms]
        left = left[len(due) :]
        yield AudioChunk(samples[start:end], segment.rate, tuple(due))
        start = end


def through(
    chain: Chain, segments: list[Segment], sizes_ms: list[int], *, pitch_hz: float = 0.0
) -> list[EncodedAudio]:
    deltas, offset = list[EncodedAudio](), 0
    for segment in segments:
        samples, marks = spoken(segment, offset, pitch_hz=pitch_hz)
        for chunk in chunks(samples, marks, segment, sizes_ms):
            deltas += chain.push(chunk)
        chain.end_segment(segment.pause_ms)
        offset += len(segment.words)
    return [*deltas, *chain.flush()]


def heard(deltas: list[EncodedAudio]) -> np.ndarray:
    return np.frombuffer(b"".join(delta.encoded for delta in deltas), "<i2") / 32767


def marks_in_time(deltas: list[EncodedAudio]) -> list[Mark]:
    """All marks; each has come with the delta in which its word begins."""
    marks, begun_ms = list[Mark](), 0.0
    for delta in deltas:
        ended_ms = begun_ms + delta.duration_ms
        assert all(begun_ms - 1e-6 <= mark.start_ms < ended_ms + 1e-6 for mark in delta.marks)
        begun_ms = ended_ms
        marks += delta.marks
    return marks


def words_of(segments: list[Segment]) -> int:
    return sum(len(segment.words) for segment in segments)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(SEGMENTS, st.lists(st.integers(0, 400), max_size=8))
def test_each_mark_covers_exactly_the_sound_of_its_word(segments: list[Segment], sizes_ms: list[int]) -> None:
    """At one rate: between two the resampler rounds the edges."""
    segments = [Segment(each.lead_ms, each.words, 16000, each.pause_ms, each.early) for each in segments]
    deltas = through(Chain(AudioFormat("pcm", 16000), first_delta_ms=100, delta_ms=200), segments, sizes_ms)
    audio, marks = heard(deltas), marks_in_time(deltas)
    assert [mark.start for mark in marks] == list(range(words_of(segments)))
    assert [mark.end for mark in marks] == list(range(1, words_of(segments) + 1))
    sounding = np.zeros(len(audio), bool)
    for mark in marks:
        start, end = round(mark.start_ms * 16), round(mark.end_ms * 16)
        np.testing.assert_allclose(audio[start:end], LOUD if mark.start % 2 else QUIET, atol=1e-4)
        sounding[start:end] = True
    assert not audio[~sounding].any(), "what no mark covers is silence"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SEGMENTS, st.sampled_from([0.5, 1.0, 1.5, 2.0]), st.sampled_from([8000, 24000, 48000]))
def test_marks_follow_a_change_of_tempo_and_of_rate(segments: list[Segment], speed: float, rate: int) -> None:
    chain = Chain(
        AudioFormat("pcm", rate), effects=Effects(speech_rate=speed), first_delta_ms=100, delta_ms=200
    )
    deltas = through(chain, segments, [37, 500], pitch_hz=200)
    marks, audio = marks_in_time(deltas), heard(deltas)
    assert [mark.start for mark in marks] == list(range(words_of(segments)))
    # Over each 5 ms, a period: what splices overlap or the resampler rounds is near an edge.
    period = rate // 200
    level = np.sqrt((audio[: len(audio) // period * period].reshape(-1, period) ** 2).mean(axis=1)) * 2**0.5
    expected = np.zeros(len(level))
    near_edge = np.zeros(len(level), bool)
    for mark in marks:
        expected[round(mark.start_ms / 5) : round(mark.end_ms / 5)] = LOUD if mark.start % 2 else QUIET
        for edge_ms in (mark.start_ms, mark.end_ms):
            near_edge[max(0, round((edge_ms - 30) / 5)) : round((edge_ms + 30) / 5)] = True
    clear = ~near_edge
    np.testing.assert_allclose(level[clear], expected[clear], atol=0.1)


def test_silence_that_is_cut_before_the_sound_makes_the_words_earlier() -> None:
    deltas = through(
        Chain(AudioFormat("pcm", 16000), first_delta_ms=100, delta_ms=200), [Segment(500, [(200, 0)])], []
    )
    assert marks_in_time(deltas) == [Mark(0, 1, LEADING_MS, LEADING_MS + 200)]


def test_marks_that_begin_in_silence_stay_inside_the_audio() -> None:
    edges, times = SegmentEdges(1000), MarkTimes(1.0)
    sound = np.concatenate(
        [np.zeros(500, np.float32), np.full(100, 0.5, np.float32), np.zeros(400, np.float32)]
    )
    edges.push(sound)
    times.push((Mark(0, 1, 0, 520), Mark(2, 3, 900, 1000)), edges)
    times.end_segment(edges)
    assert times.take(1e9) == (Mark(0, 1, 0, LEADING_MS + 20), Mark(2, 3, 200, 200))


def test_marks_of_a_segment_without_sound_are_dropped() -> None:
    segments = [Segment(0, [(200, 0)]), Segment(0, []), Segment(0, [(200, 0)])]
    chain = Chain(AudioFormat("pcm", 16000), first_delta_ms=100, delta_ms=200)
    deltas = list(chain.push(AudioChunk(np.zeros(1600, np.float32), 16000, (Mark(7, 8, 0, 100),))))
    chain.end_segment(0)
    assert [mark.start for mark in marks_in_time([*deltas, *through(chain, segments, [])])] == [0, 1]


@pytest.mark.parametrize("container", ["wav", "mp3", "opus"])
def test_marks_come_with_the_delta_that_stands_for_their_sound_in_every_container(container: str) -> None:
    segments = [Segment(100, [(200, 60)] * 5, 24000, 300)] * 3
    chain = Chain(AudioFormat(container, 24000), first_delta_ms=40, delta_ms=60)  # type: ignore[arg-type]
    assert len(marks_in_time(through(chain, segments, [70] * 20, pitch_hz=200))) == 15


def test_a_response_that_is_cut_off_names_only_words_that_were_begun() -> None:
    chain = Chain(AudioFormat("pcm", 16000), first_delta_ms=100, delta_ms=100)
    samples, marks = spoken(Segment(0, [(200, 0)] * 5), 0)
    deltas = [next(iter(chain.push(AudioChunk(samples, 16000, tuple(marks)))))]
    assert [mark.start for mark in marks_in_time([*deltas, *chain.cut_off()])] == [0]


def test_phonemes_move_with_their_word() -> None:
    edges = SegmentEdges(1000)
    phonemes = (PhonemeMark("a", 200, 240), PhonemeMark("b", 240, 300, "4"))
    times = MarkTimes(2.0)
    list(edges.push(np.concatenate([np.zeros(200, np.float32), np.ones(100, np.float32)])))
    times.push((Mark(0, 2, 200, 300, phonemes),), edges)
    begun = LEADING_MS / 2
    moved = (PhonemeMark("a", begun, begun + 20), PhonemeMark("b", begun + 20, begun + 50, "4"))
    assert times.take(1000) == (Mark(0, 2, begun, begun + 50, moved),)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 400), max_size=8),
    st.integers(0, 200),
    st.sampled_from([1.0, 1.5]),
    st.integers(1, 200),
)
def test_the_last_word_ends_inside_the_audio(
    sizes_ms: list[int], late_ms: int, speed: float, first_delta_ms: int
) -> None:
    """Its mark ends in the silence that is cut after it, and comes with a chunk that reaches that far."""
    chain = Chain(
        AudioFormat("pcm", 16000),
        effects=Effects(speech_rate=speed),
        first_delta_ms=first_delta_ms,
        delta_ms=50,
    )
    samples, marks = spoken(Segment(40, [(200, 60), (150, 500)]), 0, pitch_hz=200)
    last = replace(marks[1], end_ms=marks[1].end_ms + late_ms)
    deltas: list[EncodedAudio] = []
    deltas += chain.push(AudioChunk(samples[: 740 * 16], 16000, (marks[0], last)))
    for chunk in chunks(samples[740 * 16 :], [], Segment(0, []), sizes_ms):
        deltas += chain.push(chunk)
    chain.end_segment(0)
    deltas += chain.flush()
    found = marks_in_time(deltas)
    assert [mark.start for mark in found] == [0, 1]
    assert found[-1].end_ms <= len(heard(deltas)) / 16 + 0.01
    assert found[-1].end_ms >= (last.end_ms - late_ms) / speed - 5


def test_a_word_that_ends_in_silence_ends_where_that_is_held_back() -> None:
    edges, times = SegmentEdges(1000), MarkTimes(1.0)
    edges.push(np.concatenate([np.ones(100, np.float32), np.zeros(100, np.float32)]))
    marks = (Mark(0, 1, 0, 90), Mark(1, 2, 90, 170), Mark(2, 3, 170, 180), Mark(3, 4, 200, 300))
    times.push(marks, edges)
    assert list(times.placed) == [marks[0], Mark(1, 2, 90, 140), *marks[2:]]
    edges.push(np.ones(50, np.float32))
    times.push((), edges)
    assert list(times.placed) == [marks[0], Mark(1, 2, 90, 140), *marks[2:]]
