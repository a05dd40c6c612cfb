"""Places of what is spoken in what was sent, and pronunciations of a part of a text."""

from saystream.text.rewriting import Rewritten
from saystream.text.script import Manner, Passage, Places, Pronunciation, pronunciations_within


def passage(text: str, sent_at: int) -> Passage:
    return Passage(Rewritten.of(text).shifted(sent_at))


def test_places_of_several_passages_are_those_in_the_text_that_was_sent() -> None:
    places = Places()
    places.add(passage("Hello ", 0))
    places.add(passage("", 6))
    places.add(passage("world", 20))
    assert places.sent(0, 5) == (0, 5)
    assert places.sent(4, 8) == (4, 22)
    assert places.sent(6, 11) == (20, 25)


def test_a_replaced_word_has_the_place_of_what_was_sent_for_it() -> None:
    places = Places()
    places.add(Passage(Rewritten.of("$5").becomes("five dollars").shifted(3)))
    assert places.sent(0, 4) == (3, 5)
    assert places.sent(5, 12) == (3, 5)


def test_an_empty_range_stays_empty() -> None:
    places = Places()
    assert places.sent(0, 0) == (0, 0)
    places.add(passage("abc", 10))
    assert places.sent(1, 1) == (11, 11)
    assert places.sent(3, 3) == (13, 13)


def test_places_outside_the_text_are_the_nearest_in_it() -> None:
    places = Places()
    assert places.sent(3, 9) == (0, 0)
    places.add(passage("abc", 10))
    places.add(passage("def", 13))
    assert places.sent(4, 99) == (14, 16)
    assert places.sent(7, 9) == (15, 16)
    assert places.sent(0, 1) == (13, 14), "the passage before the last asked is forgotten"


def test_what_was_asked_for_is_forgotten() -> None:
    places = Places()
    for number in range(1000):
        places.add(passage("word ", 5 * number))
        assert places.sent(5 * number, 5 * number + 4) == (5 * number, 5 * number + 4)
    assert len(places._texts) == 1


def test_pronunciations_of_a_part_have_places_in_that_part() -> None:
    first = Pronunciation(2, 4, "pinyin", "tian1 qi4")
    second = Pronunciation(6, 8, "arpabet", "OW1")
    assert pronunciations_within((first, second), 5, 9) == (Pronunciation(1, 3, "arpabet", "OW1"),)
    assert pronunciations_within((first, second), 3, 7) == ()
    assert second.shifted(2) == Pronunciation(8, 10, "arpabet", "OW1")


def test_a_passage_is_spoken_as_the_session_says_unless_it_says_otherwise() -> None:
    assert passage("abc", 0).manner == Manner()
