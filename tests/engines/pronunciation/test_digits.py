import re

import pytest
from hibari.g2p import G2P
from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.pronunciation.digits import readable


@pytest.mark.parametrize("text", ["", "Hello, world.", "It costs $1,250.50 in 2024.", "a" * 60, "7" * 24])
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert readable(text) == text


def test_superscript_and_circled_digits_become_plain_ones() -> None:
    assert readable("x² and ①") == "x2 and 1"


def test_the_phonemisers_own_way_to_be_told_is_not_open_to_a_text() -> None:
    reader = G2P()
    written = readable("[cat](/dˈɔɡ/) and [a link](http://a.example)")
    assert written == "[cat] (/dˈɔɡ/) and [a link] (http://a.example)"
    said = "".join(token.phonemes or "" for token in reader.phonemize_tokens(reader.tokenize(written)))
    assert "kˈæt" in said and "ɛɡzˈæmpᵊl" in said


@given(text=st.text(st.characters(exclude_categories=()), max_size=200))
def test_no_number_and_no_word_is_without_an_end(text: str) -> None:
    longest = max((len(word) for word in re.findall(r"\S+", readable(text))), default=0)
    assert longest <= 60
    assert all(len(re.sub(r"\D", "", each)) <= 24 for each in re.findall(r"[\d.,]+", readable(text)))


@given(text=st.text(max_size=200))
def test_nothing_but_spaces_is_added_and_nothing_is_lost(text: str) -> None:
    assert len(readable(text).replace(" ", "")) == len(text.replace(" ", ""))
