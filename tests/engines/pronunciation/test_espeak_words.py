import pytest

from saystream.engines.pronunciation.espeak_library import phonemize
from saystream.engines.pronunciation.espeak_words import ClauseWords
from saystream.text.rewriting import Rewritten


def placed(text: str) -> list[tuple[str, str]]:
    [clause] = phonemize(text, "en-us")
    words = ClauseWords("en-us", str.upper).placed(Rewritten.of(text), clause)
    assert words.text == clause.phonemes.upper()
    return [
        (words.text[each.start : each.end], text[each.written_start : each.written_end])
        for each in words.stretches()
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(two) cats!", ["two", "cats"]),
        ("one of the cats", ["one", "of", "the", "cats"]),
        ("paid 1234 of it", ["paid", "1234", "of", "it"]),
        ("100 % now", ["100", "%", "now"]),
    ],
)
def test_the_phonemes_of_each_word_are_found(text: str, words: list[str]) -> None:
    assert [written for _, written in placed(text)] == words


def test_a_long_clause_of_another_number_of_words_is_one() -> None:
    text = "it was 1234 of the " * 30
    assert placed(text.strip())[0][1] == text.strip()
