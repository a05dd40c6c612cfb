import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hums import RATE, hum
from saystream.audio import Mark, PhonemeMark
from saystream.engines.base import EngineStream, Enrolled, Recording, Span, SynthesisRequest
from saystream.engines.tone import STRETCH_MS, ToneEngine, ToneOptions, pauses_s
from saystream.errors import AudioSilent, ConfigurationError, InvalidValue

REQUEST = SynthesisRequest(voice="tone", language="en")
MS = 24
"""Samples."""


def speak(engine: ToneEngine, *pieces: str, request: SynthesisRequest = REQUEST) -> list[np.ndarray]:
    stream = engine.open(request)
    for piece in pieces:
        stream.push(Span(piece))
    stream.end_input()
    return [chunk.samples for chunk in stream.chunks()]


def joined(chunks: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([*chunks, np.zeros(0, np.float32)])


class Reader(threading.Thread):
    """Reads a stream in a thread of its own."""

    def __init__(self, stream: EngineStream) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.chunks: list[np.ndarray] = []
        self.heard = threading.Semaphore(0)
        self.start()

    def run(self) -> None:
        for chunk in self.stream.chunks():
            self.chunks.append(chunk.samples)
            self.heard.release()

    def ends(self, within_s: float = 60.0) -> bool:
        self.join(within_s)
        return not self.is_alive()


def test_fifteen_letters_last_a_second() -> None:
    assert len(joined(speak(ToneEngine(), "fifteen letters"))) == 1000 * MS


def test_a_chinese_character_lasts_as_long_as_three_letters() -> None:
    assert len(joined(speak(ToneEngine(), "你好世界们"))) == 1000 * MS


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_speed_divides_the_duration(speed: float) -> None:
    request = SynthesisRequest(voice="tone", language="en", speed=speed)
    assert len(joined(speak(ToneEngine(), "letter" * 40, request=request))) == 16000 * MS / speed


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_a_blank_text_gives_no_audio(text: str) -> None:
    assert speak(ToneEngine(), text) == []


@given(
    st.text(min_size=1, max_size=60).filter(str.strip), st.sampled_from([8000, 16000, 24000, 44100, 48000])
)
def test_audio_is_whole_stretches_that_join_without_a_step(text: str, sample_rate: int) -> None:
    stretch = sample_rate * STRETCH_MS // 1000
    sound = joined(speak(ToneEngine(sample_rate=sample_rate), text))
    assert len(sound) % stretch == 0
    assert sound.dtype == np.float32
    twice = np.concatenate([sound, sound])
    assert np.abs(np.diff(twice)).max() <= np.abs(np.diff(sound[:stretch])).max() + 1e-6


@pytest.mark.parametrize(("pitch", "heard_hz"), [(0.6, 140), (1.0, 220), (1.6, 360)])
def test_pitch_moves_the_tone_to_the_nearest_multiple_of_twenty_hertz(pitch: float, heard_hz: int) -> None:
    request = SynthesisRequest(voice="tone", language="en", pitch=pitch)
    sound = joined(speak(ToneEngine(), "fifteen letters", request=request))
    assert np.abs(np.fft.rfft(sound)).argmax() == heard_hz


def test_an_unknown_voice_is_refused() -> None:
    with pytest.raises(InvalidValue, match="'tone'"):
        ToneEngine().open(SynthesisRequest(voice="Cherry", language="en"))


def test_chunks_have_the_length_asked_for_and_the_last_the_rest() -> None:
    chunks = speak(ToneEngine(chunk_ms=300), "fifteen letters")
    assert [len(chunk) // MS for chunk in chunks] == [300, 300, 300, 100]


def test_the_sound_is_shared_and_cannot_be_written_to() -> None:
    first, second = (speak(ToneEngine(), "letters")[0] for _ in range(2))
    assert np.shares_memory(first, second)
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1.0


@given(st.lists(st.text(max_size=20), max_size=6))
def test_incremental_text_gives_the_audio_of_the_whole_text(pieces: list[str]) -> None:
    whole = joined(speak(ToneEngine(), "".join(pieces)))
    np.testing.assert_array_equal(joined(speak(ToneEngine(incremental=True), *pieces)), whole)


def test_incremental_text_is_spoken_before_it_ends() -> None:
    engine = ToneEngine(incremental=True)
    assert engine.info.incremental_text
    reader = Reader(engine.open(REQUEST))
    reader.stream.push(Span("fifteen letters"))
    for _ in range(10):
        assert reader.heard.acquire(timeout=60)
    assert reader.stream.waiting_characters == 0
    reader.stream.push(Span(", and on"))
    assert reader.heard.acquire(timeout=60)
    reader.stream.end_input()
    assert reader.ends()


def test_text_that_is_not_spoken_yet_is_said_to_wait() -> None:
    reader = Reader(ToneEngine(incremental=True, real_time_factor=10).open(REQUEST))
    reader.stream.push(Span("on and " * 100))
    assert reader.heard.acquire(timeout=60)
    assert 600 < reader.stream.waiting_characters < 700
    reader.stream.cancel()
    assert reader.ends()


def test_a_text_that_is_whole_only_at_its_end_is_not_spoken_before() -> None:
    stream = ToneEngine().open(REQUEST)
    reader = Reader(stream)
    stream.push(Span("fifteen letters"))
    assert not reader.ends(within_s=0.05)
    assert reader.chunks == []
    stream.end_input()
    assert reader.ends()
    assert len(reader.chunks) == 10


class Patient(threading.Event):
    """It is never set, and adds up how long it was waited for."""

    waited_s = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s += timeout or 0.0
        return False


def test_speaking_takes_the_share_of_the_duration_asked_for() -> None:
    stream: Any = ToneEngine(real_time_factor=0.1, first_chunk_delay_ms=30).open(REQUEST)
    stream._cancelled = Patient()
    stream.push(Span("fifteen letters"))
    stream.end_input()
    assert len(list(stream.chunks())) > 1
    assert stream._cancelled.waited_s == pytest.approx(0.130)


def test_jitter_comes_on_top_and_is_the_same_for_the_same_text_and_seed() -> None:
    def pauses(text: str, seed: int) -> list[float]:
        options = ToneOptions(first_chunk_delay_ms=100, jitter_ms=60, seed=seed)
        return list(islice(pauses_s(options, text), 50))

    first, *later = pauses("letters", 1)
    assert 0.1 <= first <= 0.16
    assert 0.0 <= min(later) < 0.02 < 0.04 < max(later) <= 0.06
    assert pauses("letters", 1) == [first, *later]
    assert pauses("letters", 2) != [first, *later] != pauses("other letters", 1)


@pytest.mark.parametrize("slow", [{"real_time_factor": 1000}, {"first_chunk_delay_ms": 3_600_000}])
def test_cancel_ends_a_pause_at_once(slow: dict[str, float]) -> None:
    reader = Reader(ToneEngine(**slow).open(REQUEST))
    reader.stream.push(Span("fifteen letters"))
    reader.stream.end_input()
    reader.stream.cancel()
    assert reader.ends()
    assert reader.chunks == []


def test_cancel_ends_the_wait_for_text() -> None:
    reader = Reader(ToneEngine().open(REQUEST))
    reader.stream.push(Span("fifteen letters"))
    reader.stream.cancel()
    assert reader.ends()
    assert reader.chunks == []


def test_cancel_between_two_chunks_ends_them() -> None:
    stream = ToneEngine().open(REQUEST)
    stream.push(Span("fifteen letters"))
    stream.end_input()
    chunks = stream.chunks()
    next(chunks)
    stream.cancel()
    assert list(chunks) == []


def heard_until_it_fails(engine: ToneEngine, text: str) -> list[int]:
    """Milliseconds of each chunk before the error."""
    stream = engine.open(REQUEST)
    stream.push(Span(text))
    stream.end_input()
    heard = []
    with pytest.raises(RuntimeError, match="told to fail"):
        for chunk in stream.chunks():
            heard.append(len(chunk.samples) // MS)
    return heard


def test_an_error_comes_after_the_audio_asked_for() -> None:
    engine = ToneEngine(fault="error", fault_after_ms=250)
    assert heard_until_it_fails(engine, "fifteen letters") == [100, 100, 50]


def test_a_fault_beyond_the_end_comes_at_the_end() -> None:
    engine = ToneEngine(fault="error", fault_after_ms=5000)
    assert sum(heard_until_it_fails(engine, "fifteen letters")) == 1000


def test_only_texts_with_the_marker_are_at_fault() -> None:
    engine = ToneEngine(fault="error", fault_text="bad")
    assert len(speak(engine, "fifteen letters")) == 10
    assert heard_until_it_fails(engine, "fifteen bad letters") == []


def test_a_blank_text_has_no_fault() -> None:
    assert speak(ToneEngine(fault="error", fault_after_ms=50), " ") == []


def test_nan_and_the_wrong_type_come_once_and_speech_goes_on() -> None:
    with_nan = speak(ToneEngine(fault="nan", fault_after_ms=100), "fifteen letters")
    assert [bool(np.isnan(chunk).all()) for chunk in with_nan] == [False, True, *[False] * 9]
    with_integers = speak(ToneEngine(fault="wrong_dtype"), "fifteen letters")
    assert [chunk.dtype for chunk in with_integers] == [np.int16, *[np.float32] * 10]


def test_a_hanging_stream_does_not_even_obey_a_cancel() -> None:
    reader = Reader(ToneEngine(fault="hang", fault_after_ms=100).open(REQUEST))
    reader.stream.push(Span("fifteen letters"))
    reader.stream.end_input()
    assert reader.heard.acquire(timeout=60)
    reader.stream.cancel()
    if reader.chunks:
        reader.join(0.05)
    assert len(reader.chunks) == 1


def test_a_crash_ends_the_process() -> None:
    program = (
        "from saystream.engines.base import Span, SynthesisRequest\n"
        "from saystream.engines.tone import ToneEngine\n"
        "stream = ToneEngine(fault='crash', fault_after_ms=100).open(SynthesisRequest('tone', 'en'))\n"
        "stream.push(Span('fifteen letters'))\n"
        "stream.end_input()\n"
        "for chunk in stream.chunks():\n"
        "    print(len(chunk.samples), flush=True)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stdout) == (70, "2400\n")


@pytest.mark.parametrize(
    "option",
    [
        {"chunk_ms": 35},
        {"chunk_ms": 0},
        {"sample_rate": 22050},
        {"frequency_hz": 0},
        {"real_time_factor": -1},
        {"ms_per_character": 0},
        {"concurrency": 0},
        {"fault": "explode"},
        {"fault_after_ms": 75},
        {"no_such_option": 1},
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused_by_name(option: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        ToneEngine(**option)


# --- marks


MARKED = replace(REQUEST, marks=True)


def marks_of(engine: ToneEngine, *pieces: str, offset: int = 0, speed: float = 1.0) -> list[Mark]:
    stream = engine.open(replace(MARKED, speed=speed))
    for piece in pieces:
        stream.push(Span(piece, offset))
        offset += len(piece)
    stream.end_input()
    return [mark for chunk in stream.chunks() for mark in chunk.marks]


def test_no_marks_are_made_where_nobody_wants_them() -> None:
    stream = ToneEngine().open(REQUEST)
    stream.push(Span("fifteen letters"))
    stream.end_input()
    assert not any(chunk.marks for chunk in stream.chunks())


def test_every_word_has_its_place_and_its_time() -> None:
    engine = ToneEngine(ms_per_character=50)
    assert marks_of(engine, "One, two", offset=10) == [Mark(10, 13, 0, 150), Mark(15, 18, 250, 400)]
    assert marks_of(engine, "One, two", speed=2) == [Mark(0, 3, 0, 75), Mark(5, 8, 125, 200)]
    assert marks_of(engine, "你好, a") == [Mark(0, 1, 0, 150), Mark(1, 2, 150, 300), Mark(4, 5, 400, 450)]


def test_each_character_is_a_phoneme_where_those_are_wanted() -> None:
    stream = ToneEngine(ms_per_character=50).open(replace(MARKED, phonemes=True))
    stream.push(Span("ab c"))
    stream.end_input()
    marks = [mark for chunk in stream.chunks() for mark in chunk.marks]
    assert marks == [
        Mark(0, 2, 0, 100, (PhonemeMark("a", 0, 50), PhonemeMark("b", 50, 100))),
        Mark(3, 4, 150, 200, (PhonemeMark("c", 150, 200),)),
    ]


def test_the_last_word_ends_with_the_audio() -> None:
    assert marks_of(ToneEngine(ms_per_character=40), "abc") == [Mark(0, 3, 0, 100)]


@pytest.mark.parametrize("incremental", [False, True])
def test_marks_do_not_depend_on_how_the_text_comes(incremental: bool) -> None:
    text, engine = "It's “one” word, then 你好 and the last", ToneEngine(incremental=incremental)
    whole = marks_of(engine, text)
    assert [text[mark.start : mark.end] for mark in whole] == [
        *("It's", "one", "word", "then", "你", "好", "and", "the", "last")
    ]
    assert marks_of(engine, *text) == whole


@pytest.mark.parametrize("incremental", [False, True])
def test_a_mark_comes_with_the_chunk_in_which_its_word_begins(incremental: bool) -> None:
    stream = ToneEngine(incremental=incremental).open(MARKED)
    for number, character in enumerate("fifteen letters and some more"):
        stream.push(Span(character, number))
    stream.end_input()
    begun_ms = 0.0
    for chunk in stream.chunks():
        ended_ms = begun_ms + len(chunk.samples) / MS
        assert all(begun_ms <= mark.start_ms < ended_ms for mark in chunk.marks)
        begun_ms = ended_ms


def test_a_word_that_is_to_be_marked_is_not_begun_before_it_is_complete() -> None:
    stream = ToneEngine(incremental=True, ms_per_character=50).open(MARKED)
    stream.push(Span("one unfinish"))
    chunks = stream.chunks()
    heard = [next(chunks), next(chunks)]
    assert [mark for chunk in heard for mark in chunk.marks] == [Mark(0, 3, 0, 150)]
    stream.push(Span("ed.", 12))
    stream.end_input()
    assert [mark for chunk in chunks for mark in chunk.marks] == [Mark(4, 14, 200, 700)]


def test_a_speaker_is_enrolled_by_pitch_and_spoken_like_that() -> None:
    enrolled = ToneEngine().enroll(Recording(hum(160, 1.0), RATE))
    assert enrolled == Enrolled(b"160 Hz")
    own = speak(ToneEngine(), "text", request=replace(REQUEST, voice="", material=enrolled.material))
    np.testing.assert_array_equal(joined(own), joined(speak(ToneEngine(frequency_hz=160), "text")))


def test_nobody_is_enrolled_from_silence_or_spoken_from_other_material() -> None:
    with pytest.raises(AudioSilent):
        ToneEngine().enroll(Recording(np.zeros(RATE, np.float32), RATE))
    with pytest.raises(InvalidValue, match="material"):
        ToneEngine().open(replace(REQUEST, material=b"secret"))


def test_it_fails_at_enrolling_if_told_to() -> None:
    with pytest.raises(RuntimeError):
        ToneEngine(enroll_fault="error").enroll(Recording(hum(160, 1.0), RATE))
