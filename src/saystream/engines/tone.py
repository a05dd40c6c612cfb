"""A sine instead of a voice: needs no weights, costs almost nothing and always gives the same samples.

Tests and load tests use it in place of a real engine. It can be as slow, uneven and faulty as they ask, and it marks
every word if a request wants marks.

A text lasts as long as speech would, in whole stretches of 50 ms. A stretch holds whole periods, so audio can be cut or
joined between any two stretches without a step: a step in what a listener gets is a fault of the server.
"""

from __future__ import annotations

import math
import os
import random
import threading
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np

from saystream.audio import Mark, PhonemeMark, SpeechChunk
from saystream.dsp.analysis.intonation import intonation_hz
from saystream.engines.base import (
    Engine,
    EngineInfo,
    EngineStream,
    Enrolled,
    Recording,
    Span,
    SynthesisRequest,
)
from saystream.engines.options import read_options
from saystream.errors import AudioSilent, InvalidValue
from saystream.text.words import complete_length, word_spans

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["STRETCH_MS", "ToneEngine", "ToneOptions", "pauses_s"]

STRETCH_MS = 50
"""Every duration is a multiple of this: eleven periods of 220 Hz, 1,200 samples at 24 kHz."""

_WIDE_CHARACTER_WEIGHT = 3
"""A Chinese character is a syllable: five take a second, as fifteen letters and spaces do."""

_AMPLITUDE = 0.3

_CRASH_EXIT_STATUS = 70

Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=3_600_000)]
Stretches = Annotated[int, msgspec.Meta(ge=STRETCH_MS, le=10_000, multiple_of=STRETCH_MS)]


class ToneOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it sounds, how slow it is, and what goes wrong."""

    frequency_hz: Annotated[float, msgspec.Meta(ge=20, le=4000)] = 220.0
    """At pitch 1.0. Rounded to a multiple of 20 Hz, like every pitch: whole periods in a stretch."""
    sample_rate: Annotated[int, msgspec.Meta(ge=8000, le=48000, multiple_of=1000 // STRETCH_MS)] = 24000
    """Hz; whole samples in a stretch."""
    ms_per_character: Annotated[float, msgspec.Meta(ge=0.001, le=1000)] = 1000 / 15
    """Duration of a letter or a space at speed 1.0; a wide character lasts three times as long."""
    chunk_ms: Stretches = 100
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 64
    parallel: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    incremental: bool = False
    """Speak text as it is pushed."""

    real_time_factor: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 0.0
    """Time that a chunk takes, as a fraction of its duration."""
    first_chunk_delay_ms: Milliseconds = 0.0
    jitter_ms: Milliseconds = 0.0
    """Up to this much extra time for each chunk, evenly distributed; the same for the same text and seed."""
    seed: int = 0

    fault: Literal["none", "crash", "hang", "nan", "wrong_dtype", "error"] = "none"
    """``crash`` ends the process and ``hang`` ignores even a cancel; ``error`` raises; the other two give one chunk of
    that kind and continue."""
    fault_text: str = ""
    """Only in texts that contain this."""
    enroll_fault: Literal["none", "crash", "hang", "error"] = "none"
    """The same of a recording that is to be enrolled."""
    fault_after_ms: Annotated[int, msgspec.Meta(ge=0, multiple_of=STRETCH_MS)] = 0
    """Audio given before the fault; a shorter text gives all of its audio first."""


class ToneEngine(Engine):
    """Takes the fields of :class:`ToneOptions` as keywords. Raises ConfigurationError for an invalid one."""

    def __init__(self, **options: Any) -> None:
        self.options = read_options("tone", ToneOptions, options)
        self.info = EngineInfo(
            name="tone",
            sample_rate=self.options.sample_rate,
            languages={"*": "robotic"},
            voices=("tone",),
            concurrency=self.options.concurrency,
            parallel=self.options.parallel,
            incremental_text=self.options.incremental,
            normalizes_text=True,
            marks=True,
            enrolls="voice_match",
        )

    def open(self, request: SynthesisRequest) -> EngineStream:
        """Raises InvalidValue for an unknown voice. ``formant`` has no meaning for a sine."""
        if request.material:
            return _ToneStream(self.options, request, _frequency_of(request.material))
        if request.voice not in self.info.voices:
            raise InvalidValue("voice", request.voice, self.info.voices)
        return _ToneStream(self.options, request, self.options.frequency_hz)

    def enroll(self, recording: Recording) -> Enrolled:
        """As high as the speaker."""
        match self.options.enroll_fault:
            case "crash":
                os._exit(_CRASH_EXIT_STATUS)
            case "hang":
                threading.Event().wait()
            case "error":
                raise RuntimeError("The tone engine was told to fail.")
        contour = intonation_hz(recording.samples, recording.sample_rate)
        if not contour.any():
            raise AudioSilent("There is no voice in the recording. Record somebody who speaks.")
        return Enrolled(f"{np.median(contour[contour > 0]):.0f} Hz".encode())


def _frequency_of(material: bytes) -> float:
    """Raises InvalidValue for material that is not from ``enroll``."""
    digits = material.removesuffix(b" Hz")
    if not digits.isdigit():
        raise InvalidValue("material", material[:20], "what the engine has enrolled")
    return float(digits)


class _ToneStream(EngineStream):
    def __init__(self, options: ToneOptions, request: SynthesisRequest, frequency_hz: float) -> None:
        self._options = options
        self._speed = request.speed
        self._sound = _sound(options.sample_rate, frequency_hz * request.pitch, options.chunk_ms)
        self._text = ""
        self._words: _Words | None = None
        if request.marks:
            self._words = _Words(options.ms_per_character / request.speed, phonemes=request.phonemes)
        self._spoken_ms = 0
        self._input_ended = False
        self._more = threading.Condition()
        self._cancelled = threading.Event()

    def push(self, span: Span) -> None:
        with self._more:
            if self._words is not None and not self._text:
                self._words.offset = span.offset
            self._text += span.text
            self._more.notify()

    def end_input(self) -> None:
        with self._more:
            self._input_ended = True
            self._more.notify()

    @property
    def waiting_characters(self) -> int:
        if not (self._options.incremental and self._text):
            return 0
        with self._more:
            share = self._spoken_ms / max(1, self._duration_ms(final=True))
            return int(len(self._text) * max(0.0, 1 - share))

    def cancel(self) -> None:
        self._cancelled.set()
        with self._more:
            self._more.notify()

    def chunks(self) -> Iterator[SpeechChunk]:
        spoken_ms = 0
        faulty = self._options.fault != "none"
        pauses: Iterator[float] | None = None
        while (due_ms := self._wait_for_text(spoken_ms)) > spoken_ms:
            pauses = pauses or pauses_s(self._options, self._text)
            if faulty and self._fault_is_due(spoken_ms):
                faulty = False
                yield from self._go_wrong()
            chunk_ms = min(due_ms - spoken_ms, self._options.chunk_ms)
            if faulty and 0 < (until_fault_ms := self._options.fault_after_ms - spoken_ms) < chunk_ms:
                chunk_ms = until_fault_ms
            if self._cancelled.wait(next(pauses) + chunk_ms * self._options.real_time_factor / 1000):
                return
            spoken_ms += chunk_ms
            self._spoken_ms = spoken_ms
            samples = self._sound[: chunk_ms * self._options.sample_rate // 1000]
            yield SpeechChunk(samples, () if self._words is None else self._marks(spoken_ms))
        if faulty and spoken_ms and not self._cancelled.is_set() and self._options.fault_text in self._text:
            yield from self._go_wrong()

    def _marks(self, spoken_ms: int) -> tuple[Mark, ...]:
        """For the words that begin before ``spoken_ms`` and were in no earlier chunk."""
        assert self._words is not None
        with self._more:
            last_ms = self._duration_ms(final=True) if self._input_ended else math.inf
            return self._words.take(self._text, spoken_ms, last_ms=last_ms)

    def _wait_for_text(self, spoken_ms: int) -> int:
        """Duration of the text in milliseconds, once that is more than ``spoken_ms`` or final; 0 when cancelled."""
        with self._more:
            while not self._cancelled.is_set():
                if self._input_ended:
                    return self._duration_ms(final=True)
                if self._options.incremental and (due_ms := self._duration_ms(final=False)) > spoken_ms:
                    return due_ms
                self._more.wait()
            return 0

    def _duration_ms(self, *, final: bool) -> int:
        """Duration of the text so far, in whole stretches; at least one for a text that is not blank. A word that will
        be marked is not started before it is complete."""
        text = self._text if final or self._words is None else self._text[: complete_length(self._text)]
        if not text.strip():
            return 0
        stretches = _weight(text) * self._options.ms_per_character / self._speed / STRETCH_MS
        return STRETCH_MS * (max(1, round(stretches)) if final else int(stretches))

    def _fault_is_due(self, spoken_ms: int) -> bool:
        return spoken_ms >= self._options.fault_after_ms and self._options.fault_text in self._text

    def _go_wrong(self) -> Iterator[SpeechChunk]:
        match self._options.fault:
            case "crash":
                os._exit(_CRASH_EXIT_STATUS)
            case "hang":
                threading.Event().wait()
            case "error":
                raise RuntimeError("The tone engine was told to fail.")
            case "nan":
                yield SpeechChunk(np.full_like(self._sound, np.nan))
            case _:
                yield SpeechChunk((self._sound * 32767).astype(np.int16))  # the wrong type is the fault


class _Words:
    """The words of a text that arrives in pieces, and when each of them is heard."""

    def __init__(self, ms_per_character: float, *, phonemes: bool = False) -> None:
        self.offset = 0
        """Position of the text in its response."""
        self._ms_per_character = ms_per_character
        self._phonemes = phonemes
        self._position = 0
        """End of the last word that was taken…"""
        self._weight = 0
        """…and how much of the text's weight lies before it."""

    def take(self, text: str, before_ms: float, *, last_ms: float) -> tuple[Mark, ...]:
        """Marks of the next words that begin before ``before_ms``. ``last_ms`` is the end of the audio."""
        marks: list[Mark] = []
        for start, end in word_spans(text, self._position):
            weight = self._weight + _weight(text[self._position : start])
            start_ms = weight * self._ms_per_character
            if start_ms >= before_ms:
                break
            self._position, self._weight = end, weight + _weight(text[start:end])
            end_ms = min(last_ms, self._weight * self._ms_per_character)
            letters = self._letters(text[start:end], start_ms, end_ms) if self._phonemes else ()
            marks.append(Mark(self.offset + start, self.offset + end, start_ms, end_ms, letters))
        return tuple(marks)

    def _letters(self, word: str, start_ms: float, end_ms: float) -> tuple[PhonemeMark, ...]:
        """Each character is a phoneme."""
        bounds_ms = [start_ms + (end_ms - start_ms) * place / len(word) for place in range(len(word))]
        return tuple(map(PhonemeMark, word, bounds_ms, [*bounds_ms[1:], end_ms]))


def pauses_s(options: ToneOptions, text: str) -> Iterator[float]:
    """Seconds before each chunk of ``text``, apart from the real-time factor; infinite."""
    chance = random.Random(f"{options.seed} {text!a}")
    pause_ms = options.first_chunk_delay_ms
    while True:
        yield (pause_ms + chance.uniform(0, options.jitter_ms)) / 1000
        pause_ms = 0.0


def _weight(text: str) -> int:
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + (_WIDE_CHARACTER_WEIGHT - 1) * wide


@lru_cache(maxsize=256)
def _sound(sample_rate: int, frequency_hz: float, duration_ms: int) -> Samples:
    """The sine shared by all streams of one pitch; it must not be written to."""
    periods = max(1, round(frequency_hz * STRETCH_MS / 1000))
    num_samples = STRETCH_MS * sample_rate // 1000
    stretch = _AMPLITUDE * np.sin(2 * np.pi * periods * np.arange(num_samples) / num_samples)
    sound = np.tile(stretch.astype(np.float32), duration_ms // STRETCH_MS)
    sound.flags.writeable = False
    return sound
