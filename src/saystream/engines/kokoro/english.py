"""English, by hibari's phonemiser: its lexicons, and its small model for words in none of them, are those that Kokoro
was trained with. American and British differ in lexicon and rules, not only in accent."""

from __future__ import annotations

import re

from hibari import Hibari
from hibari.g2p import G2P

from saystream.engines.kokoro.vocabulary import CLAUSE_MARKS, SENTENCE_MARKS, in_symbols, punctuation
from saystream.engines.pronunciation.digits import readable

__all__ = ["EnglishReader"]

_QUOTES = dict.fromkeys(map(ord, '"“”„«»'))
"""Left out: inside them the reader takes "API" for a word, and most are lost anyway."""

_INITIALS = re.compile(r"(?<![\w-])[A-Z]{2,5}(?![\w-])")
_WORDS_OF_ONE_LETTER = {"A": "ˈA", "I": "ˈI"}
"""What they are called as letters."""
_STRESS = dict.fromkeys(map(ord, "ˈˌ "))

_CLOSERS = "\"'”’) "


class EnglishReader:
    def __init__(self, *, british: bool = False) -> None:
        self._g2p = G2P(british=british)

    def read(self, text: str) -> str:
        marked = "".join(each if each.isascii() else punctuation(each) or each for each in text)
        plain = readable(marked.translate(_QUOTES))
        return " ".join(filter(None, map(self._sentence, Hibari.split_sentences(plain))))

    def read_apart(self, text: str) -> str:
        """For words in a text of another language: initials are said letter by letter, each with its stress. Run
        together as in English, in a foreign voice, Whisper heard "CO" for "CEO" and "Ebiya" for "API"."""
        pieces: list[str] = []
        end = 0
        for match in _INITIALS.finditer(text):
            if letters := self._letters(match[0]):
                pieces += [self.read(text[end : match.start()]), letters]
                end = match.end()
        return " ".join(filter(None, [*pieces, self.read(text[end:])]))

    def _letters(self, word: str) -> str:
        """The names of its letters, if it is spoken like that: "NASA" is a word."""
        names = [_WORDS_OF_ONE_LETTER.get(letter) or self.read(letter) for letter in word]
        as_word = self.read(word).translate(_STRESS)
        return " ".join(names) if as_word == "".join(names).translate(_STRESS) else ""

    def _sentence(self, sentence: str) -> str:
        symbols = in_symbols(self._g2p(sentence)).strip()
        # The reader takes "5G." for one word and loses the full stop with its last letter.
        mark = sentence.rstrip(_CLOSERS)[-1:]
        if symbols and mark in SENTENCE_MARKS + CLAUSE_MARKS and symbols.rstrip(_CLOSERS)[-1:] != mark:
            symbols += mark
        return symbols
