"""From the samples of engines to what a listener hears, before it is cut and encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saystream.audio import AudioChunk, Effects
from saystream.dsp.background import Mix
from saystream.dsp.loudness import UNITY_VOLUME, Volume
from saystream.dsp.mark_times import MarkTimes
from saystream.dsp.resample import Resampler
from saystream.dsp.silence import LEADING_MS, SegmentEdges
from saystream.dsp.stage import flush_all, push_all
from saystream.dsp.tempo import make_tempo

if TYPE_CHECKING:
    from collections.abc import Callable

    from saystream.audio import Samples
    from saystream.dsp.stage import Stage

__all__ = ["Music", "Voicing"]


@dataclass(frozen=True, slots=True, eq=False)
class Music:
    """What is played under a voice, again and again."""

    audio: AudioChunk
    volume: int
    """0, silence, to 100, as loud as it is."""


class Voicing:
    """Cuts the silence at the edges of segments, changes speed and pitch, resamples, sets the volume; puts in pauses
    and sounds, and music under all of it.

    Up to a change of voice, a pause or a sound, what comes from engines goes through one row of stages. There it is let
    out to the last sample, so that the lengths of pauses are exact, and no voice has an end of another in it.
    """

    def __init__(self, sample_rate: int, effects: Effects, sink: Callable[[list[Samples]], None]) -> None:
        """``sink`` takes what is ready, at ``sample_rate``."""
        self._sample_rate = sample_rate
        self._effects = effects
        self._sink = sink
        self.marks = MarkTimes(effects.speech_rate)
        self._source_rate = 0
        self._edges: SegmentEdges | None = None
        self._stages: list[Stage] = []
        """Those of the source, from its rate to ours."""
        self._voice = _volume(sample_rate, effects)
        """Those behind them, which pauses and sounds go through, too."""
        self._music: Music | None = None
        self._mix: Mix | None = None
        self._owed_ms = 0.0
        """Silence that is due at least before the next sound, in the time of the source."""
        self._lead_ms: float | None = None
        """After a pause: silence that is due exactly, in the time of the listener."""
        self._num_in = 0
        """Samples that went into ``_voice``, and what its stages and the music added in the past."""
        self._num_voiced = 0
        """Samples that came out of it, likewise."""

    def delay_ms(self, source_rate: int) -> tuple[float, float]:
        """What the stages hold back: up to the tempo, and behind it."""
        tempo = sum(stage.delay_ms for stage in _tempo(source_rate, self._effects))
        stages = [*_resampler(source_rate, self._sample_rate), *self._voice]
        return tempo, sum(stage.delay_ms for stage in stages)

    def push(self, chunk: AudioChunk) -> None:
        """The rate of the chunks may change between segments, because another engine may speak the next one."""
        if chunk.sample_rate != self._source_rate:
            self._end_source()
            self._start(chunk.sample_rate)
        assert self._edges is not None
        self._add(push_all(self._stages, [chunk.samples]))
        if self._edges.begun:
            self._lead_ms = None
        if chunk.marks or self.marks.unplaced or self.marks.placed:
            self.marks.push(chunk.marks, self._edges)

    def end_segment(self, pause_ms: float) -> None:
        """What comes next is another segment, at least ``pause_ms`` after the sound of this one, at speech rate 1."""
        if self._edges is not None:
            self.marks.end_segment(self._edges)
            self._edges.end_segment(pause_ms)

    def pause(self, duration_ms: float) -> None:
        """Silence of this length between the sound before and the next one. Pauses in a row add up."""
        quiet_ms = 0.0
        if self._lead_ms is None and self._edges is not None:
            quiet_ms = self._edges.quiet_ms / self._effects.speech_rate
        self._end_source()
        missing_ms = max(0.0, duration_ms + (self._lead_ms or 0.0) - quiet_ms)
        # The beginning of the next sound is part of it. Until that comes, it is not known how long it is.
        self._lead_ms = min(missing_ms, LEADING_MS)
        self._owed_ms = 0.0
        self._silence(missing_ms - self._lead_ms)
        self._resume_marks()

    def play(self, sound: AudioChunk) -> None:
        """A sound that no engine makes: after the pause that is due, without a change of speed or pitch."""
        self._end_source()
        self._silence(self._due_ms())
        resampler = _resampler(sound.sample_rate, self._sample_rate)
        self._add(push_all(resampler, [sound.samples]))
        self._add(flush_all(resampler))
        self._resume_marks()

    def change(
        self,
        effects: Effects,
        *,
        make_effect: Callable[[int], Stage] | None = None,
        music: Music | None = None,
    ) -> None:
        """What comes next has another voice. ``make_effect`` returns a stage for a sample rate; ``music`` that is
        playing goes on."""
        self._end_source()
        self._add_voiced(flush_all(self._voice))
        if music is not self._music:
            self._end_music()
            self._start_music(music)
        self._num_in = self._num_voiced
        self._effects = effects
        own = [] if make_effect is None else [make_effect(self._sample_rate)]
        self._voice = [*own, *_volume(self._sample_rate, effects)]
        self._resume_marks()

    def flush(self) -> None:
        """Everything that was held back, except the silence at the end, unless that is a pause."""
        if self._lead_ms:
            self._end_source()
            self._silence(self._due_ms())
        else:
            self._add(flush_all(self._stages))
        self._add_voiced(flush_all(self._voice))
        self._end_music()

    def _due_ms(self) -> float:
        """The pause that is due now, in the time of the listener; then it is no longer due."""
        due_ms = self._owed_ms / self._effects.speech_rate if self._lead_ms is None else self._lead_ms
        self._owed_ms, self._lead_ms = 0.0, None
        return due_ms

    def _start(self, source_rate: int) -> None:
        self._source_rate = source_rate
        if self._lead_ms is None:
            self._edges = SegmentEdges(source_rate, owed_ms=self._owed_ms)
        else:
            owed_ms = self._lead_ms * self._effects.speech_rate
            self._edges = SegmentEdges(source_rate, owed_ms=owed_ms, exact=True)
        tempo = _tempo(source_rate, self._effects)
        self._stages = [self._edges, *tempo, *_resampler(source_rate, self._sample_rate)]

    def _end_source(self) -> None:
        """Let out what the stages of the source hold."""
        self._add(flush_all(self._stages))
        if self._edges is not None:
            self.marks.change_rate(self._edges)
            self._edges.end_segment(0)
            self._owed_ms = self._edges.owed_ms
        self._edges, self._stages, self._source_rate = None, [], 0

    def _resume_marks(self) -> None:
        self.marks.resume(self._num_in * 1000 / self._sample_rate, self._effects.speech_rate)

    def _silence(self, duration_ms: float) -> None:
        if num_samples := round(duration_ms * self._sample_rate / 1000):
            self._add([np.zeros(num_samples, np.float32)])

    def _add(self, stretches: list[Samples]) -> None:
        self._num_in += sum(map(len, stretches))
        self._add_voiced(push_all(self._voice, stretches))

    def _add_voiced(self, stretches: list[Samples]) -> None:
        self._num_voiced += sum(map(len, stretches))
        self._sink(stretches if self._mix is None else push_all([self._mix], stretches))

    def _start_music(self, music: Music | None) -> None:
        self._music = music
        if music is not None:
            resampler = _resampler(music.audio.sample_rate, self._sample_rate)
            stretches = [*push_all(resampler, [music.audio.samples]), *flush_all(resampler)]
            samples = np.concatenate([*stretches, np.zeros(0, np.float32)])
            self._mix = Mix(self._sample_rate, samples, music.volume)

    def _end_music(self) -> None:
        if self._mix is not None:
            self._num_voiced += self._mix.num_fading
            self._sink(self._mix.flush())
        self._music, self._mix = None, None


def _tempo(source_rate: int, effects: Effects) -> list[Stage]:
    if effects.speech_rate == effects.pitch_rate == 1.0:
        return []
    return [make_tempo(source_rate, speed=effects.speech_rate, pitch=effects.pitch_rate)]


def _resampler(source_rate: int, target_rate: int) -> list[Stage]:
    return [] if source_rate == target_rate else [Resampler(source_rate=source_rate, target_rate=target_rate)]


def _volume(sample_rate: int, effects: Effects) -> list[Stage]:
    return [] if effects.volume == UNITY_VOLUME else [Volume(sample_rate, effects.volume)]
