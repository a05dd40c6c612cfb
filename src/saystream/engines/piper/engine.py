"""Piper as an engine: any number of voice files, each for one language."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from saystream.audio import SpeechChunk
from saystream.dsp.effects import shaped, timbre
from saystream.dsp.resample import Resampler
from saystream.dsp.silence import QUIETEST
from saystream.dsp.tempo import PITCH_RANGE
from saystream.engines.base import EngineInfo, SegmentEngine, Span, SynthesisRequest
from saystream.engines.kokoro.timing import WordMarks
from saystream.engines.options import read_options
from saystream.engines.piper.voice import PiperVoice
from saystream.errors import EngineUnavailable, InvalidValue, ModelMissing
from saystream.languages import LANGUAGE_CODES
from saystream.models import ModelStore

if TYPE_CHECKING:
    from saystream.audio import Mark, Samples
    from saystream.dsp.stage import Stage

__all__ = ["PiperEngine"]

_PREFIX = "piper-"
"""Prefix of the store's models that are voices."""
_EXAMPLE = "piper-en-us-joe"

_CHARACTERS = {"female": 200.0, "male": 115.0}
"""Median pitch, in Hz, of the voices that every language has."""

_SIMILAR = 1.25
"""Ratio of pitches up to which a voice is left unchanged: women, and men, differ as much among themselves."""

_FORMANT_EXPONENT = 1 / 3
"""Applied to the ratio of pitches: a woman's vocal tract is a sixth shorter than a man's, at 1.7 times the pitch."""

_PIECE_MS = 200
"""A voice is changed piece by piece, so that the first sound does not wait for the last."""

_Scale = Annotated[float, msgspec.Meta(ge=0, le=2)]


class _Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folder: str = ""
    """With ``NAME.onnx`` and ``NAME.onnx.json``; "" is all voices that ``saystream models pull`` has fetched."""
    voices: tuple[str, ...] = ()
    """Names of those to use; by default all."""
    noise_scale: _Scale | None = None
    """Randomness of the sound; by default as in the voice's file."""
    noise_w: _Scale | None = None
    """Randomness of the rhythm. With both 0 the same text always sounds the same."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Of the model for one sentence."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Sentences at once."""


@dataclass(frozen=True, slots=True)
class _Casting:
    """Who speaks, and by how much the pitch is changed to sound like the voice asked for."""

    voice: PiperVoice
    speaker: str = ""
    pitch: float = 1.0


class PiperEngine(SegmentEngine):
    """Takes ``folder``, ``voices``, ``noise_scale``, ``noise_w``, ``threads`` and ``concurrency``. ``info`` is known
    after ``load()``: its voices and languages are those of the files.

    Base voices for recipes: ``female`` and ``male`` exist in every language, at about 200 and 115 Hz: the file of that
    language with the nearest pitch, shifted if it is far off. The others are files, such as ``en_US-joe-medium``, and
    their speakers, such as ``en_GB-vctk-medium#p239``; in a language other than its own, a file's voice is the nearest
    file of that language, shifted in the same way.
    """

    def __init__(self, **options: Any) -> None:
        """Raises ConfigurationError for an invalid option."""
        self._options = read_options("piper", _Options, options)

    def load(self) -> None:
        """Raises ModelMissing if there is no voice, EngineUnavailable if none can be used. If only some cannot be used,
        they are reported on standard error and left out."""
        self._voices = self._loaded(self._files())
        languages = {voice.language for voice in self._voices.values()}
        expected = [code for code in LANGUAGE_CODES.values() if code in languages]
        self.info = EngineInfo(
            name="piper",
            sample_rate=max(voice.sample_rate for voice in self._voices.values()),
            languages=dict.fromkeys([*expected, *sorted(languages.difference(expected))], "native"),
            voices=(*_CHARACTERS, *_names(self._voices)),
            concurrency=self._options.concurrency,
            marks=all(voice.knows_times for voice in self._voices.values()),
            alphabets=_alphabets(self._voices.values()),
        )

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        """Raises InvalidValue for a voice or a language that it does not have."""
        casting = self._casting(request)
        stages: list[Stage] = []
        if casting.voice.sample_rate != self.info.sample_rate:
            stages.append(Resampler(source_rate=casting.voice.sample_rate, target_rate=self.info.sample_rate))
        lowest, highest = PITCH_RANGE
        stages += timbre(
            self.info.sample_rate,
            # Not by the model's own scale: at 1.5 a recogniser then misread 5 % of the words, 2 % like this.
            speed=request.speed,
            pitch=min(max(request.pitch * casting.pitch, lowest), highest),
            formant=request.formant * casting.pitch**_FORMANT_EXPONENT,
        )
        marks: list[Mark] = []
        words = (
            WordMarks(span.offset, phonemes=request.phonemes) if request.marks and self.info.marks else None
        )
        for samples in shaped(_pieces(span, casting, request.seed, words, marks), stages):
            due = tuple(mark.moved(lambda ms: ms / request.speed) for mark in marks)
            marks.clear()
            yield SpeechChunk(samples, due)

    def _casting(self, request: SynthesisRequest) -> _Casting:
        if request.voice not in self.info.voices:
            raise InvalidValue("voice", request.voice, self.info.voices)
        if request.language not in self.info.languages:
            raise InvalidValue("language", request.language, self.info.languages)
        name, _, speaker = request.voice.partition("#")
        asked_for = self._voices.get(name)
        if asked_for is not None and asked_for.language == request.language:
            return _Casting(asked_for, speaker)
        wanted_hz = _CHARACTERS[name] if asked_for is None else asked_for.pitch_hz
        speaking = [voice for voice in self._voices.values() if voice.language == request.language]
        if wanted_hz is None:
            return _Casting(speaking[0])
        nearest = min(speaking, key=lambda voice: abs(math.log(_ratio(wanted_hz, voice))))
        ratio = _ratio(wanted_hz, nearest)
        return _Casting(nearest, pitch=1.0 if 1 / _SIMILAR <= ratio <= _SIMILAR else ratio)

    def _files(self) -> Mapping[str, Path]:
        """The voice files by name, sorted."""
        found: dict[str, Path] = {}
        for folder in self._folders():
            found |= {file.name.removesuffix(".onnx"): file for file in folder.glob("*.onnx")}
        if self._options.folder and not found:
            raise EngineUnavailable(
                f"There is no Piper voice in {self._options.folder}: no file ends in .onnx."
            )
        wanted = self._options.voices or sorted(found)
        if unknown := [name for name in wanted if name not in found]:
            have = ", ".join(sorted(found)) or "none"
            raise EngineUnavailable(f"There is no Piper voice {' or '.join(unknown)}. There are: {have}.")
        return {name: found[name] for name in wanted}

    def _folders(self) -> Sequence[Path]:
        if self._options.folder:
            return [Path(self._options.folder)]
        store = ModelStore()
        folders = []
        missing: ModelMissing | None = None
        for model in [name for name in store.pulled() if name.startswith(_PREFIX)]:
            try:
                folders.append(store.path(model))
            except ModelMissing as error:
                _tell(error.message)
                missing = error
        if not folders:
            if missing is not None:
                raise missing
            store.path(_EXAMPLE)
        return folders

    def _loaded(self, files: Mapping[str, Path]) -> dict[str, PiperVoice]:
        voices: dict[str, PiperVoice] = {}
        refusal = EngineUnavailable("There is no Piper voice.")
        for name, path in files.items():
            try:
                voices[name] = PiperVoice(
                    path,
                    threads=self._options.threads,
                    noise_scale=self._options.noise_scale,
                    noise_w=self._options.noise_w,
                )
            except EngineUnavailable as error:
                _tell(error.message)
                refusal = error
        if not voices:
            raise refusal
        return voices


def _names(voices: Mapping[str, PiperVoice]) -> Iterator[str]:
    for name, voice in voices.items():
        yield name
        yield from (f"{name}#{speaker}" for speaker in voice.config.speakers)


def _alphabets(voices: Collection[PiperVoice]) -> dict[str, tuple[str, ...]]:
    """By language; none where a voice's symbols are letters."""
    spelling = {voice.language for voice in voices if voice.config.phoneme_type == "text"}
    return {
        voice.language: ("arpabet", "ipa") if voice.language == "en" else ("ipa",)
        for voice in voices
        if voice.language not in spelling
    }


def _ratio(wanted_hz: float, voice: PiperVoice) -> float:
    """A voice without a pitch, such as a whisper, is left unchanged."""
    return wanted_hz / (voice.pitch_hz or wanted_hz)


def _pieces(
    span: Span, casting: _Casting, seed: int | None, words: WordMarks | None, marks: list[Mark]
) -> Iterator[Samples]:
    """``marks`` gets those of a pass, with times in all of the pieces, before its first piece comes."""
    sample_rate = casting.voice.sample_rate
    piece = sample_rate * _PIECE_MS // 1000
    num_samples = 0
    passes = casting.voice.speak(span.text, told=span.pronunciations, speaker=casting.speaker, seed=seed)
    for each in passes:
        if words is not None and each.times_ms is not None:
            words.timed(each.symbols, each.times_ms + num_samples * 1000 / sample_rate)
            # The last word is drawn out into silence, which is cut.
            audible = np.flatnonzero(np.abs(each.sound) > QUIETEST)
            end_ms = (num_samples + int(audible[-1] + 1 if len(audible) else 0)) * 1000 / sample_rate
            marks += (mark.moved(partial(min, end_ms)) for mark in words.take())
        num_samples += len(each.sound)
        for start in range(0, len(each.sound), piece):
            yield each.sound[start : start + piece]


def _tell(problem: str) -> None:
    print(problem, file=sys.stderr)  # noqa: T201 - kept for the log by the gateway
