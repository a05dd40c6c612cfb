"""hibari: one American woman's voice, a hundred times faster than real time on one core; its weights are in its wheel.

The model speaks a sentence in one pass, with about 0.3 s of silence before and after it, which would be most of the
time to the first sound: it is cut to what a listener needs.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import hibari
import msgspec
import numpy as np
import onnxruntime
from hibari.dsp import synth
from hibari.g2p.normalize import normalize

from saystream.audio import SpeechChunk
from saystream.dsp.effects import shaped, timbre
from saystream.dsp.silence import QUIETEST, sounding_from, trimmed
from saystream.engines.base import EngineInfo, SegmentEngine, Span, SynthesisRequest
from saystream.engines.intonation import intoned
from saystream.engines.kokoro.timing import WordMarks, bounds
from saystream.engines.onnx_outputs import with_output
from saystream.engines.options import read_options
from saystream.engines.pronunciation.digits import readable
from saystream.engines.pronunciation.told_words import held, with_told
from saystream.errors import InvalidValue
from saystream.text.pauses import pause_after_ms
from saystream.text.rewriting import Rewritten, joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Mark, Samples

__all__ = ["HibariEngine"]

_VOICE = "heart"
"""The voice in the wheel; hibari would download the others."""

_CLAUSE = re.compile(r"[^,;:—]*[,;:—]*\s?")
_MAX_PHONEMES = 400
"""For one pass of the model, 20 s of audio: its time and memory grow faster than the text."""

_PIECE_MS = 200
"""A voice is changed piece by piece, so that the first sound does not wait for the last."""

_HURRIED_FROM = 1.35
"""The speed from which the model itself is sped up and only the rest is left to splicing, which would lose too much: at
speed 2, DNSMOS gave 2.6 instead of 2.0. Below this, splicing alone is as good, and exact."""

_HURRIED_SPEED = 1.5
_HURRIED_EFFECT = 1.6
"""The model's speed changes in whole frames per phoneme: 1.25 gives 1.1, and 1.5 gives 1.48 to 1.68."""

_DURATIONS = "/Clip_output_0"
"""Inside the model: how many frames each symbol lasts."""
_FRAME_MS = 25

_SEED = 0
"""For the breath in the voice: the same text always sounds the same."""

_WARM_UP = "The first sentence takes longer, because everything it needs is made ready with it."


class _Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Of the model for one sentence. Two make a sentence a quarter faster and cost 1.6 times as much."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Sentences at once. The model and the numerical code release the interpreter lock while they work: on two cores,
    two at once gave 1.4 times as much speech as one (measured)."""


class HibariEngine(SegmentEngine):
    """Takes ``threads`` and ``concurrency``. Raises ConfigurationError for an invalid option."""

    def __init__(self, **options: Any) -> None:
        self._options = read_options("hibari", _Options, options)
        self.info = EngineInfo(
            name="hibari",
            sample_rate=hibari.SAMPLE_RATE,
            languages={"en": "native"},
            scripts=("latin",),
            voices=(_VOICE,),
            concurrency=self._options.concurrency,
            marks=True,
            alphabets={"en": ("arpabet", "ipa")},
        )

    def load(self) -> None:
        self._model = hibari.Hibari(voice=_VOICE, threads=self._options.threads)
        self._session = onnxruntime.InferenceSession(
            with_output(Path(self._model.model_path).read_bytes(), _DURATIONS),
            self._model.sess.get_session_options(),
            providers=["CPUExecutionProvider"],
        )
        for request in (SynthesisRequest(_VOICE, "en"), SynthesisRequest(_VOICE, "en", pitch=0.6)):
            for _ in self.synthesize(Span(_WARM_UP), request):
                pass

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        """Skips what has no English reading, such as emoji or Chinese. Raises InvalidValue for an unknown voice."""
        if request.voice not in self.info.voices:
            raise InvalidValue("voice", request.voice, self.info.voices)
        hurried = request.speed >= _HURRIED_FROM
        speed = request.speed / _HURRIED_EFFECT if hurried else request.speed
        stages = timbre(
            self.info.sample_rate,
            speed=speed,
            pitch=request.pitch,
            formant=request.formant,
        )
        marks: list[Mark] = []
        words = WordMarks(span.offset, phonemes=request.phonemes)
        for samples in shaped(self._pieces(span, request, words, marks), stages):
            due = tuple(mark.moved(lambda ms: ms / speed) for mark in marks) if request.marks else ()
            marks.clear()
            yield SpeechChunk(samples, due)

    def _pieces(
        self, span: Span, request: SynthesisRequest, words: WordMarks, marks: list[Mark]
    ) -> Iterator[Samples]:
        """``marks`` gets those of a pass, with times in all of the pieces, before its first piece comes."""
        hurried = request.speed >= _HURRIED_FROM
        speed, effect = (_HURRIED_SPEED, _HURRIED_EFFECT) if hurried else (1.0, 1.0)
        sample_rate = self.info.sample_rate
        piece = sample_rate * _PIECE_MS // 1000
        chance = np.random.default_rng(_SEED)
        num_samples = 0
        for symbols in self._passes(span, in_words=request.normalize_text):
            sound, durations = self._spoken(symbols.text, speed, request.intonation, chance)
            pause_ms = pause_after_ms(symbols.text) / effect
            cut = sounding_from(sound, sample_rate)
            sound = trimmed(sound, sample_rate, pause_ms=pause_ms)
            begin_ms = (num_samples - cut) * 1000 / sample_rate
            words.timed(symbols, np.maximum(bounds(durations) * _FRAME_MS + begin_ms, 0.0))
            # The model draws out the last sound into silence.
            audible = np.flatnonzero(np.abs(sound) > QUIETEST)
            end_ms = (num_samples + int(audible[-1] if len(audible) else 0)) * 1000 / sample_rate
            marks += (mark.moved(partial(min, end_ms)) for mark in words.take())
            num_samples += len(sound)
            for start in range(0, len(sound), piece):
                yield sound[start : start + piece]

    def _spoken(
        self, symbols: str, speed: float, intonation: float, chance: np.random.Generator
    ) -> tuple[Samples, NDArray[Any]]:
        """The sound, and how long each symbol and the two edges last, in frames."""
        ids = self._model.ids(symbols)
        inputs = {"ids": np.asarray([ids], np.int64), "speed": np.asarray([speed], np.float32)}
        *parts, f0, durations = self._session.run(None, inputs)
        return synth(*(part[0] for part in parts), intoned(f0[0], intonation), chance), durations

    def _passes(self, span: Span, *, in_words: bool) -> Iterator[Rewritten]:
        """What the model speaks in each pass, in symbols that it knows; a sentence is read when its turn comes. A text
        that is not ``in_words`` yet is normalised by hibari."""
        source, symbols = held(span.text, span.pronunciations)
        source = source.respelt(readable(source.text))
        told = iter(symbols)
        end = 0
        for sentence in self._model.split_sentences(source.text):
            start = source.text.index(sentence, end)
            end = start + len(sentence)
            read = self._symbols(source[start:end], told, in_words=in_words)
            place = 0
            for phonemes in _clauses(read.text):
                for part in _cut(phonemes):
                    place = read.text.index(part, place)
                    known = _known(read[place : place + len(part)], self._model.vocab)
                    place += len(part)
                    if len(known):
                        yield known

    def _symbols(self, sentence: Rewritten, told: Iterator[str], *, in_words: bool) -> Rewritten:
        """As hibari reads it, with the place of each word."""
        reader = self._model.g2p
        normal = sentence if in_words else sentence.respelt(normalize(sentence.text))
        tokens = reader.phonemize_tokens(with_told(reader.tokenize(normal.text), told))
        parts: list[Rewritten] = []
        place = 0
        for token in tokens:
            start = normal.text.find(token.text, place)
            start, place = (start, start + len(token.text)) if start >= 0 else (place, len(normal))
            symbols = (reader.unk if token.phonemes is None else token.phonemes) + " " * bool(
                token.whitespace
            )
            if symbols and start < place:
                parts.append(normal[start:place].becomes(symbols))
            elif symbols:
                parts.append(Rewritten(symbols, [start] * len(symbols), [start] * len(symbols)))
        return joined(parts).strip()


def _known(symbols: Rewritten, vocabulary: Container[str]) -> Rewritten:
    places = [place for place, symbol in enumerate(symbols.text) if symbol in vocabulary]
    return Rewritten(
        "".join(symbols.text[place] for place in places),
        [symbols.starts[place] for place in places],
        [symbols.ends[place] for place in places],
    )


def _clauses(phonemes: str) -> Iterator[str]:
    """As many clauses at once as one pass takes; a longer one as it is."""
    if len(phonemes) <= _MAX_PHONEMES:
        yield phonemes
        return
    passed, end = 0, 0
    for clause in _CLAUSE.finditer(phonemes):
        if end > passed and clause.end() - passed > _MAX_PHONEMES:
            yield phonemes[passed:end]
            passed = end
        end = clause.end()
    yield phonemes[passed:]


def _cut(phonemes: str) -> Iterator[str]:
    """At a space if there is one."""
    while len(phonemes) > _MAX_PHONEMES:
        end = phonemes.rfind(" ", 1, _MAX_PHONEMES)
        if end < 0:
            end = _MAX_PHONEMES
        yield phonemes[:end]
        phonemes = phonemes[end:].lstrip()
    yield phonemes
