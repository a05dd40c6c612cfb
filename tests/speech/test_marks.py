"""Marks from the tone engine to the listener: every word of the text, in order, at the time at which it sounds."""

from __future__ import annotations

import asyncio
import unicodedata
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.virtual_time import on_virtual_time
from saystream.audio import AudioChunk, AudioFormat, Effects, Mark
from saystream.catalog import load
from saystream.config import Settings
from saystream.engines.base import EngineInfo, EngineStream, Span, SynthesisRequest
from saystream.engines.tone import STRETCH_MS, ToneEngine
from saystream.hosting.front import Forecast
from saystream.hosting.local import hosting_of
from saystream.hosting.playback import Playback
from saystream.speech.events import ResponseAudio, ResponseEnded, SpeechConfig
from saystream.speech.session import SynthesisSession
from saystream.speech.synthesizer import Synthesizer
from saystream.text.rewriting import Rewritten
from saystream.text.script import Manner, Part, Passage, Pause, Sound
from saystream.text.words import word_spans
from saystream.voices.casting import Casting

MS_PER_CHARACTER = 60
TEXTS = {
    "Latin": "It's a fine day, isn't it? Yes: the café is open at 9. We’ll go there (if it stays dry)… Soon!",
    "Han": "今天天气很好。我们去喝咖啡吧！好的，九点见。",
    "kana": "きょうはいいてんきです。コーヒーをのみましょう。",
    "Hangul": "오늘은 날씨가 좋네요. 커피 한 잔 할까요?",
    "Cyrillic": "Сегодня хорошая погода. Пойдём пить кофе, ладно? Да!",
    "Arabic": "الطقس جميل اليوم. هل نذهب؟",
    "Devanagari": "आज मौसम अच्छा है। चलो चाय पीते हैं।",
    "Thai": "วันนี้อากาศดี ไปดื่มกาแฟกันไหม",
    "mixed": "Hello 你好, world! 3 是 three. 😀 Done",
}


class ToneHere:
    """A front of hosting (``front.Hosting``) that runs the engine in the test's own process."""

    def __init__(self, *, speed: float = 1.0, **options: Any) -> None:
        self._engine = ToneEngine(ms_per_character=MS_PER_CHARACTER, **options)
        self._speed = speed

    def engine(self, name: str) -> EngineInfo:
        return self._engine.info

    def open(self, engine: str, request: SynthesisRequest, *, playback: Playback) -> StreamHere:
        return StreamHere(self._engine.open(replace(request, speed=self._speed)), self._engine.info)


class StreamHere:
    def __init__(self, stream: EngineStream, info: EngineInfo) -> None:
        self._stream = stream
        self._rate = info.sample_rate
        self._input_ended = asyncio.Event()

    @property
    def waiting_characters(self) -> int:
        return 0

    @property
    def forecast(self) -> Forecast:
        return Forecast(0.0, 0.0)

    def next_forecast(self, size: float) -> Forecast:
        return Forecast(0.0, 0.0)

    def push(self, span: Span) -> None:
        self._stream.push(span)

    def end_input(self) -> None:
        self._stream.end_input()
        self._input_ended.set()

    def cancel(self) -> None:
        self._stream.cancel()
        self._input_ended.set()

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        await self._input_ended.wait()
        for chunk in self._stream.chunks():
            await asyncio.sleep(0)
            yield AudioChunk(chunk.samples, self._rate, chunk.marks)


@dataclass
class Heard:
    marks: list[Mark]
    samples: np.ndarray
    text: str
    sample_rate: int

    @property
    def duration_ms(self) -> float:
        return len(self.samples) * 1000 / self.sample_rate

    def stretches(self) -> list[tuple[float, float]]:
        """Where it sounds, in ms: one stretch for each segment. Within a tone no silence is as long as 20 ms."""
        loud = np.flatnonzero(np.abs(self.samples) > 0.01)
        cuts = np.flatnonzero(np.diff(loud) > self.sample_rate / 50)
        starts = [loud[0], *loud[cuts + 1]] if len(loud) else []
        ends = [*loud[cuts], loud[-1]] if len(loud) else []
        return [
            (a * 1000 / self.sample_rate, b * 1000 / self.sample_rate)
            for a, b in zip(starts, ends, strict=True)
        ]


async def say(
    synthesizer: Synthesizer,
    pieces: Iterable[str],
    *,
    server_commit: bool,
    sample_rate: int = 24000,
    effects: Effects | None = None,
) -> list[Heard]:
    config = SpeechConfig(
        "Cherry",
        audio_format=AudioFormat("pcm", sample_rate),
        effects=effects or Effects(),
        server_commit=server_commit,
        marks=True,
        markup="read",
    )
    session = synthesizer.session(config)
    for piece in pieces:
        session.push(piece)
    session.finish()
    return await heard_in(session, sample_rate)


async def heard_in(session: SynthesisSession, sample_rate: int) -> list[Heard]:
    """Its responses; each mark has come with the delta in which its word begins."""
    responses, marks, encoded, sent_ms = list[Heard](), list[Mark](), b"", 0.0
    async for event in session.events():
        if isinstance(event, ResponseAudio):
            begun_ms, sent_ms = sent_ms, sent_ms + event.duration_ms
            assert all(begun_ms - 1e-6 <= mark.start_ms < sent_ms + 1e-6 for mark in event.marks)
            marks += event.marks
            encoded += event.encoded
        elif isinstance(event, ResponseEnded):
            assert event.fault is None
            responses.append(Heard(marks, np.frombuffer(encoded, "<i2") / 32767, event.text, sample_rate))
            marks, encoded, sent_ms = [], b"", 0.0
    return responses


def synthesizer_with(hosting: Any) -> Synthesizer:
    casting = Casting(("tone",), {"tone": hosting.engine("tone")}, catalog=load())
    return Synthesizer(Settings(), hosting=hosting, casting=casting)


def characters(text: str) -> int:
    """As the tone engine counts: a wide one lasts as long as three."""
    return sum(3 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def check(heard: Heard, text: str, *, speed: float = 1.0, speech_rate: float = 1.0) -> None:
    """The marks name each word of ``text``, and the words of a segment lie where it sounds."""
    assert heard.text == text
    assert [(mark.start, mark.end) for mark in heard.marks] == list(word_spans(text))
    each_ms = MS_PER_CHARACTER / speed / speech_rate
    rounding_ms = STRETCH_MS / 2 / speech_rate + 0.1
    slack_ms = rounding_ms if speech_rate == 1 else 40.0
    """A splice moves an edge by some periods."""
    words, before = deque(heard.marks), 0
    for start_ms, end_ms in heard.stretches():
        first = words[0]
        # What stands between two words sounds too, on either side of a cut.
        before_ms = each_ms * characters(text[before : first.start])
        assert -slack_ms <= first.start_ms - start_ms <= before_ms + slack_ms
        while words and words[0].start_ms < end_ms:
            mark = words.popleft()
            after_ms = each_ms * characters(text[first.start : mark.start])
            assert mark.start_ms - first.start_ms == pytest.approx(after_ms, abs=0.1)
            lasts_ms = each_ms * characters(text[mark.start : mark.end])
            assert mark.end_ms - mark.start_ms == pytest.approx(lasts_ms, abs=rounding_ms)
            assert mark.end_ms <= end_ms + slack_ms
            before = mark.end
        assert before > first.start, "each segment has a word"
    assert not words


@on_virtual_time
@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("speech_rate", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("script", TEXTS)
async def test_marks_name_every_word_in_every_script_at_every_speech_rate(
    script: str, speech_rate: float, incremental: bool
) -> None:
    synthesizer = synthesizer_with(ToneHere(incremental=incremental))
    effects = Effects(speech_rate=speech_rate)
    (heard,) = await say(synthesizer, [TEXTS[script]], server_commit=False, effects=effects)
    check(heard, TEXTS[script], speech_rate=speech_rate)


@on_virtual_time
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("engine_rate", "sample_rate"), [(24000, 24000), (16000, 48000), (44100, 8000)])
async def test_marks_follow_the_speed_of_the_engine_and_every_rate(
    engine_rate: int, sample_rate: int, speed: float
) -> None:
    synthesizer = synthesizer_with(ToneHere(speed=speed, sample_rate=engine_rate))
    (heard,) = await say(synthesizer, [TEXTS["mixed"]], server_commit=False, sample_rate=sample_rate)
    check(heard, TEXTS["mixed"], speed=speed)


@on_virtual_time
@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("script", TEXTS)
async def test_marks_do_not_depend_on_how_the_text_comes(script: str, incremental: bool) -> None:
    synthesizer = synthesizer_with(ToneHere(incremental=incremental))
    (heard,) = await say(synthesizer, TEXTS[script], server_commit=True)
    check(heard, TEXTS[script])


@on_virtual_time
@pytest.mark.parametrize("server_commit", [False, True])
@pytest.mark.parametrize("incremental", [False, True])
async def test_marks_stay_right_behind_pauses_sounds_and_other_manners(
    incremental: bool, server_commit: bool
) -> None:
    def fast(text: str) -> Passage:
        return Passage(Rewritten.of(text), manner=Manner(rate=2.0))

    session = synthesizer_with(ToneHere(incremental=incremental)).session(
        SpeechConfig("Cherry", server_commit=server_commit, marks=True)
    )
    session.sounds["ding"] = AudioChunk(np.full(8000, 0.3, np.float32), 16000)
    parts: list[str | Part] = [
        Pause(300), "One two. ", Pause(700), fast("Three four, "), Sound("ding"), Pause(200), "five",
        fast(" six"), " seven.", Pause(500),
    ]  # fmt: skip
    for part in parts:
        session.push(part)
    session.finish()
    (heard,) = await heard_in(session, 24000)
    text = "One two. Three four, five six seven."
    assert heard.text == text
    assert [text[mark.start : mark.end] for mark in heard.marks] == text.replace(",", "").rstrip(".").replace(
        ".", ""
    ).split()
    one, three, _, five, six, seven = heard.stretches()
    firsts = [heard.marks[number].start_ms for number in (0, 2, 4, 5, 6)]
    assert firsts == [
        pytest.approx(start, abs=MS_PER_CHARACTER + 15) for start, _ in (one, three, five, six, seven)
    ]
    assert one[0] == pytest.approx(300, abs=5)
    assert three[0] - one[1] == pytest.approx(700, abs=20)
    assert heard.duration_ms - seven[1] == pytest.approx(500, abs=20)


WORDS = st.sampled_from(["one", "it's", "你好", "Ελλάδα", "커피", "7"])
ENDS = st.sampled_from([" ", ". ", ", ", "! ", "。", "\n"])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    text=st.lists(st.tuples(WORDS, ENDS), min_size=1, max_size=30).map(
        lambda pairs: "".join(word + end for word, end in pairs)
    ),
    cuts=st.lists(st.integers(0, 150), max_size=10),
    server_commit=st.booleans(),
    incremental=st.booleans(),
)
def test_marks_name_every_word_however_the_text_is_cut(
    text: str, cuts: list[int], server_commit: bool, incremental: bool
) -> None:
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]

    @on_virtual_time
    async def speak() -> None:
        synthesizer = synthesizer_with(ToneHere(incremental=incremental))
        (heard,) = await say(synthesizer, pieces, server_commit=server_commit)
        check(heard, text)

    speak()


@on_virtual_time
async def test_the_next_response_counts_from_its_own_beginning() -> None:
    synthesizer = synthesizer_with(ToneHere())
    session = synthesizer.session(SpeechConfig("Cherry", server_commit=False, marks=True))
    for text in ("Good morning.", "And good night."):
        session.push(text)
        session.commit()
    session.finish()
    first, second = await heard_in(session, 24000)
    check(first, "Good morning.")
    check(second, "And good night.")


@on_virtual_time
async def test_there_are_no_marks_where_nobody_wants_them() -> None:
    session = synthesizer_with(ToneHere()).session(SpeechConfig("Cherry", server_commit=False))
    session.push("Good morning.")
    session.finish()
    (heard,) = await heard_in(session, 24000)
    assert heard.duration_ms > 0 and heard.marks == []


async def test_marks_come_through_the_processes_of_the_pool() -> None:
    options: dict[str, Any] = {"ms_per_character": MS_PER_CHARACTER}
    async with hosting_of(Settings(engines={"tone": options})) as hosting:
        await hosting.start(["tone"])
        (heard,) = await say(synthesizer_with(hosting), [TEXTS["mixed"]], server_commit=False)
    check(heard, TEXTS["mixed"])
