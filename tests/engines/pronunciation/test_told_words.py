import pytest
from hibari.g2p import G2P
from hibari.g2p.normalize import normalize

from saystream.engines.pronunciation.told_words import HELD, held, with_told
from saystream.text.script import Pronunciation


@pytest.fixture(scope="module")
def g2p() -> G2P:
    return G2P()


def phonemes(g2p: G2P, sentence: str, symbols: list[str]) -> str:
    """As the engines read a sentence."""
    tokens = g2p.phonemize_tokens(with_told(g2p.tokenize(normalize(sentence)), iter(symbols)))
    return "".join((token.phonemes or "") + token.whitespace for token in tokens).strip()


def say(g2p: G2P, text: str, *told: tuple[str, str]) -> str:
    pronunciations = [
        Pronunciation(text.index(word), text.index(word) + len(word), "arpabet", phones)
        for word, phones in told
    ]
    source, symbols = held(text, pronunciations)
    return phonemes(g2p, source.text, symbols)


def test_words_around_are_read_as_in_any_sentence(g2p: G2P) -> None:
    assert say(g2p, "the apple.", ("apple", "AE1 P AH0 L")) == "ði ˈæpᵊl."
    assert say(g2p, "the apple.", ("apple", "P AE1 L")) == "ðə pˈæl."


def test_each_word_gets_its_own_symbols(g2p: G2P) -> None:
    said = say(g2p, "We live, I read!", ("live", "L AY1 V"), ("read", "R EH1 D"))
    assert said == "wˌi lˈIv, ˌI ɹˈɛd!"


def test_a_part_of_a_word_is_a_word(g2p: G2P) -> None:
    assert say(g2p, "ab12cd", ("12", "T UW1")).split()[1] == "tˈu"


def test_its_own_letter_is_not_taken_from_a_text(g2p: G2P) -> None:
    assert say(g2p, f"{HELD} here", ("here", "DH EH1 R")) == "ðˈɛɹ"


def test_what_has_no_symbols_stays_as_it_is(g2p: G2P) -> None:
    assert say(g2p, "hello", ("hello", "?")) == "həlˈO"


def test_several_in_one_token_are_all_said(g2p: G2P) -> None:
    assert phonemes(g2p, 2 * HELD, ["lˈIv", "ɹˈɛd"]) == "lˈIv ɹˈɛd"
