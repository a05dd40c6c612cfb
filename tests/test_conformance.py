import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saystream import conformance
from saystream.audio import Mark, PhonemeMark, SpeechChunk
from saystream.conformance import check_engine
from saystream.engines.base import (
    Engine,
    EngineInfo,
    EngineStream,
    Enrolled,
    Recording,
    SegmentEngine,
    Span,
    SynthesisRequest,
)
from saystream.engines.tone import ToneEngine
from saystream.errors import AudioSilent, InvalidValue

HOW_TO = Path(__file__).parents[1] / "docs" / "howto" / "write-an-engine.md"


class Wrapped(SegmentEngine):
    """The tone engine behind a class that a test spoils."""

    def __init__(self, *, chunk_ms: int = 100, concurrency: int = 2) -> None:
        self.tone = ToneEngine(chunk_ms=chunk_ms, concurrency=concurrency)
        self.info: EngineInfo = self.tone.info

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        if request.voice not in self.info.voices:
            raise InvalidValue("voice", request.voice, self.info.voices)
        stream = self.tone.open(replace(request, voice="tone"))
        stream.push(span)
        stream.end_input()
        return stream.chunks()

    def enroll(self, recording: Recording) -> Enrolled:
        return self.tone.enroll(recording)


class Enrolling(Wrapped):
    """Makes ``make`` of every recording."""

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__()
        self._make = make

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        return iter(()) if request.material == b"mute" else super().synthesize(span, request)

    def enroll(self, recording: Recording) -> Enrolled:
        made: Enrolled = self._make()
        return made


class Spoilt(Wrapped):
    """Each chunk goes through ``spoil`` first."""

    def __init__(self, spoil: Callable[[np.ndarray], Any]) -> None:
        super().__init__()
        self._spoil = spoil

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        return (SpeechChunk(self._spoil(chunk.samples)) for chunk in super().synthesize(span, request))


class Marked(Wrapped):
    """Each mark goes through ``spoil`` first."""

    def __init__(self, spoil: Callable[[Mark], Mark]) -> None:
        super().__init__()
        self._spoil = spoil

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        for chunk in super().synthesize(span, request):
            yield replace(chunk, marks=tuple(map(self._spoil, chunk.marks)))


class Described(Wrapped):
    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.info = replace(self.tone.info, **changes)


class RaisingInLoad(Wrapped):
    def load(self) -> None:
        raise OSError("no weights")


class RaisingInOpen(Wrapped):
    def open(self, request: SynthesisRequest) -> EngineStream:
        raise OSError("no memory")


class ReplacingVoices(Wrapped):
    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        return super().synthesize(span, replace(request, voice="tone"))


class OneVoiceMissing(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.tone.info, voices=("tone", "mute", "broken"))

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        if request.voice == "broken":
            raise OSError("its file is gone")
        return iter(()) if request.voice == "mute" else super().synthesize(span, request)


class AfraidOfEmoji(Wrapped):
    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        if "\U0001f600" in span.text:
            raise KeyError("\U0001f600")
        return super().synthesize(span, request)


class Endless(Wrapped):
    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        return super().synthesize(Span(span.text * 50) if span.text.startswith("7") else span, request)


class CuttingLongTexts(Wrapped):
    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        return super().synthesize(Span(span.text[:400]), request)


class AllAtOnce(Wrapped):
    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        samples = [chunk.samples for chunk in super().synthesize(span, request)]
        yield SpeechChunk(np.concatenate([*samples, np.zeros(0, np.float32)]))


class ForgettingPieces(Wrapped):
    """Speaks only what was pushed last."""

    def open(self, request: SynthesisRequest) -> EngineStream:
        stream: Any = super().open(request)
        keep = stream.push
        stream.push = lambda span: (stream._spans.clear(), keep(span))
        return stream


class DeafToCancel(Wrapped):
    def open(self, request: SynthesisRequest) -> EngineStream:
        stream: Any = super().open(request)
        stream.cancel = lambda: None
        return stream


class RaisingInPush(Wrapped):
    def open(self, request: SynthesisRequest) -> EngineStream:
        stream: Any = super().open(request)

        def push(span: Span) -> None:
            raise OSError("no memory")

        stream.push = push
        return stream


class ExhaustedByCancel(Wrapped):
    cancelled = False

    def open(self, request: SynthesisRequest) -> EngineStream:
        stream: Any = super().open(request)
        cancel = stream.cancel

        def cancel_for_good() -> None:
            self.cancelled = True
            cancel()

        stream.cancel = cancel_for_good
        return stream

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        return iter(()) if self.cancelled else super().synthesize(span, request)


class Fading(Wrapped):
    """Each time a little quieter, and a stretch shorter."""

    times = 0

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        self.times += 1
        for chunk in super().synthesize(span, request):
            yield SpeechChunk(chunk.samples * np.float32(1 - self.times / 1000))


class SharingText(Wrapped):
    """The first two texts are spoken alone, the next two at once and both as the last of them."""

    def __init__(self) -> None:
        super().__init__()
        self._alone = 2
        self._both_here = threading.Barrier(2)
        self._text = ""

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        self._alone -= 1
        if self._alone >= 0:
            return super().synthesize(span, request)
        self._text = max(self._text, span.text, key=len)
        self._both_here.wait(60)
        return super().synthesize(Span(self._text), request)


class AlwaysAsFast(Wrapped):
    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        return super().synthesize(span, replace(request, speed=1.0))


class AlwaysAsHigh(Wrapped):
    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        return super().synthesize(span, replace(request, pitch=1.0))


class StretchedByFormant(Wrapped):
    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        return super().synthesize(span, replace(request, speed=request.speed * request.formant))


class ClaimingIncrementalText(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.tone.info, incremental_text=True)


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine of this module that has not done something by then never will."""
    monkeypatch.setattr(conformance, "_PATIENCE_S", 1.0)
    monkeypatch.setattr(conformance, "_CANCEL_PATIENCE_S", 0.3)


@pytest.mark.parametrize(
    "engine", [ToneEngine(), ToneEngine(incremental=True), ToneEngine(sample_rate=8000), Wrapped()]
)
def test_an_engine_that_keeps_the_contract_has_no_findings(engine: Engine) -> None:
    assert check_engine(engine, deterministic=True) == []


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize(
    ("engine", "check", "problem"),
    [
        (RaisingInLoad(), "load", "no weights"),
        (RaisingInOpen(), "audio", r"open\(\) raised OSError"),
        (RaisingInPush(), "audio", "The stream raised OSError"),
        (Spoilt(lambda chunk: chunk.astype(np.float64)), "audio", "float64 with 1 dimensions"),
        (Spoilt(lambda chunk: (chunk * 32767).astype(np.int16)), "audio", "int16"),
        (Spoilt(lambda chunk: chunk[np.newaxis]), "audio", "2 dimensions"),
        (Spoilt(lambda chunk: chunk.tobytes()), "audio", "bytes"),
        (Spoilt(lambda chunk: chunk * np.float32(np.nan)), "audio", "NaN"),
        (Spoilt(lambda chunk: chunk * np.float32(30)), "audio", "reaches 9"),
        (Spoilt(lambda chunk: chunk * np.float32(0)), "audio", "no sound"),
        (Described(sample_rate=96000), "audio", "at 96000 Hz; is that its rate"),
        (ReplacingVoices(), "unknown voice", "not refused"),
        (OneVoiceMissing(), "every voice", "'mute' says nothing"),
        (OneVoiceMissing(), "every voice", "'broken' fails: chunks.. raised OSError"),
        (AfraidOfEmoji(), "odd texts", "fails on emoji: chunks.. raised KeyError"),
        (Endless(), "odd texts", "speaks 667 s for a number without an end"),
        (ForgettingPieces(), "text in pieces", "letter by letter lasts 0.05 s"),
        (CuttingLongTexts(), "long text", "30 sentences last 27 s"),
        (AllAtOnce(), "long text", "in 1 chunks"),
        (DeafToCancel(), "cancel", r"before end_input\(\) does not end"),
        (ExhaustedByCancel(), "cancel", "the next one says nothing"),
        (Fading(), "repetition", "other samples"),
        (AlwaysAsFast(), "speed", "Asked for speed 0.8, it speaks at 1.00"),
        (AlwaysAsHigh(), "pitch", "Asked for pitch 1.25, it speaks at 1.00"),
        (StretchedByFormant(), "formant", "With formant 0.85"),
        (Marked(lambda mark: replace(mark, start=mark.start - 7)), "marks", "names 0 to .* not in the text"),
        (Marked(lambda mark: replace(mark, end=mark.end + 500)), "marks", "names .* not in the text"),
        (Marked(lambda mark: replace(mark, start_ms=60_000, end_ms=60_000)), "marks", "not in the audio"),
        (
            Marked(lambda mark: replace(mark, phonemes=(PhonemeMark("a", 0, mark.end_ms + 1),))),
            "marks",
            "A phoneme is from 0 to .* not in its word",
        ),
        (Marked(lambda mark: replace(mark, start_ms=0)), "marks", "in a later chunk"),
        (ClaimingIncrementalText(), "incremental text", "claims incremental text"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Engine) else None,
)
def test_a_broken_promise_is_found_and_named(engine: Engine, check: str, problem: str) -> None:
    findings = check_engine(engine, deterministic=True)
    assert any(finding.check == check and re.search(problem, finding.problem) for finding in findings), (
        findings
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "My Engine"}, "name 'My Engine'"),
        ({"sample_rate": 0}, "sample rate 0"),
        ({"languages": {}}, "languages"),
        ({"languages": {"english": "native"}}, "languages"),
        ({"voices": ()}, "voices"),
        ({"voices": ("a", "a")}, "voices"),
        ({"concurrency": 0}, "concurrency"),
        ({"parallel": 9}, "parallel, 9,"),
        ({"languages": {"en": "superb"}}, "quality 'superb' of language 'en'"),
        ({"native_voices": ("Cherry", "Nobody")}, "'Nobody'"),
    ],
    ids=str,
)
def test_a_description_that_cannot_be_is_the_only_finding(changes: dict[str, Any], problem: str) -> None:
    (finding,) = check_engine(Described(**changes))
    assert finding.check == "description"
    assert problem in finding.problem


def test_streams_that_disturb_each_other_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "_CHECKS", (conformance._streams_at_once,))
    (finding,) = check_engine(SharingText())
    assert finding.problem.startswith("One of 2 streams at once gives other audio")


@pytest.mark.usefixtures("short_patience")
def test_an_engine_that_hangs_is_given_up() -> None:
    findings = check_engine(ToneEngine(fault="hang", fault_text="-- ,;"))
    assert [finding.check for finding in findings] == ["odd texts"]
    assert "fails on punctuation: chunks() did not end" in findings[0].problem


@pytest.mark.usefixtures("short_patience")
def test_a_slow_cancel_is_found_with_its_time() -> None:
    findings = check_engine(SlowToStop(chunk_ms=1000))
    assert any("A cancel while it speaks takes " in finding.problem for finding in findings), findings


class SlowToStop(Wrapped):
    """Works half a second on a chunk of a long text without looking up, in steps as its reader waits."""

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[Any]:
        for chunk in super().synthesize(span, request):
            yield chunk
            if len(span.text) > 1000 and not self.tone.options.fault_text:
                for _ in range(50):
                    threading.Event().wait(0.01)


def test_the_engine_of_the_how_to_conforms() -> None:
    example, check = re.findall(r"```python\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
    page: dict[str, Any] = {"__name__": "morse_engine"}
    exec(compile(example + check, str(HOW_TO), "exec"), page)
    page["test_the_engine_conforms"]()


def _refuse() -> Enrolled:
    raise AudioSilent("There is nobody.")


def _fail() -> Enrolled:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("make", "problems"),
    [
        (_refuse, ["It refuses to enroll what it has said itself."]),
        (
            _fail,
            [
                "enroll() of speech raised ZeroDivisionError().",
                "enroll() of silence raised ZeroDivisionError().",
            ],
        ),
        (
            lambda: Enrolled(b""),
            ["enroll() of speech gave no material.", "enroll() of silence gave no material."],
        ),
        (
            lambda: Enrolled(b"mute"),
            [
                "With what it has enrolled of speech, it says nothing.",
                "With what it has enrolled of silence, it says nothing.",
            ],
        ),
    ],
)
def test_an_engine_that_enrolls_badly_is_told(make: Callable[[], Any], problems: list[str]) -> None:
    found = check_engine(Enrolling(make), deterministic=True)
    assert [finding.problem for finding in found if finding.check == "enrolling"] == problems
