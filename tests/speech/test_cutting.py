"""What a cutter makes of the parts that it is given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.speech.cutting import Cutter, Piece
from saystream.text.script import Manner, Pause, Pronunciation, Sound
from saystream.text.segmenter import Segmenter

SLOW = Manner(rate=0.5)


def make_cutter() -> Cutter:
    return Cutter(Segmenter(first_min_characters=12, max_characters=240, max_wait_ms=600))


def all_of(cutter: Cutter) -> list[Piece | Pause | Sound]:
    ready: list[Piece | Pause | Sound] = []
    while (piece := cutter.first()) is not None:
        ready.append(piece)
        cutter.pop()
    return ready


def shown(cutter: Cutter) -> list[str | Pause | Sound]:
    return [piece.text if isinstance(piece, Piece) else piece for piece in all_of(cutter)]


def test_pauses_and_sounds_end_a_segment_and_keep_their_places() -> None:
    cutter = make_cutter()
    cutter.add(Pause(100), 0)
    cutter.add_text("Well", 0)
    cutter.add(Pause(200), 0)
    cutter.add_text("then", 0)
    cutter.add(Sound("ding"), 0)
    cutter.add_text("More", 0)
    assert cutter.waiting_characters == len("WellthenMore") + 3
    cutter.end()
    assert shown(cutter) == [Pause(100), "Well", Pause(200), "then", Sound("ding"), "More"]
    assert cutter.waiting_characters == 0


def test_a_part_behind_a_long_text_waits_for_its_turn() -> None:
    cutter = make_cutter()
    text = "This is a plain sentence of some words. " * 100
    cutter.add_text(text, 0)
    cutter.add(Pause(200), 0)
    cutter.flush(0)
    assert cutter.waiting_characters == len(text) + 1
    assert cutter.deadline_ms() is None
    ready = shown(cutter)
    assert ready[-1] == Pause(200)
    assert "".join(text for text in ready if isinstance(text, str)) == text


def test_pauses_in_a_row_are_at_most_ten_seconds_and_begin_anew_behind_speech_or_a_sound() -> None:
    cutter = make_cutter()
    for duration_ms in (6000, 6000, 6000):
        cutter.add(Pause(duration_ms), 0)
    cutter.add_text(" … ", 0)
    cutter.add(Pause(1000), 0)
    cutter.add_text("Yes", 0)
    cutter.add(Pause(20_000), 0)
    cutter.add(Sound("ding"), 0)
    cutter.add(Pause(9000), 0)
    cutter.add(Pause(-5), 0)
    pauses = [piece.duration_ms for piece in all_of(cutter) if isinstance(piece, Pause)]
    assert pauses == [6000, 4000, 0, 0, 10_000, 9000, 0]


def test_another_manner_ends_a_segment_and_the_same_one_does_not() -> None:
    cutter = make_cutter()
    cutter.add_text("One ", 0)
    cutter.add_text("two ", 0, manner=SLOW)
    cutter.add_text("", 0)
    cutter.add_text("three ", 0, manner=SLOW)
    cutter.add_text("four", 0)
    cutter.end()
    pieces = [piece for piece in all_of(cutter) if isinstance(piece, Piece)]
    assert [(piece.text, piece.manner) for piece in pieces] == [
        ("One ", Manner()),
        ("two three ", SLOW),
        ("four", Manner()),
    ]
    assert [piece.ends for piece in pieces] == [False, False, True]


@given(st.integers(0, 60), st.integers(1, 700))
def test_a_pronunciation_goes_with_its_words_and_is_not_cut(place: int, filler: int) -> None:
    before = "word " * filler
    text = "We said, and so on, that it is so, of course. But then, he went, as was said before."
    pronunciation = Pronunciation(len(before) + place, len(before) + place + 20, "ipa", "x")
    cutter = make_cutter()
    cutter.add_text("First, ", 0)
    cutter.add_text(before + text, 0, pronunciations=(pronunciation,))
    cutter.end()
    found = [
        piece.text[each.start : each.end]
        for piece in all_of(cutter)
        if isinstance(piece, Piece)
        for each in piece.pronunciations
    ]
    assert found == [text[place : place + 20]]


def test_a_pronunciation_in_a_later_passage_counts_from_its_segment() -> None:
    cutter = make_cutter()
    cutter.add_text("Hello there. ", 0, pronunciations=(Pronunciation(0, 5, "ipa", "a"),))
    cutter.add(Pause(100), 0)
    cutter.add_text("And now you", 0, pronunciations=(Pronunciation(4, 7, "ipa", "b"),))
    cutter.end()
    pieces = [piece for piece in all_of(cutter) if isinstance(piece, Piece)]
    assert [piece.pronunciations for piece in pieces] == [
        (Pronunciation(0, 5, "ipa", "a"),),
        (Pronunciation(4, 7, "ipa", "b"),),
    ]


def test_text_that_is_taken_back_leaves_nothing_behind() -> None:
    cutter = make_cutter()
    cutter.add_text("Hello there. And ", 0, pronunciations=(Pronunciation(13, 16, "ipa", "a"),))
    cutter.add(Pause(9000), 0)
    long = "word " * 200
    cutter.add_text(long, 0)
    assert cutter.take_text() == "Hello there. And " + long
    assert cutter.waiting_characters == 0
    cutter.add(Pause(9000), 0)
    cutter.add_text("Again", 0, pronunciations=(Pronunciation(0, 5, "ipa", "b"),))
    cutter.end()
    assert all_of(cutter) == [
        Pause(9000),
        Piece("Again", ends=True, pronunciations=(Pronunciation(0, 5, "ipa", "b"),)),
    ]


def test_what_follows_is_known_as_far_as_it_has_come() -> None:
    cutter = make_cutter()
    cutter.add_text("Hello there. And so it goes on", 0)
    cutter.add(Pause(100), 0)
    cutter.add_text("The rest", 0)
    assert cutter.first() == Piece("Hello there. ")
    assert cutter.following() == "And so it goes onThe rest"


@pytest.mark.parametrize("part", [Pause(100), Sound("ding")])
def test_what_has_waited_too_long_is_cut(part: Pause | Sound) -> None:
    cutter = make_cutter()
    cutter.add_text("Hello there", 1000)
    assert cutter.deadline_ms() == 1600
    assert not cutter.has_cut
    cutter.poll(1600)
    assert cutter.has_cut
    cutter.add(part, 1700)
    assert shown(cutter) == ["Hello ", "there", part]
