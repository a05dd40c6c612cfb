"""Pauses, sounds and changes of voice between segments: exact in time, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from dsp.sounds import strongest_hz, tone
from saystream.audio import AudioChunk, Effects, Mark
from saystream.dsp.background import FADE_OUT_MS
from saystream.dsp.silence import LEADING_MS, QUIETEST
from saystream.dsp.stage import Stage
from saystream.dsp.voicing import Music, Voicing

RATE = 24000
LOUD = 4 * QUIETEST
SPLICE_MS = 12
"""A change of tempo moves an edge by some periods."""


class Heard:
    """A voicing, and what has come out of it."""

    def __init__(self, effects: Effects | None = None, sample_rate: int = RATE) -> None:
        self.sample_rate = sample_rate
        self.stretches: list[np.ndarray] = []
        self.voicing = Voicing(sample_rate, effects or Effects(), self.stretches.extend)

    def say(
        self,
        duration_ms: int = 300,
        *,
        silence_ms: int = 0,
        hz: float = 220,
        rate: int = RATE,
        marks: bool = False,
    ) -> None:
        """A segment, with silence of the engine's own at both ends."""
        quiet = np.zeros(silence_ms * rate // 1000, np.float32)
        samples = np.concatenate([quiet, tone(hz, duration_ms * rate // 1000, rate), quiet])
        mark = Mark(0, 1, float(silence_ms), float(silence_ms + duration_ms))
        self.voicing.push(AudioChunk(samples, rate, (mark,) if marks else ()))
        self.voicing.end_segment(300)

    @property
    def samples(self) -> np.ndarray:
        return np.concatenate([*self.stretches, np.zeros(0, np.float32)])

    def end(self) -> np.ndarray:
        self.voicing.flush()
        return self.samples

    @property
    def sounds(self) -> list[tuple[float, float]]:
        """Where it sounds, in ms."""
        loud = np.flatnonzero(np.abs(self.samples) > LOUD)
        cuts = np.flatnonzero(np.diff(loud) > self.sample_rate / 50)
        starts, ends = [loud[0], *loud[cuts + 1]], [*loud[cuts], loud[-1]]
        return [
            (start * 1000 / self.sample_rate, (end + 1) * 1000 / self.sample_rate)
            for start, end in zip(starts, ends, strict=True)
        ]

    @property
    def gaps(self) -> list[float]:
        return [after[0] - before[1] for before, after in zip(self.sounds, self.sounds[1:], strict=False)]


@pytest.mark.parametrize("sample_rate", [8000, 24000, 48000])
@pytest.mark.parametrize("silence_ms", [0, 25, 500])
@pytest.mark.parametrize("pause_ms", [30, 50, 90, 300, 1000, 10_000])
def test_a_pause_is_as_long_as_asked_for_whatever_silence_the_engine_leaves(
    pause_ms: int, silence_ms: int, sample_rate: int
) -> None:
    heard = Heard(sample_rate=sample_rate)
    heard.say(silence_ms=silence_ms)
    heard.voicing.pause(pause_ms)
    heard.say(silence_ms=silence_ms)
    heard.end()
    least_ms = min(40, silence_ms)  # what has left already
    assert heard.gaps == [pytest.approx(max(pause_ms, least_ms), abs=3)]


@pytest.mark.parametrize("effects", [Effects(0.5), Effects(2.0), Effects(1.0, 1.5), Effects(1.3, 0.8, 90)])
@pytest.mark.parametrize("silence_ms", [0, 200])
@pytest.mark.parametrize("pause_ms", [90, 1000])
def test_a_pause_does_not_follow_the_tempo(pause_ms: int, silence_ms: int, effects: Effects) -> None:
    heard = Heard(effects)
    heard.say(600, silence_ms=silence_ms)
    heard.voicing.pause(pause_ms)
    heard.say(600, silence_ms=silence_ms)
    heard.end()
    assert heard.gaps == [pytest.approx(pause_ms, abs=SPLICE_MS)]


def test_pauses_in_a_row_add_up_also_around_a_segment_without_sound() -> None:
    heard = Heard()
    heard.say(silence_ms=100)
    heard.voicing.pause(200)
    heard.voicing.pause(300)
    heard.voicing.push(AudioChunk(np.zeros(5000, np.float32), RATE))
    heard.voicing.end_segment(300)
    heard.voicing.pause(100)
    heard.say()
    heard.end()
    assert heard.gaps == [pytest.approx(600, abs=3)]


def test_a_pause_at_the_begin_and_one_at_the_end_are_whole() -> None:
    heard = Heard()
    heard.voicing.pause(500)
    heard.say(silence_ms=100)
    heard.voicing.pause(700)
    samples = heard.end()
    [(start_ms, end_ms)] = heard.sounds
    assert start_ms == pytest.approx(500, abs=3)
    assert len(samples) * 1000 / RATE - end_ms == pytest.approx(700, abs=3)


def test_a_pause_alone_is_heard() -> None:
    heard = Heard()
    heard.voicing.pause(30)
    heard.voicing.pause(1000)
    samples = heard.end()
    assert len(samples) == 1030 * RATE // 1000
    assert not samples.any()


def test_most_of_a_pause_comes_at_once() -> None:
    heard = Heard()
    heard.voicing.pause(1000)
    assert len(heard.samples) * 1000 / RATE == 1000 - LEADING_MS


def test_a_pause_of_nothing_joins_two_segments() -> None:
    heard = Heard()
    heard.say(silence_ms=0)
    heard.voicing.pause(0)
    heard.say(silence_ms=50)
    assert len(heard.end()) * 1000 / RATE == pytest.approx(640, abs=1)


def test_a_pause_before_another_engine_is_as_long() -> None:
    heard = Heard()
    heard.say(silence_ms=100)
    heard.voicing.pause(400)
    heard.voicing.push(AudioChunk(np.zeros(100, np.float32), RATE))
    heard.voicing.end_segment(300)
    heard.say(silence_ms=100, rate=16000)
    heard.end()
    assert heard.gaps == [pytest.approx(400, abs=3)]


def test_a_sound_has_its_own_rate_and_the_pause_that_is_due_before_it() -> None:
    heard = Heard(Effects(2.0))
    heard.say(600, silence_ms=10)
    heard.voicing.play(AudioChunk(tone(1000, 8000, 16000), 16000))
    heard.say(600, silence_ms=300)
    heard.end()
    first, sound, second = heard.sounds
    assert sound[1] - sound[0] == pytest.approx(500, abs=2)
    assert sound[0] - first[1] == pytest.approx(150, abs=SPLICE_MS)
    assert second[0] - sound[1] == pytest.approx(LEADING_MS / 2, abs=SPLICE_MS)
    middle = heard.samples[int((sound[0] + 50) * RATE / 1000) : int((sound[1] - 50) * RATE / 1000)]
    assert strongest_hz(middle) == pytest.approx(1000, abs=3)


def test_a_pause_before_a_sound_is_exact_too() -> None:
    heard = Heard()
    heard.say(silence_ms=10)
    heard.voicing.pause(500)
    heard.voicing.play(AudioChunk(tone(1000, RATE), RATE))
    heard.voicing.pause(250)
    heard.voicing.play(AudioChunk(tone(1000, RATE), RATE))
    heard.end()
    assert heard.gaps == [pytest.approx(500, abs=3), pytest.approx(250, abs=3)]


def test_another_voice_begins_where_the_last_one_has_ended() -> None:
    heard = Heard()
    heard.say(500)
    heard.voicing.change(Effects(2.0, 1.0, 100))
    heard.say(500, hz=400)
    heard.voicing.change(Effects(1.0, 1.0, 25))
    heard.say(500)
    heard.end()
    lengths = [end - start for start, end in heard.sounds]
    assert lengths == [pytest.approx(length, abs=SPLICE_MS) for length in (500, 250, 500)]
    assert heard.gaps == [pytest.approx(150, abs=SPLICE_MS), pytest.approx(300, abs=SPLICE_MS)]
    loudest = [
        np.abs(heard.samples[int(start * RATE / 1000) : int(end * RATE / 1000)]).max()
        for start, end in heard.sounds
    ]
    assert loudest == [pytest.approx(peak, abs=0.13) for peak in (0.5, 0.9, 0.25)]


class Halved:
    """A stage with a tail: it holds back a tenth of a second, and returns it twice."""

    delay_ms = 100.0

    def __init__(self, sample_rate: int) -> None:
        self._held = np.zeros(sample_rate // 10, np.float32)

    def push(self, samples: np.ndarray) -> list[np.ndarray]:
        joined = np.concatenate([self._held, samples / 2])
        self._held = joined[len(samples) :]
        return [joined[: len(samples)]] if len(samples) else []

    def flush(self) -> list[np.ndarray]:
        return [self._held, self._held]


def test_an_effect_is_heard_to_its_end_and_counts_for_marks() -> None:
    heard = Heard()
    make_effect: Callable[[int], Stage] = Halved
    heard.voicing.change(Effects(), make_effect=make_effect)
    heard.say(500, marks=True)
    heard.voicing.change(Effects())
    heard.say(500, marks=True)
    samples = heard.end()
    assert np.abs(samples[: RATE // 2]).max() == pytest.approx(0.25, abs=0.01)
    _, second = heard.voicing.marks.take(10_000)
    assert second.start_ms == pytest.approx(heard.sounds[-1][0], abs=1)


@pytest.mark.parametrize("effects", [Effects(), Effects(1.5), Effects(0.6, 1.2)])
def test_marks_are_where_the_sound_is_behind_pauses_sounds_and_other_voices(effects: Effects) -> None:
    heard = Heard(sample_rate=16000)
    say = partial(heard.say, 500, silence_ms=100, marks=True)
    heard.voicing.pause(300)
    say()
    heard.voicing.pause(700)
    say()
    heard.voicing.play(AudioChunk(tone(1000, RATE), RATE))
    say()
    heard.voicing.change(effects, music=Music(AudioChunk(np.zeros(999, np.float32), RATE), 50))
    say()
    heard.voicing.change(Effects())
    say()
    heard.end()
    sounds = [sound for place, sound in enumerate(heard.sounds) if place != 2]
    marks = heard.voicing.marks.take(100_000)
    assert [mark.start_ms for mark in marks] == [pytest.approx(start, abs=SPLICE_MS) for start, _ in sounds]
    assert [mark.end_ms for mark in marks] == [pytest.approx(end, abs=SPLICE_MS) for _, end in sounds]


def test_music_goes_on_under_pauses_and_other_voices_and_fades_behind_them() -> None:
    music = Music(AudioChunk(tone(100, 16000, 16000), 16000), 20)
    heard = Heard()
    heard.voicing.change(Effects(), music=music)
    heard.say(hz=2000)
    heard.voicing.pause(1000)
    heard.voicing.change(Effects(volume=100), music=music)
    heard.say(hz=2000)
    with_music = len(heard.samples)
    heard.voicing.change(Effects())
    assert len(heard.samples) - with_music == pytest.approx(FADE_OUT_MS * RATE / 1000, abs=RATE / 100)
    heard.say(hz=2000)
    samples = heard.end()
    assert strongest_hz(samples[RATE // 2 : RATE]) == pytest.approx(100, abs=2)
    quiet = samples[-RATE * 340 // 1000 : -RATE * 310 // 1000]
    assert not quiet.any()


def test_what_it_holds_back_is_known() -> None:
    heard = Heard(Effects(1.5, 1.0, 80), sample_rate=16000)
    tempo_ms, behind_ms = heard.voicing.delay_ms(RATE)
    assert tempo_ms > 0
    assert behind_ms > 5
