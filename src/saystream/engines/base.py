"""What an engine is. To write one, read this module and ``saystream/conformance.py``, nothing else.

An engine turns text into float32 mono audio at its own rate. It runs in a child process that the pool starts
(``hosting/worker.py``), so it may block, use its own threads, leak or crash without affecting anything else. It is
created with the options of its configuration section as keyword arguments, then ``load()`` is called once.

There are two kinds, and callers cannot tell them apart:

* whole-segment engines derive from ``SegmentEngine`` and implement ``synthesize``;
* incremental engines implement ``open`` and return a stream that is fed while it speaks.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    from saystream.audio import Samples, SpeechChunk
    from saystream.engines.ahead import StepsAhead
    from saystream.text.script import Pronunciation

__all__ = [
    "Engine",
    "EngineInfo",
    "EngineStream",
    "Enrolled",
    "Likeness",
    "Recording",
    "SegmentEngine",
    "SegmentStream",
    "Span",
    "SynthesisRequest",
    "joined",
    "marked",
]


Likeness: TypeAlias = Literal["", "voice_match", "clone"]
"""How like a recorded speaker an engine can speak: not at all by itself, with the nearest of the voices that it can
make (``voice_match``), or with the speaker's own voice (``clone``)."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine can do."""

    name: str
    sample_rate: int
    """Rate of its audio, in Hz."""
    languages: Mapping[str, str]
    """How good its speech is in each language, as shown to users: ``native``, ``approximate`` if it has learnt the
    language hardly or not at all, or ``robotic``. By ISO 639-1 code, best first; ``*`` means any other language. In a
    language that an engine only approximates, a later one in the order may take its place."""
    voices: tuple[str, ...]
    """Names of its own base voices; the first is the default."""
    concurrency: int = 1
    """How many streams may be open at once."""
    parallel: int = 0
    """How many of them compute at once; 0 is all. With fewer, a stream may have to wait before each chunk, so that the
    one whose listener has the least sound left goes first. Not for an engine that takes text while it speaks."""
    incremental_text: bool = False
    """Text may be pushed while audio is already coming out."""
    native_voices: tuple[str, ...] = ()
    """System voices whose original speakers it has: ``native`` applies to these only, dialects included; every other
    voice is ``approximate``. Empty if it has none of them."""
    normalizes_text: bool = False
    """It reads numbers, dates and the like itself and gets the text as written. An engine that takes text while it
    speaks must do so, because a number may arrive in pieces."""
    alphabets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """It speaks the pronunciations of a span that are written in these: ``pinyin``, ``arpabet``, ``ipa``. By ISO 639-1
    code of the text; ``*`` means any other language. Those in any other alphabet arrive spelt as letters or characters
    that are read like that."""
    instructions: bool = False
    """It follows ``SynthesisRequest.instructions``. For another engine they become ratios of speed, pitch, intonation,
    loudness and pauses."""
    enrolls: Likeness = ""
    """What ``Engine.enroll`` makes of a recording; "" if it makes nothing of one."""
    marks: bool = False
    """It says when its words sound. For an engine that takes a whole text and does not, they are looked for in the
    sound if ``SynthesisRequest.marks`` is set, and nothing is heard before all of the text is made."""
    realtime_factor: float | None = None
    """How long one stream computes for a second of sound, in seconds, while no other stream disturbs it: measured while
    the engine was loaded, on this machine. ``None`` if it has not been measured."""
    chunk_ms: float = 0.0
    """Of sound in its longest chunks, where it makes more than one of a text; 0 for one that gives all at once."""
    scripts: tuple[str, ...] = ()
    """The scripts that it reads, such as ``latin`` and ``han`` (``text.characters.Script``, else as Unicode names their
    letters); words in others go to another engine. Empty if it says something for every letter."""
    runtime: str = ""
    """What computes its model and in which precision, such as ``ONNX Runtime, fp32``; shown to operators."""

    @property
    def turns(self) -> int:
        """Streams that compute at once."""
        return self.parallel or self.concurrency

    @property
    def alone_factor(self) -> float | None:
        """How long one stream takes for a second of sound while no other computes: chunks are made side by side."""
        if self.realtime_factor is None or not self.chunk_ms:
            return self.realtime_factor
        return self.realtime_factor / max(1, self.parallel)

    def speaks(self, language: str) -> bool:
        """Whether ``language`` (ISO 639-1) is one of ``languages``."""
        return self.quality(language) is not None

    def takes(self, alphabet: str, language: str) -> bool:
        """Whether it speaks pronunciations in ``alphabet`` within a text in ``language`` (ISO 639-1)."""
        return alphabet in self.alphabets.get(language, self.alphabets.get("*", ()))

    def quality(self, language: str) -> str | None:
        """How good it is at best in ``language`` (ISO 639-1); ``None`` if it does not speak it."""
        return self.languages.get(language, self.languages.get("*"))


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """How a piece of text is to be spoken."""

    voice: str
    """One of the engine's own ``voices``; of no account with ``material``."""
    language: str
    """ISO 639-1 code."""
    speed: float = 1.0
    """Tempo relative to the base voice."""
    pitch: float = 1.0
    """Fundamental frequency relative to the base voice."""
    formant: float = 1.0
    """Vocal-tract resonances relative to the base voice: below 1 a larger speaker, above 1 a smaller one."""
    intonation: float = 1.0
    """How far the pitch moves within a sentence, relative to the base voice, in semitones: below 1 flatter, above 1
    livelier. An engine that cannot change that ignores it."""
    loudness_db: float = 0.0
    """Louder than the base voice; done for every engine, by its host."""
    pauses: float = 1.0
    """Length of the pauses within a text, relative to the base voice; done for every engine, by its host."""
    material: bytes = b""
    """The voice to speak with, as ``Engine.enroll`` of this engine gave it; empty: ``voice``."""
    instructions: str = ""
    """How to speak, in words, for an engine that follows ``instructions``; for others the ratios above say the same."""
    marks: bool = False
    """The listener wants marks: when each word is heard. An engine that does not know sends none."""
    phonemes: bool = False
    """The listener wants the phonemes of each mark as well. An engine that does not know them sends marks without."""
    seed: int | None = None
    """With the same seed, and all else the same, an engine that draws random numbers makes the same audio again, if it
    can. ``None``: as the engine was configured."""
    normalize_text: bool = False
    """Numbers, dates and the like are to be read as words. Unless ``normalizes_text``, they arrive as words already."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Somebody who speaks, to be spoken like."""

    samples: Samples
    """float32 mono, shape ``(num_samples,)``, without silence at its ends."""
    sample_rate: int
    """Hz."""
    transcript: str = ""
    """What is said in it, if that is known."""
    language: str = ""
    """Of the speaker, ISO 639-1, if that is known."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What an engine keeps of a recording."""

    material: bytes
    """For ``SynthesisRequest.material``, in a form of the engine's own that later versions of it can still read."""
    similarity: float | None = None
    """How like the speaker the voice is, from 0 to 1, if the engine has measured it."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the text of a response."""

    text: str
    offset: int = 0
    """Position of its first character in the text of the response, in code points: marks count from there."""
    continues: bool = False
    """Its sentence goes on after it, and no mark at its end says so: the voice should not fall as at a full stop."""
    pronunciations: tuple[Pronunciation, ...] = ()
    """How parts of ``text`` are pronounced, in order and without overlaps, in the alphabets that the engine has. Their
    places count from the beginning of ``text``."""


def joined(spans: Sequence[Span]) -> Span:
    """Consecutive spans as one; an empty span if there are none."""
    if not spans:
        return Span("")
    text = ""
    pronunciations: list[Pronunciation] = []
    for span in spans:
        pronunciations += (each.shifted(len(text)) for each in span.pronunciations)
        text += span.text
    return Span(text, spans[0].offset, continues=spans[-1].continues, pronunciations=tuple(pronunciations))


def marked(span: Span) -> Span:
    """``span`` with a comma at its end if its sentence goes on: every model has learnt to keep its voice up there. The
    comma is not part of the text of the response, and comes after all that is."""
    return replace(span, text=span.text.rstrip() + ",", continues=False) if span.continues else span


class EngineStream(ABC):
    """One piece of speech in progress.

    ``push``, ``end_input`` and ``cancel`` may be called from another thread than the one that reads ``chunks()``. Text
    after ``end_input`` is a bug of the caller.
    """

    ahead: StepsAhead[Any] | None = None
    """Steps of its chunks that other threads may do beside the one that reads them, on cores that no other stream
    wants; ``None`` if it has none. For an engine with ``parallel``."""

    @abstractmethod
    def push(self, span: Span) -> None:
        """More text. It begins where the last span ended."""

    @abstractmethod
    def end_input(self) -> None:
        """No more text will come: speak the rest, then end ``chunks()``."""

    @abstractmethod
    def chunks(self) -> Iterator[SpeechChunk]:
        """Audio as it is made, each array float32 with shape ``(num_samples,)``. Read once, by one thread, which may
        let any time pass between two chunks; no lock may be held meanwhile.

        If ``SynthesisRequest.marks`` is set, a chunk carries the marks of the words that begin in it. A mark may come
        in an earlier chunk, but not in a later one.
        """

    @property
    def waiting_characters(self) -> int:
        """Text pushed but not yet being spoken, for an engine that takes text while it speaks: the gateway refuses more
        when too much is waiting. Read before each chunk."""
        return 0

    @abstractmethod
    def cancel(self) -> None:
        """Stop soon: ``chunks()`` ends at its next step, however long the text is."""


class Engine(ABC):
    """One loaded model. ``open`` may be called for up to ``info.concurrency`` streams at once."""

    info: EngineInfo
    """Read after ``load`` has returned."""

    @classmethod  # noqa: B027 - most engines want nothing
    def prepare(cls, folder: Path) -> None:
        """Make, once, what the engine wants of weights that were fetched into ``folder``, inside of it.

        Called after each ``saystream models pull`` of a model of this engine. Raises EngineUnavailable where that
        cannot be made, which leaves the weights as they are.
        """

    def load(self) -> None:  # noqa: B027 - an engine without weights has nothing to load
        """Load weights and warm up. Called once, before the first ``open``."""

    @abstractmethod
    def open(self, request: SynthesisRequest) -> EngineStream: ...

    def enroll(self, recording: Recording) -> Enrolled:
        """A voice like the one in ``recording``, for an engine that ``enrolls``. Called in a thread of its own while
        streams are open, one recording at a time. Raises AudioRefused for a recording of no use.
        """
        raise RuntimeError(f"{self.info.name} enrolls no voices, and does not say that it does")


class SegmentEngine(Engine):
    """An engine that needs the whole text of a segment before it speaks."""

    def open(self, request: SynthesisRequest) -> EngineStream:
        return SegmentStream(lambda span: self.synthesize(span, request))

    @abstractmethod
    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        """Speak ``span.text``, which ends with a comma where its sentence goes on in the next segment. Yield as early
        and as often as the model allows: a cancel takes effect between two yields."""


class SegmentStream(EngineStream):
    """Collects the text until it ends, then speaks it."""

    def __init__(
        self,
        synthesize: Callable[[Span], Iterator[SpeechChunk]],
        *,
        interrupt: Callable[[], None] | None = None,
        ahead: StepsAhead[Any] | None = None,
    ) -> None:
        """``interrupt`` is called on a cancel, for an engine that can stop sooner than between two chunks."""
        self._synthesize = synthesize
        self._interrupt = interrupt
        self.ahead = ahead
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
        for chunk in self._synthesize(marked(joined(self._spans))):
            if self._cancelled:
                return
            yield chunk

    def cancel(self) -> None:
        self._cancelled = True
        if self._interrupt is not None:
            self._interrupt()
        self._input_ended.set()
