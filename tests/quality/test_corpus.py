from __future__ import annotations

import re
from collections import Counter

import pytest

from saystream.languages import LANGUAGE_CODES
from saystream.quality.corpus import load_corpus

CORPUS = load_corpus()

SCRIPTS = {
    "zh": r"[\u4e00-\u9fff]",
    "ja": r"[\u3040-\u30ff]",
    "ko": r"[\uac00-\ud7a3]",
    "ru": r"[\u0400-\u04ff]",
}


def test_it_has_the_ten_languages_of_a_session() -> None:
    assert set(CORPUS) == set(LANGUAGE_CODES.values())


@pytest.mark.parametrize("language", CORPUS)
def test_a_language_has_at_least_twenty_different_sentences(language: str) -> None:
    assert len({sentence.text for sentence in CORPUS[language]}) >= 20


@pytest.mark.parametrize("language", CORPUS)
def test_a_language_has_questions_numbers_and_statements(language: str) -> None:
    texts = [sentence.text for sentence in CORPUS[language]]

    assert sum(text.rstrip()[-1] in "?？" or text.endswith("か。") for text in texts) >= 3
    assert sum(bool(re.search(r"\d", " ".join(sentence.spellings))) for sentence in CORPUS[language]) >= 4


@pytest.mark.parametrize("language", sorted(SCRIPTS))
def test_a_sentence_is_in_the_script_of_its_language(language: str) -> None:
    assert all(re.search(SCRIPTS[language], sentence.text) for sentence in CORPUS[language])


@pytest.mark.parametrize("language", CORPUS)
def test_the_first_spelling_is_what_is_sent_and_no_spelling_stands_twice(language: str) -> None:
    for sentence in CORPUS[language]:
        assert sentence.spellings[0] == sentence.text
        assert max(Counter(sentence.spellings).values()) == 1


@pytest.mark.parametrize("language", sorted(set(CORPUS) - {"en"}))
def test_a_sentence_with_digits_can_also_be_heard_in_words(language: str) -> None:
    with_digits = [sentence for sentence in CORPUS[language] if re.search(r"\d", sentence.text)]

    assert all(any(not re.search(r"\d", spelling) for spelling in one.spellings) for one in with_digits)
