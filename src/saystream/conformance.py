"""Checks for the author of an engine to run on it. Every built-in engine passes them.

In a test of the engine's own package::

    from saystream.conformance import check_engine

    def test_my_engine_is_one():
        assert check_engine(MyEngine()) == []

Here the engine runs in the test's process. In service it runs in its own process, which the pool kills when it hangs;
that is not checked.
"""

from __future__ import annotations

import math
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saystream import catalog
from saystream.audio import Mark, SpeechChunk
from saystream.dsp.pitch import median_pitch_hz
from saystream.engines.base import (
    Engine,
    EngineInfo,
    EngineStream,
    Enrolled,
    Recording,
    Span,
    SynthesisRequest,
)
from saystream.errors import AudioRefused

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["SENTENCES", "Finding", "check_engine"]

SENTENCES = {
    "en": "The train to the airport leaves at half past nine tomorrow morning.",
    "zh": "去机场的火车明天早上九点半出发，请不要迟到。",
    "ja": "くうこうゆきのでんしゃは、あしたのあさくじはんにでます。",
    "ko": "공항으로 가는 기차는 내일 아침 아홉 시 반에 출발합니다.",
    "de": "Der Zug zum Flughafen fährt morgen früh um halb zehn ab.",
    "fr": "Le train pour l'aéroport part demain matin à neuf heures et demie.",
    "es": "El tren al aeropuerto sale mañana por la mañana a las nueve y media.",
    "it": "Il treno per l'aeroporto parte domani mattina alle nove e mezza.",
    "pt": "O trem para o aeroporto sai amanhã de manhã às nove e meia.",
    "ru": "Поезд в аэропорт отправляется завтра утром в половине десятого.",
}
"""A sentence of about four seconds in each language of the service."""

_ODD_TEXTS = {
    "an empty text": "",
    "blanks": " \t\n ",
    "punctuation": "…?! -- ,;",
    "emoji": "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a NUL and other control characters": "a\x00b\x01\x1b[0m\x7f",
    "combining marks without a base": "\u0301\u0308" * 20,
    "text from right to left": "שלום עולם مرحبا",
    "a lone surrogate": "a\ud800b",
    "markup": "<speak>&amp;<break/></speak> [[a]] {x}",
    "a word without an end": "ab1" * 200,
    "a number without an end": "7" * 200,
}

_QUALITIES = ("native", "approximate", "robotic")

_MAX_MAGNITUDE = 1.5
_MIN_PEAK = 0.01
_MS_PER_CHARACTER = (20, 250)
"""Hurried and very slow speech; a wide character, such as a Chinese one, counts as three. Audio labelled with half or
twice its rate falls outside for most voices."""
_WIDE_CHARACTER_WEIGHT = 3
_MAX_ODD_TEXT_S = 300.0

_PATIENCE_S = 120.0
"""A stream that has not ended by then never will."""
_CANCEL_PATIENCE_S = 1.0
_STEP_S = 0.01
"""Patience is counted in steps, so that a time in which the whole machine stands still is hardly any."""
_LONG_TEXT_SENTENCES = 30
_MAX_VOICES = 50
_MAX_STREAMS = 4

_TOLERANCE = 0.1
"""Of measured speed and pitch: less than a listener would notice."""
_OFFSET = 7
"""Position of the text in its response: marks must count from there."""
_MARK_TOLERANCE_MS = 50.0

_REPEAT_TOLERANCE = 0.05
"""Of the duration of the same text spoken twice, by an engine that repeats itself but may cut the text elsewhere."""
_CHANCE_TOLERANCE = 0.15
"""The same where chance has a part in the rhythm: with Piper's usual noise, one time in a hundred differs by 5 %."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which the engine breaks the contract of ``base.py``."""

    check: str
    """What was checked, such as ``cancel``."""
    problem: str
    """A sentence that says what happened and what should have happened."""


def check_engine(
    engine: Engine, *, sentence: str | None = None, deterministic: bool = False
) -> list[Finding]:
    """Load ``engine`` and test it; an empty list means that it conforms.

    ``engine`` has been created but not loaded. ``sentence`` has 40 to 100 letters in its first language, if that is not
    a language of the service. ``deterministic``: the same text must give the same samples.
    """
    try:
        engine.load()
        info = engine.info
    except Exception as error:  # an engine may raise anything; so in every check
        return [Finding("load", f"load() raised {error!r}.")]
    if problems := list(_description(info)):
        return [Finding("description", problem) for problem in problems]
    best = next(iter(info.languages))
    language = "en" if best == "*" else best
    bench = _Bench(engine, language, sentence or SENTENCES.get(language, SENTENCES["en"]), deterministic)
    findings = []
    for check in _CHECKS:
        name = check.__name__.removeprefix("_").replace("_", " ")
        try:
            findings += [Finding(name, problem) for problem in check(bench)]
        except _Broken as broken:
            findings.append(Finding(name, str(broken)))
        except Exception as error:  # push(), end_input() or cancel()
            findings.append(Finding(name, f"The stream raised {error!r}."))
    return findings


class _Broken(Exception):
    """A check cannot continue."""


class _Reading:
    """A stream that is read to its end in its own thread, so that one that hangs is noticed."""

    def __init__(self, stream: EngineStream) -> None:
        self.stream = stream
        self.chunks: list[Any] = []
        self.first = threading.Event()
        """Set with the first chunk, and at the end."""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for chunk in self.stream.chunks():
                self.chunks.append(chunk)
                self.first.set()
        except BaseException as error:  # also what would otherwise end this thread unseen
            self._error = error
        self.first.set()

    def begins(self) -> None:
        """Wait for the first chunk."""
        _steps_until(self.first.wait, _PATIENCE_S)

    def ends(self, within_s: float) -> bool:
        return self.still_takes_s(within_s) < within_s

    def still_takes_s(self, at_most_s: float) -> float:
        """Wait for the end; ``at_most_s`` if it does not come by then."""

        def ended(step_s: float) -> bool:
            self._thread.join(step_s)
            return not self._thread.is_alive()

        taken_s = _steps_until(ended, at_most_s)
        if self._error is not None:
            raise _Broken(f"chunks() raised {self._error!r}.")
        return taken_s

    def audio(self) -> Samples:
        """All of it, once the stream has ended and each chunk has been checked."""
        if not self.ends(_PATIENCE_S):
            self.stream.cancel()
            raise _Broken(f"chunks() did not end within {_PATIENCE_S:g} s after end_input().")
        for chunk in self.chunks:
            if problem := _chunk_problem(chunk):
                raise _Broken(problem)
        return np.concatenate([*(chunk.samples for chunk in self.chunks), np.zeros(0, np.float32)])


def _steps_until(happened: Callable[[float], bool], at_most_s: float) -> float:
    """How long it took, in steps that were waited for in vain."""
    steps = math.ceil(at_most_s / _STEP_S)
    return next((step * _STEP_S for step in range(steps) if happened(_STEP_S)), at_most_s)


def _chunk_problem(chunk: Any) -> str:
    if not isinstance(chunk, SpeechChunk):
        return f"A chunk is a {type(chunk).__name__}; it has to be a SpeechChunk."
    samples: Any = chunk.samples
    if not isinstance(samples, np.ndarray):
        return f"The samples of a chunk are a {type(samples).__name__}; they have to be a NumPy array."
    if samples.dtype != np.float32 or samples.ndim != 1:
        return (
            f"Samples are {samples.dtype} with {samples.ndim} dimensions; they have to be float32 with one."
        )
    if not np.isfinite(samples).all():
        return "A chunk holds NaN or infinity."
    if samples.size and np.abs(samples).max() > _MAX_MAGNITUDE:
        return f"A chunk reaches {np.abs(samples).max():g}; samples have to lie within -1…1."
    return ""


@dataclass(frozen=True, slots=True)
class _Bench:
    """A loaded engine and what it is given to say."""

    engine: Engine
    language: str
    sentence: str
    deterministic: bool

    @property
    def info(self) -> EngineInfo:
        return self.engine.info

    @property
    def repeat_tolerance(self) -> float:
        return _REPEAT_TOLERANCE if self.deterministic else _CHANCE_TOLERANCE

    def open(self, **request: Any) -> EngineStream:
        voice = request.pop("voice", self.info.voices[0])
        try:
            return self.engine.open(SynthesisRequest(voice=voice, language=self.language, **request))
        except Exception as error:
            raise _Broken(f"open() raised {error!r}.") from error

    def read(self, *pieces: str, **request: Any) -> _Reading:
        reading = _Reading(self.open(**request))
        offset = _OFFSET
        for piece in pieces:
            reading.stream.push(Span(piece, offset))
            offset += len(piece)
        reading.stream.end_input()
        return reading

    def say(self, *pieces: str, **request: Any) -> Samples:
        return self.read(*pieces, **request).audio()

    def seconds(self, *pieces: str, **request: Any) -> float:
        return len(self.say(*pieces, **request)) / self.info.sample_rate

    def sentences(self, count: int) -> str:
        return " ".join([self.sentence] * count)


def _description(info: EngineInfo) -> Iterator[str]:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", info.name):
        yield f"The name '{info.name}' is not in small letters, digits, '-' and '_'."
    if not 8000 <= info.sample_rate <= 192_000:
        yield f"The sample rate {info.sample_rate} is not between 8000 and 192000 Hz."
    if not info.languages or not all(re.fullmatch(r"\*|[a-z]{2}", code) for code in info.languages):
        yield f"The languages {tuple(info.languages)} are not ISO 639-1 codes or '*'."
    for language, quality in info.languages.items():
        if quality not in _QUALITIES:
            yield f"The quality '{quality}' of language '{language}' is not one of {', '.join(_QUALITIES)}."
    if unknown := set(info.native_voices) - {voice.name for voice in catalog.load().system_voices}:
        yield f"The native voices {sorted(unknown)} are no system voices."
    if not info.voices or len(set(info.voices)) < len(info.voices):
        yield f"The voices {info.voices} are none, or some are alike."
    if info.concurrency < 1:
        yield f"The concurrency {info.concurrency} is below 1."
    if not 0 <= info.parallel <= info.concurrency:
        yield f"parallel, {info.parallel}, is not from 0 to the concurrency."


def _audio(bench: _Bench) -> Iterator[str]:
    samples = bench.say(bench.sentence)
    if not len(samples) or np.abs(samples).max() < _MIN_PEAK:
        yield "A sentence gives no sound."
        return
    letters = sum(
        _WIDE_CHARACTER_WEIGHT if unicodedata.east_asian_width(character) in "WF" else 1
        for character in bench.sentence
    )
    each_ms = len(samples) * 1000 / bench.info.sample_rate / letters
    if not _MS_PER_CHARACTER[0] <= each_ms <= _MS_PER_CHARACTER[1]:
        yield f"A letter lasts {each_ms:.0f} ms at {bench.info.sample_rate} Hz; is that its rate?"


def _every_voice(bench: _Bench) -> Iterator[str]:
    for voice in bench.info.voices[:_MAX_VOICES]:
        try:
            if not len(bench.say(bench.sentence, voice=voice)):
                yield f"The voice '{voice}' says nothing."
        except _Broken as broken:
            yield f"The voice '{voice}' fails: {broken}"


def _unknown_voice(bench: _Bench) -> Iterator[str]:
    try:
        bench.say(bench.sentence, voice="no such voice")
    except _Broken:
        return
    yield "An unknown voice is not refused; the listener hears another without being told."


def _odd_texts(bench: _Bench) -> Iterator[str]:
    for name, text in _ODD_TEXTS.items():
        try:
            if (seconds := bench.seconds(text)) > _MAX_ODD_TEXT_S:
                yield f"It speaks {seconds:.0f} s for {name}."
        except _Broken as broken:
            yield f"It fails on {name}: {broken}"


def _text_in_pieces(bench: _Bench) -> Iterator[str]:
    whole = bench.seconds(bench.sentence)
    apart = bench.seconds(*bench.sentence)
    if abs(apart - whole) > bench.repeat_tolerance * whole:
        yield f"Text pushed letter by letter lasts {apart:.2f} s, and {whole:.2f} s at once."


def _long_text(bench: _Bench) -> Iterator[str]:
    reading = bench.read(bench.sentences(_LONG_TEXT_SENTENCES))
    seconds = len(reading.audio()) / bench.info.sample_rate
    expected = _LONG_TEXT_SENTENCES * bench.seconds(bench.sentence)
    if not 0.7 * expected <= seconds <= 1.5 * expected:
        yield f"{_LONG_TEXT_SENTENCES} sentences last {seconds:.0f} s, one alone so often {expected:.0f} s."
    if len(reading.chunks) < _LONG_TEXT_SENTENCES / 3:
        yield f"{seconds:.0f} s come in {len(reading.chunks)} chunks; more are needed for a cancel to act."


def _cancel(bench: _Bench) -> Iterator[str]:
    waiting = _Reading(bench.open())
    waiting.stream.push(Span(bench.sentence))
    waiting.stream.cancel()
    if not waiting.ends(_CANCEL_PATIENCE_S):
        yield "A cancel before end_input() does not end chunks()."
    speaking = bench.read(bench.sentences(_LONG_TEXT_SENTENCES))
    speaking.begins()
    speaking.stream.cancel()
    taken_s = speaking.still_takes_s(_PATIENCE_S)
    if taken_s >= _PATIENCE_S:
        raise _Broken("A cancel while it speaks does not end chunks().")
    if taken_s > _CANCEL_PATIENCE_S:
        yield f"A cancel while it speaks takes {taken_s:.1f} s; at most {_CANCEL_PATIENCE_S:g} s is allowed."
    speaking.stream.cancel()
    if not len(bench.say(bench.sentence)):
        yield "After a cancelled stream the next one says nothing."


def _repetition(bench: _Bench) -> Iterator[str]:
    first, again = bench.say(bench.sentence), bench.say(bench.sentence)
    if bench.deterministic and not np.array_equal(first, again):
        yield "The same text gives other samples the second time."
    if abs(len(first) - len(again)) > bench.repeat_tolerance * len(first):
        yield "The same text lasts longer or shorter the second time."


def _streams_at_once(bench: _Bench) -> Iterator[str]:
    texts = [bench.sentences(count) for count in range(1, min(bench.info.concurrency, _MAX_STREAMS) + 1)]
    alone = [bench.say(text) for text in texts]
    together = [reading.audio() for reading in [bench.read(text) for text in texts]]
    for before, beside in zip(alone, together, strict=True):
        longer = abs(len(beside) - len(before)) > bench.repeat_tolerance * len(before)
        if longer or (bench.deterministic and not np.array_equal(before, beside)):
            yield f"One of {len(texts)} streams at once gives other audio than alone: do they share state?"
            return


def _speed(bench: _Bench) -> Iterator[str]:
    text = bench.sentences(2)
    base = bench.seconds(text)
    for speed in (0.8, 1.25):
        heard = base / max(bench.seconds(text, speed=speed), 0.001)
        if abs(heard / speed - 1) > _TOLERANCE:
            yield f"Asked for speed {speed:g}, it speaks at {heard:.2f}. See saystream.dsp.effects.timbre."


def _pitch(bench: _Bench) -> Iterator[str]:
    rate = bench.info.sample_rate
    base = median_pitch_hz(bench.say(bench.sentence), rate)
    if base is None:  # a whisper, or no voice at all
        return
    for pitch in (0.8, 1.25):
        heard = median_pitch_hz(bench.say(bench.sentence, pitch=pitch), rate)
        if heard is None or abs(heard / base / pitch - 1) > _TOLERANCE:
            found = "none" if heard is None else f"{heard / base:.2f}"
            yield f"Asked for pitch {pitch:g}, it speaks at {found}. See saystream.dsp.effects.timbre."


def _formant(bench: _Bench) -> Iterator[str]:
    base, moved = bench.seconds(bench.sentence), bench.seconds(bench.sentence, formant=0.85)
    if abs(moved - base) > bench.repeat_tolerance * base:
        yield f"With formant 0.85 a sentence lasts {moved:.2f} s instead of {base:.2f} s."


def _incremental_text(bench: _Bench) -> Iterator[str]:
    if not bench.info.incremental_text:
        return
    reading = _Reading(bench.open())
    reading.stream.push(Span(bench.sentences(3)))
    reading.begins()
    if not reading.chunks:
        yield "It claims incremental text, but gives no audio for three sentences before end_input()."
    reading.stream.end_input()
    reading.audio()


def _marks(bench: _Bench) -> Iterator[str]:
    text = bench.sentences(2)
    for pieces, speed in (((text,), 1.0), ((text,), 1.25), (tuple(text), 1.0)):
        reading = bench.read(*pieces, speed=speed, marks=True, phonemes=True)
        duration_ms = len(reading.audio()) * 1000 / bench.info.sample_rate
        marks: list[Mark] = []
        begun_ms = 0.0
        for chunk in reading.chunks:
            if any(mark.start_ms < begun_ms - _MARK_TOLERANCE_MS for mark in chunk.marks):
                yield "A mark comes in a later chunk than the word that it is of."
                return
            begun_ms += len(chunk.samples) * 1000 / bench.info.sample_rate
            marks += chunk.marks
        if problem := _problem_of_marks(marks, len(text), duration_ms):
            yield problem
            return


def _problem_of_marks(marks: list[Mark], num_characters: int, duration_ms: float) -> str:
    place, time_ms = _OFFSET, 0.0
    for mark in marks:
        if not place <= mark.start < mark.end <= _OFFSET + num_characters:
            return f"A mark names {mark.start} to {mark.end} after {place}: not in order, or not in the text."
        if not time_ms <= mark.start_ms <= mark.end_ms <= duration_ms + _MARK_TOLERANCE_MS:
            return (
                f"A mark is from {mark.start_ms:.0f} to {mark.end_ms:.0f} ms after {time_ms:.0f} ms:"
                f" not in order, or not in the audio of {duration_ms:.0f} ms."
            )
        if problem := _problem_of_phonemes(mark):
            return problem
        place, time_ms = mark.end, mark.start_ms
    return ""


def _problem_of_phonemes(mark: Mark) -> str:
    time_ms = mark.start_ms
    for phoneme in mark.phonemes:
        if not (phoneme.text and time_ms <= phoneme.start_ms <= phoneme.end_ms <= mark.end_ms):
            return (
                f"A phoneme is from {phoneme.start_ms:.0f} to {phoneme.end_ms:.0f} ms after {time_ms:.0f} ms:"
                f" empty, not in order, or not in its word until {mark.end_ms:.0f} ms."
            )
        time_ms = phoneme.end_ms
    return ""


def _enrolling(bench: _Bench) -> Iterator[str]:
    if not bench.info.enrolls:
        return
    rate = bench.info.sample_rate
    for what, samples in {
        "speech": bench.say(bench.sentences(2)),
        "silence": np.zeros(5 * rate, np.float32),
    }.items():
        try:
            enrolled = bench.engine.enroll(Recording(samples, rate, language=bench.language))
        except AudioRefused:
            if what == "speech":
                yield "It refuses to enroll what it has said itself."
        except Exception as error:  # as in every check
            yield f"enroll() of {what} raised {error!r}."
        else:
            material = enrolled.material if isinstance(enrolled, Enrolled) else b""
            if not material:
                yield f"enroll() of {what} gave no material."
            elif not len(bench.say(bench.sentence, material=material)):
                yield f"With what it has enrolled of {what}, it says nothing."


_CHECKS: tuple[Callable[[_Bench], Iterator[str]], ...] = (
    _audio, _every_voice, _unknown_voice, _odd_texts, _text_in_pieces, _long_text, _cancel, _repetition,
    _streams_at_once, _speed, _pitch, _formant, _incremental_text, _marks, _enrolling,
)  # fmt: skip
