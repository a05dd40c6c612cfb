"""Supertonic 3: ten voices, each in 31 languages, through the package ``supertonic``, which contains no weights.

It adds the languages that Kokoro lacks: German, Russian and Korean. We could not get its weights: what is tested is
that its package is called as it expects, not how it sounds.
"""

from __future__ import annotations

import sys
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from supertonic.config import (
    DEFAULT_MAX_CHUNK_LENGTH,
    DEFAULT_MAX_CHUNK_LENGTH_KO,
    DEFAULT_SPEED,
    MAX_SPEED,
    MIN_SPEED,
    SUPPORTED_LANGUAGES,
)
from supertonic.loader import list_available_voice_style_names, load_model, load_voice_style_from_name

from saystream.audio import SpeechChunk
from saystream.dsp.effects import shaped, timbre
from saystream.engines.base import EngineInfo, SegmentEngine, Span, SynthesisRequest
from saystream.engines.options import read_options
from saystream.errors import EngineUnavailable, InvalidValue
from saystream.languages import LANGUAGE_CODES
from saystream.models import ModelStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["SupertonicEngine"]

_MODEL = "supertonic-3"

_OWN_SPEEDS = (MIN_SPEED / DEFAULT_SPEED, MAX_SPEED / DEFAULT_SPEED)
"""What the model itself is asked for, relative to the speed that its makers call natural; the stages do the rest."""

_MAX_CHARACTERS = {"ko": DEFAULT_MAX_CHUNK_LENGTH_KO, "ja": DEFAULT_MAX_CHUNK_LENGTH_KO}
"""For one pass, where the package's usual limit is too high. It says so for Korean; Japanese is as dense."""

_PLACES_TO_CUT = (".!?。！？…", ",;:、，；：", " ")

_PIECE_MS = 200
"""A voice is changed piece by piece, so that the first sound does not wait for the last."""


class _Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folder: str = ""
    """With ``onnx/`` and ``voice_styles/``; "" is what ``saystream models pull supertonic-3`` has fetched."""
    steps: Annotated[int, msgspec.Meta(ge=5, le=12)] = 8
    """More steps sound better and take longer."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Of the model for one pass."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Passes at once."""


class SupertonicEngine(SegmentEngine):
    """Takes ``folder``, ``steps``, ``threads`` and ``concurrency``. ``info`` is known after ``load()``.

    Base voices for recipes: ``F1`` to ``F5`` are women, ``M1`` to ``M5`` men; each speaks every language. The model
    starts from noise, so no two readings of a text are quite the same, unless they have the same seed.
    """

    def __init__(self, **options: Any) -> None:
        """Raises ConfigurationError for an invalid option."""
        self._options = read_options("supertonic", _Options, options)
        self._told: set[str] = set()
        self._chance = threading.local()
        """The seed of the pass that a thread makes."""

    def load(self) -> None:
        """Raises ModelMissing if the weights are missing, EngineUnavailable if they cannot be used. Downloads
        nothing."""
        folder = Path(self._options.folder) if self._options.folder else ModelStore().path(_MODEL)
        try:
            self._model = load_model(folder, False, self._options.threads, 1)
            self._model.sample_noisy_latent = self._noise
            names = list_available_voice_style_names(folder)
            self._styles = {name: load_voice_style_from_name(folder, name) for name in names}
        except Exception as error:  # ONNX Runtime's exceptions have no common base but this
            reason = f"{type(error).__name__}: {error}"
            raise EngineUnavailable(f"{folder} holds no Supertonic model: {reason}") from error
        if not names:
            raise EngineUnavailable(f"{folder} holds no Supertonic model: voice_styles/ is empty.")
        expected = [code for code in LANGUAGE_CODES.values() if code in SUPPORTED_LANGUAGES]
        others = [code for code in SUPPORTED_LANGUAGES if code not in expected]
        self.info = EngineInfo(
            name="supertonic",
            sample_rate=self._model.sample_rate,
            languages=dict.fromkeys([*expected, *others], "native"),
            voices=tuple(names),
            concurrency=self._options.concurrency,
        )
        for _ in self.synthesize(Span("One."), SynthesisRequest(names[0], "en")):
            pass

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        """Raises InvalidValue for a voice or a language that it does not have."""
        if request.voice not in self.info.voices:
            raise InvalidValue("voice", request.voice, self.info.voices)
        if request.language not in self.info.languages:
            raise InvalidValue("language", request.language, self.info.languages)
        slowest, fastest = _OWN_SPEEDS
        speed = min(max(request.speed, slowest), fastest)
        stages = timbre(
            self.info.sample_rate, speed=request.speed / speed, pitch=request.pitch, formant=request.formant
        )
        pieces = self._pieces(span.text, request, speed * DEFAULT_SPEED)
        yield from map(SpeechChunk, shaped(pieces, stages))

    def _pieces(self, text: str, request: SynthesisRequest, speed: float) -> Iterator[Samples]:
        piece = self.info.sample_rate * _PIECE_MS // 1000
        limit = _MAX_CHARACTERS.get(request.language, DEFAULT_MAX_CHUNK_LENGTH)
        for part in _cut(self._known(text), limit):
            sound = self._pass(part, request, min(max(speed, MIN_SPEED), MAX_SPEED))
            for start in range(0, len(sound), piece):
                yield sound[start : start + piece]

    def _pass(self, text: str, request: SynthesisRequest, speed: float) -> Samples:
        style = self._styles[request.voice]
        self._chance.seed = request.seed
        sound, seconds = self._model([text], style, self._options.steps, speed, request.language)
        # The audio is padded to whole frames of 70 ms.
        return np.asarray(sound[0], np.float32)[: round(float(seconds[0]) * self.info.sample_rate)]

    def _noise(self, duration_s: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """What the model starts from, and which of it counts."""
        noise, mask = type(self._model).sample_noisy_latent(self._model, duration_s)
        if self._chance.seed is not None:
            chance = np.random.default_rng(self._chance.seed)
            noise = chance.standard_normal(noise.shape, np.float32) * mask
        return noise, mask

    def _known(self, text: str) -> str:
        """``text`` with spaces for characters that the model has no number for; reported once for each script, not for
        each letter, which would reveal the text."""
        _, unknown = self._model.text_processor.validate_text(text)
        for script in {
            unicodedata.name(character, "UNNAMED").split()[0] for character in unknown
        } - self._told:
            self._told.add(script)
            problem = f"Supertonic has no number for some characters of the kind {script}; they are left out."
            print(problem, file=sys.stderr)  # noqa: T201 - kept for the log by the gateway
        return "".join(" " if character in unknown else character for character in text)


def _cut(text: str, limit: int) -> Iterator[str]:
    """Parts of at most ``limit`` characters with something to say, each up to the last end of a sentence, else of a
    clause, else of a word."""
    while text:
        end = len(text) if len(text) <= limit else _place_to_cut(text, limit)
        part, text = text[:end].strip(), text[end:]
        if any(character.isalnum() for character in part):
            yield part


def _place_to_cut(text: str, limit: int) -> int:
    for places in _PLACES_TO_CUT:
        for end in range(limit, limit // 2, -1):
            if text[end - 1] in places:
                return end
    return limit
