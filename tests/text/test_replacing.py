"""What a caller wants said as something else, or pronounced as told."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.errors import InvalidValue
from saystream.text.replacing import MAX_ENTRIES, Entry, Replacer, read_entries
from saystream.text.rewriting import joined
from saystream.text.script import Passage, Pronunciation

ENTRIES = {
    "今天": Entry("金天"),
    "今天气": Entry("今天气", "pinyin", "jin1 tian1 qi4"),
    "天气": Entry("天气", "pinyin", "tian1 qi4"),
    "US": Entry("United States"),
    "ab": Entry(""),
}


def whole(pieces: list[str]) -> Passage:
    replacer = Replacer(ENTRIES)
    passages = [*map(replacer.push, pieces), replacer.finish()]
    pronunciations: list[Pronunciation] = []
    length = 0
    for passage in passages:
        pronunciations += (each.shifted(length) for each in passage.pronunciations)
        length += len(passage.text)
    return Passage(joined(passage.text for passage in passages), tuple(pronunciations))


def test_a_word_is_replaced_and_knows_what_was_sent_for_it() -> None:
    said = whole(["他今天来了"]).text
    assert said.text == "他金天来了"
    assert said.span(1, 3) == (1, 3)


def test_a_word_is_pronounced_as_told() -> None:
    assert whole(["好天气。"]) == Passage(
        whole(["好天气。"]).text, (Pronunciation(1, 3, "pinyin", "tian1 qi4"),)
    )


def test_the_longest_word_counts() -> None:
    said = whole(["今天气今天天气"])
    assert said.text.text == "今天气金天天气"
    assert [(each.start, each.end) for each in said.pronunciations] == [(0, 3), (5, 7)]


def test_a_word_with_spaces_around_it_is_none_within_another() -> None:
    assert whole(["US BUS USA US, US1"]).text.text == "United States BUS USA United States, US1"


def test_a_word_is_found_whether_its_accents_are_joined_or_apart() -> None:
    for entry in ("Zürich", unicodedata.normalize("NFD", "Zürich")):
        replacer = Replacer({entry: Entry("Bern"), "Zu": Entry("zoo")})
        text = f"Zürich {unicodedata.normalize('NFD', 'Zürich')} Zu"
        said = "".join(replacer.push(character).text.text for character in text) + replacer.finish().text.text
        assert said == "Bern Bern zoo"


def test_a_word_may_be_left_out() -> None:
    said = whole(["x ab y"]).text
    assert said.text == "x  y"
    assert said.span(3, 4) == (5, 6)


def test_only_what_may_be_a_word_is_held_back() -> None:
    replacer = Replacer(ENTRIES)
    assert replacer.push("我今").text.text == "我"
    assert replacer.push("年").text.text == "今年"
    assert replacer.push("今天").text.text == ""
    assert replacer.push("好").text.text == "金天好"
    assert replacer.push("U").text.text == ""
    assert replacer.finish().text.text == "U"
    assert replacer.push("S").text.text == "S", "a flush in the middle of a word ends it"


def test_a_word_that_no_more_text_can_change_is_not_held_back() -> None:
    assert Replacer(ENTRIES).push("天气").text.text == "天气"
    assert Replacer(ENTRIES).push("").text.text == ""


@given(st.lists(st.text("今天气USab 。", max_size=5), max_size=8))
def test_the_answer_does_not_depend_on_the_pieces(pieces: list[str]) -> None:
    once, by_pieces = whole(["".join(pieces)]), whole(pieces)
    assert by_pieces.text.text == once.text.text
    assert [*by_pieces.text.starts] == [*once.text.starts]
    assert [*by_pieces.text.ends] == [*once.text.ends]
    assert by_pieces.pronunciations == once.pronunciations


def test_entries_are_read() -> None:
    value = {
        "pronunciation": [{"天气": "tian1 qi4", "hello": "hh ah0 l ow1"}, {"金天": "jin1 tian1"}],
        "replace": [{"今天": "金天"}, {"hello": "hullo"}],
    }
    assert read_entries(value) == {
        "天气": Entry("天气", "pinyin", "tian1 qi4"),
        "hello": Entry("hullo", "arpabet", "HH AH0 L OW1"),
        "金天": Entry("金天", "pinyin", "jin1 tian1"),
        "今天": Entry("金天", "pinyin", "jin1 tian1"),
    }
    assert read_entries({"replace": {"a": "b"}}) == {"a": Entry("b")}


def test_no_entries_are_none() -> None:
    assert read_entries(None) == {}
    assert read_entries({"replace": None}) == {}


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ("x", "hot_fix"),
        ([], "hot_fix"),
        ({"replace": ["x"]}, "hot_fix.replace[0]"),
        ({"replace": [{"a": "b"}, None]}, "hot_fix.replace[1]"),
        ({"replace": [{}]}, "hot_fix.replace[0]"),
        ({"replace": "x"}, "hot_fix.replace[0]"),
        ({"replace": [{"": "b"}]}, "hot_fix.replace[0]"),
        ({"replace": [{3: "b"}]}, "hot_fix.replace[0]"),
        ({"replace": [{"a": 3}]}, "hot_fix.replace[0]"),
        ({"replace": [{"a" * 101: "b"}]}, "hot_fix.replace[0]"),
        ({"replace": [{"a": "b" * 101}]}, "hot_fix.replace[0]"),
        ({"pronunciation": [{"a": "a1"}, {"b": "bx"}]}, "hot_fix.pronunciation[1]"),
        ({"pronunciation": [{"a": "a1 " * 67}]}, "hot_fix.pronunciation[0]"),
        ({"replace": [{f"word{number}": "b"} for number in range(MAX_ENTRIES + 1)]}, "hot_fix"),
    ],
)
def test_what_is_no_entry_is_refused_with_its_place(value: object, param: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        read_entries(value)
    assert refusal.value.param == param


def test_a_letter_with_an_accent_behind_it_is_another_letter() -> None:
    text = unicodedata.normalize("NFD", "Zürich")
    replacer = Replacer({"Zu": Entry("zoo")})
    assert replacer.push(text).text.text + replacer.finish().text.text == text
