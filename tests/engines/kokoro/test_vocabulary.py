import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.kokoro.vocabulary import SYMBOLS, in_symbols, numbers, punctuation, strangers


def test_every_symbol_is_one_character_with_a_number_of_its_own() -> None:
    assert len(SYMBOLS) == 114
    assert all(len(symbol) == 1 for symbol in SYMBOLS)
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)
    assert all(0 < number < 178 for number in SYMBOLS.values())


def test_symbols_stay_as_they_are() -> None:
    every = "".join(SYMBOLS)
    assert in_symbols(every) == every
    assert strangers(every) == set()
    assert numbers(every) == list(SYMBOLS.values())


def test_a_letter_with_a_mark_is_taken_apart_where_the_model_has_both() -> None:
    assert in_symbols("\u00e3\u00f5") == "a\u0303o\u0303"
    assert in_symbols("c\u0327") == "ç"


def test_a_phoneme_that_the_model_lacks_becomes_the_nearest_one() -> None:
    assert in_symbols("ʐʉɦ") == "ʒuh"


def test_what_has_no_sound_is_left_out_and_can_be_told() -> None:
    assert in_symbols("t\u032al\u0329") == "tl"
    assert strangers("t\u032a") == {"\u032a"}


@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_nothing_but_symbols_comes_out_of_any_text(text: str) -> None:
    for symbols in (in_symbols(text), "".join(map(punctuation, text))):
        assert len(numbers(symbols)) == len(symbols)


def test_the_marks_of_every_script_become_marks_of_the_model() -> None:
    marks = '，。！？；：、“”（）《》「」…— .,!?;:()"'
    assert [mark for mark in marks if not punctuation(mark).strip() and mark != " "] == []
    assert [punctuation(letter) for letter in "aA我あ5%+~"] == [""] * 8
    assert all(unicodedata.category(symbol)[0] in "PZ" for mark in marks for symbol in punctuation(mark))
