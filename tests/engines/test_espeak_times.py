from collections.abc import Sequence

import numpy as np

from saystream.audio import Mark, PhonemeMark, SpeechChunk
from saystream.engines.base import Span
from saystream.engines.espeak_times import WordTimes
from saystream.engines.pronunciation.espeak_library import EventKind, SpeechEvent
from saystream.text.rewriting import Rewritten, joined

Pieces = Sequence[tuple[int, Sequence[SpeechEvent]]]
RATE = 1000
"""One sample is one millisecond."""


def word(sample: int, start: int, end: int) -> SpeechEvent:
    return SpeechEvent(EventKind.WORD, start, end - start, sample, "")


def sound(sample: int, phoneme: str) -> SpeechEvent:
    return SpeechEvent(EventKind.PHONEME, 0, 0, sample, phoneme)


def end(sample: int) -> SpeechEvent:
    return SpeechEvent(EventKind.END, 0, 0, sample, "")


def heard(
    text: str | Rewritten,
    pieces: Pieces,
    *,
    written: str = "",
    speed: float = 1.0,
    phonemes: bool = False,
) -> list[SpeechChunk]:
    spoken = text if isinstance(text, Rewritten) else Rewritten.of(text)
    times = WordTimes(spoken, Span(written or spoken.text, 10), RATE, speed=speed, phonemes=phonemes)
    samples = ((np.zeros(length, np.float32), events) for length, events in pieces)
    return list(times.attached(times.heard(samples)))


def marks(chunks: Sequence[SpeechChunk]) -> list[tuple[int, int, float, float]]:
    return [
        (mark.start - 10, mark.end - 10, mark.start_ms, mark.end_ms)
        for chunk in chunks
        for mark in chunk.marks
    ]


def test_a_word_ends_where_the_next_one_or_a_pause_begins() -> None:
    events = [word(0, 0, 3), word(40, 4, 7), sound(45, "t"), sound(70, ""), end(90)]
    assert marks(heard("one two", [(100, events)])) == [(0, 3, 0, 40), (4, 7, 40, 70)]


def test_a_word_goes_on_after_a_pause_in_it() -> None:
    events = [word(0, 0, 3), sound(10, ""), sound(20, "n"), sound(30, "")]
    assert marks(heard("one", [(100, events)])) == [(0, 3, 0, 30)]


def test_chunks_are_held_until_their_words_have_ended() -> None:
    pieces = [(100, [word(10, 0, 3)]), (100, []), (100, [word(210, 4, 7)]), (100, [])]
    chunks = heard("one two", pieces)
    assert [[mark.start_ms for mark in chunk.marks] for chunk in chunks] == [[10], [], [210], []]
    assert marks(chunks) == [(0, 3, 10, 210), (4, 7, 210, 400)]


def test_times_are_those_at_the_speed_of_what_is_heard() -> None:
    assert marks(heard("one", [(100, [word(20, 0, 3), end(80)])], speed=2.0)) == [(0, 3, 10, 40)]


def test_a_mark_behind_the_last_sample_comes_with_it() -> None:
    chunks = heard("one", [(10, [word(10, 0, 3)]), (10, [word(30, 0, 3)])])
    assert [len(chunk.marks) for chunk in chunks] == [0, 1]


def test_a_word_read_as_several_has_one_mark() -> None:
    events = [word(0, 0, 5), word(20, 1, 6), word(40, 1, 6), word(60, 6, 9)]
    assert marks(heard("35.50 two", [(100, events)])) == [(0, 5, 0, 60), (6, 9, 60, 100)]


def test_a_sign_has_no_mark_and_ends_the_word_before_it() -> None:
    events = [word(0, 0, 3), word(20, 4, 5), word(40, 4, 5), word(60, 6, 9)]
    assert marks(heard("one ☺ two", [(100, events)])) == [(0, 3, 0, 20), (6, 9, 60, 100)]


def test_words_without_an_event_share_the_time_of_those_before() -> None:
    assert marks(heard("of the", [(100, [word(0, 0, 2)])])) == [(0, 2, 0, 40), (3, 6, 40, 100)]
    assert marks(heard("of the end", [(100, [word(0, 0, 2), word(50, 7, 10)])])) == [
        (0, 2, 0, 20),
        (3, 6, 20, 50),
        (7, 10, 50, 100),
    ]
    events = [sound(0, "a"), word(50, 4, 7)]
    assert marks(heard("one two", [(100, events)])) == [(0, 3, 0, 50), (4, 7, 50, 100)]


def test_shared_time_is_divided_between_two_phonemes_which_go_to_their_words() -> None:
    events = [word(0, 0, 2), sound(0, "u"), sound(30, "v"), sound(60, "th"), end(100)]
    chunks = heard("of the", [(100, events)], phonemes=True)
    assert chunks[0].marks == (
        Mark(10, 12, 0, 30, (PhonemeMark("u", 0, 30),)),
        Mark(13, 16, 30, 100, (PhonemeMark("v", 30, 60), PhonemeMark("th", 60, 100))),
    )


def test_a_phoneme_of_no_length_at_the_end_belongs_to_the_last_word() -> None:
    events = [word(0, 0, 2), sound(0, "u"), sound(100, "z"), end(100)]
    (chunk,) = heard("us", [(100, events)], phonemes=True)
    assert [each.text for each in chunk.marks[0].phonemes] == ["u", "z"]


def test_a_switch_of_language_is_no_phoneme() -> None:
    events = [word(0, 0, 2), sound(0, "(en)"), sound(0, "u"), end(100)]
    (chunk,) = heard("us", [(100, events)], phonemes=True)
    assert [each.text for each in chunk.marks[0].phonemes] == ["u"]


def test_unspaced_characters_are_words() -> None:
    assert marks(heard("你好", [(100, [word(0, 0, 2)])])) == [(0, 1, 0, 50), (1, 2, 50, 100)]


def test_parts_of_a_word_that_were_written_as_words_have_marks() -> None:
    spoken = joined([Rewritten.of("会議").becomes("カイギ"), Rewritten.of("は").becomes("ワ").shifted(2)])
    found = heard(spoken, [(100, [word(0, 0, 4)])], written="会議は")
    assert marks(found) == [(0, 2, 0, 75), (2, 3, 75, 100)]


def test_what_was_written_for_two_words_has_one_mark() -> None:
    spoken = joined([Rewritten.of("20").becomes("twenty one"), Rewritten.of(" x").shifted(2)])
    found = heard(spoken, [(100, [word(0, 0, 6), word(50, 7, 10), word(80, 11, 12)])], written="20 x")
    assert marks(found) == [(0, 2, 0, 80), (3, 4, 80, 100)]


def test_nothing_said_has_no_marks() -> None:
    assert heard("one", []) == []
    assert marks(heard("...", [(100, [])])) == []
