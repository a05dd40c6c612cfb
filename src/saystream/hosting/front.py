"""What the rest of saystream knows of the engines: which ones there are, how busy they are, and streams of speech.

Nothing here says where the engines run. ``pool.EnginePool`` runs them on this machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from saystream.audio import AudioChunk

if TYPE_CHECKING:
    from saystream.engines.base import EngineInfo, Enrolled, Recording, Span, SynthesisRequest
    from saystream.errors import EngineUnavailable
    from saystream.hosting.playback import Playback

__all__ = ["EngineLoad", "Forecast", "Hosting", "StreamHandle"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a stream is likely to give, as far as is known now."""

    sound_in_ms: float
    """When its next sound comes; 0 if some is there, or nothing is known."""
    sound_ms: float
    """How much sound is still to come."""
    made_in_ms: float = 0.0
    """When the last of it is there; 0 if that is not known, or if all of it comes at once."""
    chunk_ms: float = 0.0
    """Of sound that comes at once."""


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How busy one engine is now."""

    engine: str
    hosts: int
    """Processes that are loaded and alive."""
    restarts: int
    """Processes started beyond the first ones."""
    waiting: int
    """Streams that wait for a slot or for their text."""
    running: int
    """Streams that hold a slot."""
    held: int = 0
    """Sessions without sound that wait until the engine has speed to spare for one more."""


class StreamHandle(AsyncIterable[AudioChunk], Protocol):
    """One stretch of speech as its caller sees it, wherever it runs and however many attempts it takes.

    Push text, end the input, iterate over the audio; ``cancel`` it unless it was read to its end. Iterating ends after
    a cancel. It raises EngineFault if the engine failed, and EngineUnavailable, Overloaded or Draining if no engine
    will run it: always after the audio that came before.
    """

    @property
    def waiting_characters(self) -> int:
        """Text that an incremental engine has not begun to speak; 0 with a whole-segment engine.

        Once the stream is over, text that a fault kept from being spoken.
        """

    @property
    def forecast(self) -> Forecast:
        """What it is likely to give from now on."""

    def next_forecast(self, size: float) -> Forecast:
        """The same of a stream of the same session that would be queued now, with ``size`` bytes of text in UTF-8."""

    def push(self, span: Span) -> None:
        """More text, from where the last span ended; ignored once the stream is over.

        Raises RuntimeError after ``end_input``.
        """

    def end_input(self) -> None:
        """No more text comes. Calling it again does no harm."""

    def cancel(self) -> None:
        """Give up unread audio and free the engine; does no harm when called again or after the end."""


class Hosting(Protocol):
    """All engines of a server. Every method except ``start`` and ``enroll`` returns at once."""

    async def start(self, names: Iterable[str]) -> None:
        """Start these engines and wait until each is loaded, or is known not to load.

        An engine that does not load raises nothing here: ``engine`` and ``open`` say what was wrong with it.
        """

    def engines(self) -> dict[str, EngineInfo]:
        """The started engines that can run now."""

    def faults(self) -> dict[str, EngineUnavailable]:
        """Why the other engines cannot run."""

    def engine(self, name: str) -> EngineInfo:
        """What a started engine can do. Raises EngineUnavailable if it is not started or does not load."""

    def load(self) -> tuple[EngineLoad, ...]:
        """How busy each started engine is."""

    def open(self, engine: str, request: SynthesisRequest, *, playback: Playback) -> StreamHandle:
        """Queue a stream; streams of the same ``playback`` keep the order of these calls.

        Raises EngineUnavailable, Overloaded if too much is waiting for the engine, and Draining while the engines are
        being stopped.
        """

    async def enroll(self, engine: str, recording: Recording) -> Enrolled:
        """What ``engine`` makes of ``recording``: a voice like its speaker. It takes seconds, and may have to wait.

        Raises AudioRefused for a recording of no use, EngineFault if the engine fails, EngineUnavailable also for one
        that enrolls nobody, Overloaded if too many recordings wait, and Draining while the engines are being stopped.
        """
