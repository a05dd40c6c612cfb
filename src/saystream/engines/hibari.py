"""hibari: one American woman's voice, a hundred times faster than real time on one core; its weights are in its wheel.

The model speaks a sentence in one pass, with about 0.3 s of silence before and after it, which would be most of the
time to the first sound: it is cut to what a listener needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import hibari
import msgspec
import numpy as np

from saystream.audio import SpeechChunk
from saystream.dsp.effects import shaped, timbre
from saystream.dsp.silence import trimmed
from saystream.engines.base import EngineInfo, SegmentEngine, Span, SynthesisRequest
from saystream.engines.options import read_options
from saystream.engines.pronunciation.digits import readable
from saystream.engines.pronunciation.told_words import HELD, held, phonemized
from saystream.errors import InvalidValue
from saystream.text.pauses import pause_after_ms

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["HibariEngine"]

_VOICE = "heart"
"""The voice in the wheel; hibari would download the others."""

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
            normalizes_text=True,
            alphabets={"en": ("arpabet", "ipa")},
        )

    def load(self) -> None:
        self._model = hibari.Hibari(voice=_VOICE, threads=self._options.threads)
        for request in (SynthesisRequest(_VOICE, "en"), SynthesisRequest(_VOICE, "en", pitch=0.6)):
            for _ in self.synthesize(Span(_WARM_UP), request):
                pass

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        """Skips what has no English reading, such as emoji or Chinese. Raises InvalidValue for an unknown voice."""
        if request.voice not in self.info.voices:
            raise InvalidValue("voice", request.voice, self.info.voices)
        hurried = request.speed >= _HURRIED_FROM
        stages = timbre(
            self.info.sample_rate,
            speed=request.speed / _HURRIED_EFFECT if hurried else request.speed,
            pitch=request.pitch,
            formant=request.formant,
        )
        yield from map(SpeechChunk, shaped(self._pieces(span, hurried=hurried), stages))

    def _pieces(self, span: Span, *, hurried: bool) -> Iterator[Samples]:
        speed, effect = (_HURRIED_SPEED, _HURRIED_EFFECT) if hurried else (1.0, 1.0)
        piece = self.info.sample_rate * _PIECE_MS // 1000
        chance = np.random.default_rng(_SEED)
        for phonemes in self._phonemes(span):
            sound = self._model.from_ids(self._model.ids(phonemes), speed, chance)
            pause_ms = pause_after_ms(phonemes) / effect
            sound = trimmed(sound, self.info.sample_rate, pause_ms=pause_ms)
            for start in range(0, len(sound), piece):
                yield sound[start : start + piece]

    def _phonemes(self, span: Span) -> Iterator[str]:
        """What the model speaks in each pass; a sentence is read when its turn comes."""
        source, symbols = held(span.text, span.pronunciations)
        told = iter(symbols)
        for sentence in self._model.split_sentences(readable(source.text)):
            if HELD in sentence:
                yield from _cut(phonemized(self._model.g2p, sentence, told))
                continue
            for phonemes in self._model.phonemize(sentence):
                yield from _cut(phonemes)


def _cut(phonemes: str) -> Iterator[str]:
    """At a space if there is one."""
    while len(phonemes) > _MAX_PHONEMES:
        end = phonemes.rfind(" ", 1, _MAX_PHONEMES)
        if end < 0:
            end = _MAX_PHONEMES
        yield phonemes[:end]
        phonemes = phonemes[end:].lstrip()
    yield phonemes
