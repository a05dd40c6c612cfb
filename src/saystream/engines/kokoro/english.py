"""English, by the phonemiser of hibari: its lexicons, and a small model for words that are in none, are those that
Kokoro was trained with. American and British differ in lexicon and rules, not only in accent."""

from __future__ import annotations

from hibari import Hibari
from hibari.g2p import G2P

from saystream.engines.english import readable
from saystream.engines.kokoro.vocabulary import CLAUSE_MARKS, SENTENCE_MARKS, in_symbols, punctuation

__all__ = ["EnglishReader"]

_QUOTES = dict.fromkeys(map(ord, '"“”„«»'))
"""Left out: in them its reader takes "API" for a word, and most are lost anyway."""

_CLOSERS = "\"'”’) "


class EnglishReader:
    def __init__(self, *, british: bool = False) -> None:
        self._g2p = G2P(british=british)

    def read(self, text: str) -> str:
        marked = "".join(each if each.isascii() else punctuation(each) or each for each in text)
        plain = readable(marked.translate(_QUOTES))
        return " ".join(filter(None, map(self._sentence, Hibari.split_sentences(plain))))

    def _sentence(self, sentence: str) -> str:
        symbols = in_symbols(self._g2p(sentence)).strip()
        # "5G." is one word to it, and the full stop is lost with its last letter.
        mark = sentence.rstrip(_CLOSERS)[-1:]
        if symbols and mark in SENTENCE_MARKS + CLAUSE_MARKS and symbols.rstrip(_CLOSERS)[-1:] != mark:
            symbols += mark
        return symbols
