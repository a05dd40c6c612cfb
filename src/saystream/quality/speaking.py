"""Has sentences spoken: over the wire, as a client hears them, or by an engine in this process, as the upper limit."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from saystream import catalog
from saystream.client import connect
from saystream.config import Settings
from saystream.engines.base import Engine, Span
from saystream.engines.registry import load_engine_class
from saystream.errors import EngineUnavailable, RemoteProtocolError
from saystream.languages import LANGUAGE_NAMES
from saystream.voices.casting import Casting

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["DirectSpeaker", "Speaker", "WireSpeaker", "write_wav"]

_MODEL = "qwen3-tts-flash-realtime"
_WIRE_RATE = 24000


class Speaker(Protocol):
    """Something that speaks a sentence."""

    path: str
    """How it is spoken: ``wire`` or ``direct``."""

    def speak(self, text: str, *, voice: str, language: str) -> tuple[Samples, int]:
        """Samples in -1 to 1 and their rate in Hz."""


class WireSpeaker:
    """A running server, over its WebSocket."""

    path = "wire"

    def __init__(self, url: str) -> None:
        self._url = url

    def speak(self, text: str, *, voice: str, language: str) -> tuple[Samples, int]:
        """Raises ClientError if the server refuses or is not there."""
        audio = asyncio.run(self._audio(text, voice, LANGUAGE_NAMES[language]))
        if not audio:
            raise RemoteProtocolError(f"the server sent no audio for a sentence of {len(text)} characters")
        return np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32768), _WIRE_RATE

    async def _audio(self, text: str, voice: str, language_type: str) -> bytes:
        async with connect(self._url, model=_MODEL) as session:
            await session.update(
                voice=voice, language_type=language_type, response_format="pcm", sample_rate=_WIRE_RATE
            )
            await session.append(text)
            await session.finish()
            return b"".join([audio async for audio in session.audio()])


class DirectSpeaker:
    """The engines that the settings would choose, in this process: one call for a whole sentence.

    Text is read as on the wire, so that the same phonemes are spoken; only the segmenter, the audio chain and the
    protocol are missing.
    """

    path = "direct"

    def __init__(self, settings: Settings) -> None:
        order = settings.wanted_engines
        self._engines: dict[str, Engine] = {}
        for name in order:
            try:
                engine = load_engine_class(name)(**settings.engines.get(name, {}))
                engine.load()
            except EngineUnavailable:
                continue
            self._engines[name] = engine
        known = {name: engine.info for name, engine in self._engines.items()}
        self._casting = Casting(
            order, known, catalog=catalog.load(), max_realtime_factor=settings.max_realtime_factor
        )

    def speak(self, text: str, *, voice: str, language: str) -> tuple[Samples, int]:
        """Raises EngineUnavailable if no engine here speaks the language."""
        # Its grammars take a while to load, and in this process only a comparison needs them.
        from saystream.text.normalizer import normalize

        role = self._casting.role(voice=voice, language=language)
        engine = self._engines[role.engine]
        spoken = text if engine.info.normalizes_text else normalize(text, language)
        stream = engine.open(role.request)
        stream.push(Span(spoken))
        stream.end_input()
        return np.concatenate(
            [np.zeros(0, np.float32), *(chunk.samples for chunk in stream.chunks())]
        ), engine.info.sample_rate


def write_wav(path: Path, samples: Samples, sample_rate: int) -> None:
    """Mono, 16-bit."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, sample_rate, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
