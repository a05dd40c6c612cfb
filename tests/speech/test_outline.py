"""What an outline says of a text, whether it is cut or fed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.speech.events import SegmentBegun
from saystream.speech.outline import Outline

EVERYTHING = 1 << 30


def begun_of(pieces: list[str], *, ends: bool = True) -> list[SegmentBegun]:
    """What is said of a text that is fed in ``pieces``, each reached before the next comes."""
    outline = Outline()
    begun: list[SegmentBegun] = []
    position = 0
    for piece in pieces:
        outline.fed(piece, position)
        position += len(piece)
        begun += outline.begun(position)
    if ends:
        outline.fed_to_end()
    return begun + outline.begun(EVERYTHING)


def test_a_segment_begins_when_its_text_is_reached_and_once() -> None:
    outline = Outline()
    outline.segment("Hello you. ", 0)
    outline.segment("And not", 11)
    outline.segment("yet", 18, ends=True)
    assert outline.begun(0) == []
    assert outline.begun(1) == [SegmentBegun(0, 11, True)]
    assert outline.begun(11) == []
    assert outline.begun(12) == [SegmentBegun(11, 18, False)]
    assert outline.begun(EVERYTHING) == [SegmentBegun(18, 21, True)]
    assert outline.begun(EVERYTHING) == []


def test_what_is_not_spoken_belongs_to_the_segment_behind_it() -> None:
    outline = Outline()
    outline.segment("...", 0)
    outline.segment("Hello.", 3)
    assert outline.begun(1) == []
    assert outline.begun(4) == [SegmentBegun(0, 9, True)]


def test_a_mark_that_comes_late_ends_its_sentence() -> None:
    outline = Outline()
    outline.segment("Hello there", 0)
    outline.segment(". ", 11)
    outline.segment("! ", 13)
    outline.segment("How are you", 15)
    outline.segment("? Well", 26)
    assert outline.begun(EVERYTHING) == [
        SegmentBegun(0, 11, False),
        SegmentBegun(11, 13, True),
        SegmentBegun(13, 26, False),
        SegmentBegun(26, 28, True),
        SegmentBegun(28, 32, False),
    ]


def test_what_is_dropped_is_not_said() -> None:
    outline = Outline()
    outline.segment("Hello you. ", 0)
    outline.segment("And you? ", 11)
    outline.forget(11)
    outline.segment("Bye.", 11)
    assert outline.begun(EVERYTHING) == [SegmentBegun(0, 11, True), SegmentBegun(11, 15, True)]


def test_a_sentence_that_is_fed_begins_with_its_first_word_and_its_rest_follows() -> None:
    assert begun_of(["Hel", "lo th", "ere. Mo", "re"]) == [
        SegmentBegun(0, 5, False),
        SegmentBegun(5, 13, True),
        SegmentBegun(13, 17, True),
    ]


def test_sentences_that_are_fed_at_once_are_said_one_after_the_other() -> None:
    outline = Outline()
    outline.fed("One is here. Two is there. ", 0)
    assert outline.begun(1) == [SegmentBegun(0, 13, True)]
    assert outline.begun(13) == []
    assert outline.begun(14) == [SegmentBegun(13, 16, False)]
    outline.fed_to_end()
    assert outline.begun(EVERYTHING) == [SegmentBegun(16, 27, True)]


def test_an_end_without_text_says_nothing() -> None:
    outline = Outline()
    outline.fed_to_end()
    assert outline.begun(EVERYTHING) == []


@pytest.mark.parametrize("text", ["你好。我们走吧，好吗？好的", "One. Two, three! Four", "Nothing ends here"])
@given(data=st.data())
def test_what_is_fed_is_said_in_order_and_without_a_gap(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]
    begun = begun_of(pieces)
    assert begun[0].start == 0
    assert begun[-1].end == len(text)
    assert all(before.end == after.start for before, after in pairwise(begun))
    assert sum(event.ends_sentence for event in begun) == sum(
        event.ends_sentence for event in begun_of([text])
    )
