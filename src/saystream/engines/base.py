"""What an engine is. An author of an engine reads this page and ``conformance.py``, nothing else.

An engine turns text into float32 mono audio at a rate of its own. It lives in a child process that the pool starts
(``hosting/worker.py``), so it may block, use threads of its own, leak or crash without touching anybody else. It is
built with the options of its configuration section as keyword arguments, then ``load()`` is called once.

There are two kinds, and the callers cannot tell them apart:

* whole-segment engines derive from ``SegmentEngine`` and implement ``synthesize``;
* incremental engines implement ``open`` and return a stream that is fed while it speaks.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saystream.audio import SpeechChunk

__all__ = [
    "Engine",
    "EngineInfo",
    "EngineStream",
    "SegmentEngine",
    "SegmentStream",
    "Span",
    "SynthesisRequest",
    "joined",
]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine can do."""

    name: str
    sample_rate: int
    """Rate of the audio it gives, in Hz."""
    languages: Mapping[str, str]
    """How good its speech is in each language, as users are told: ``native``, ``approximate`` where it has not or
    hardly learnt the language, or ``robotic``. By ISO 639-1 code, best first; ``*`` stands for any other language. An
    engine gives way to a later one of the order in a language that it only approximates."""
    voices: tuple[str, ...]
    """Names of its own base voices; the first is the default."""
    concurrency: int = 1
    """Streams that it speaks at once."""
    incremental_text: bool = False
    """Text may be pushed while audio already comes out."""
    native_voices: tuple[str, ...] = ()
    """System voices whose own speakers it has: ``native`` holds for them alone, dialects included, and every other
    voice is ``approximate``. Empty where it has none of them."""
    normalizes_text: bool = False
    """It reads numbers, dates and the like itself and is given the text as it was written. An engine that takes text
    while it speaks must, for a number may come in pieces."""
    instructions: bool = False
    """It follows ``SynthesisRequest.instructions``."""

    def speaks(self, language: str) -> bool:
        """Whether ``language`` (ISO 639-1) is one of ``languages``."""
        return self.quality(language) is not None

    def quality(self, language: str) -> str | None:
        """How good it is at best in ``language`` (ISO 639-1); ``None`` where it does not speak it."""
        return self.languages.get(language, self.languages.get("*"))


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """How one stretch of text is to be spoken."""

    voice: str
    """One of the engine's own ``voices``."""
    language: str
    """ISO 639-1 code."""
    speed: float = 1.0
    """Tempo relative to the base voice."""
    pitch: float = 1.0
    """Fundamental frequency relative to the base voice."""
    formant: float = 1.0
    """Vocal-tract resonances relative to the base voice: below 1 a larger speaker, above 1 a smaller one."""
    instructions: str = ""
    """How to speak, in words; an engine that does not follow them leaves them."""
    marks: bool = False
    """The listener wants marks: when each word sounds. An engine that does not know it sends none."""
    normalize_text: bool = False
    """Numbers, dates and the like are to be read as words. Unless ``normalizes_text``, they come as words already."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the text of a response."""

    text: str
    offset: int = 0
    """Where its first character stands in the text of the response, in code points: marks count from there."""


def joined(spans: Sequence[Span]) -> Span:
    """Spans that follow one another, as one; of none an empty one."""
    return Span("".join(span.text for span in spans), spans[0].offset if spans else 0)


class EngineStream(ABC):
    """One stretch of speech under way.

    ``push``, ``end_input`` and ``cancel`` may be called from another thread than the one that reads
    ``chunks()``. Text after ``end_input`` is a caller's bug.
    """

    @abstractmethod
    def push(self, span: Span) -> None:
        """More text. It begins where the last span ended."""

    @abstractmethod
    def end_input(self) -> None:
        """No more text comes: speak what is left, then end ``chunks()``."""

    @abstractmethod
    def chunks(self) -> Iterator[SpeechChunk]:
        """Audio as it is made, each array float32 with shape ``(num_samples,)``. Read once, by one thread.

        Where ``SynthesisRequest.marks`` asks for them, a chunk carries the marks of the words that begin in it. They
        may come in an earlier chunk, but not in a later one.
        """

    @property
    def waiting_characters(self) -> int:
        """Text that was pushed and is not yet being spoken, for an engine that takes text while it speaks: the gateway
        refuses more when too much waits. Looked at before each chunk."""
        return 0

    @abstractmethod
    def cancel(self) -> None:
        """Stop soon: ``chunks()`` ends at its next step, however long the text is."""


class Engine(ABC):
    """One loaded model. ``open`` may be called for up to ``info.concurrency`` streams at once."""

    info: EngineInfo
    """Read once ``load`` has returned."""

    def load(self) -> None:  # noqa: B027 - an engine without weights has nothing to load
        """Load weights and warm up. Called once, before the first ``open``."""

    @abstractmethod
    def open(self, request: SynthesisRequest) -> EngineStream: ...


class SegmentEngine(Engine):
    """An engine that needs the whole text of a segment before it speaks."""

    def open(self, request: SynthesisRequest) -> EngineStream:
        return SegmentStream(lambda span: self.synthesize(span, request))

    @abstractmethod
    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        """Speak ``span.text``. Yield as early and as often as the model allows: a cancel acts between two yields."""


class SegmentStream(EngineStream):
    """Gathers the text until its end, then speaks it."""

    def __init__(
        self,
        synthesize: Callable[[Span], Iterator[SpeechChunk]],
        *,
        interrupt: Callable[[], None] | None = None,
    ) -> None:
        """``interrupt`` is called by a cancel, for an engine that can end more quickly than between two chunks."""
        self._synthesize = synthesize
        self._interrupt = interrupt
        self._spans: list[Span] = []
        self._input_ended = threading.Event()
        self._cancelled = False

    def push(self, span: Span) -> None:
        self._spans.append(span)

    def end_input(self) -> None:
        self._input_ended.set()

    def chunks(self) -> Iterator[SpeechChunk]:
        self._input_ended.wait()
        if self._cancelled:
            return
        for chunk in self._synthesize(joined(self._spans)):
            if self._cancelled:
                return
            yield chunk

    def cancel(self) -> None:
        self._cancelled = True
        if self._interrupt is not None:
            self._interrupt()
        self._input_ended.set()
