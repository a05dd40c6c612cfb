"""English, by hibari's phonemiser: its lexicons, and its small model for words in none of them, are those that Kokoro
was trained with. American and British differ in lexicon and rules, not only in accent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hibari import Hibari
from hibari.g2p import G2P
from hibari.g2p.normalize import normalize

from saystream.engines.kokoro.vocabulary import CLAUSE_MARKS, SENTENCE_MARKS, in_symbols, punctuation
from saystream.engines.pronunciation.digits import readable
from saystream.engines.pronunciation.told_words import held, with_told
from saystream.text.rewriting import Rewritten, joined

if TYPE_CHECKING:
    from saystream.text.script import Pronunciation

__all__ = ["EnglishReader"]

_QUOTES = re.compile('["“”„«»]')
"""Left out: inside them the reader takes "API" for a word, and most are lost anyway."""

_INITIALS = re.compile(r"(?<![\w-])[A-Z]{2,5}(?![\w-])")
_WORDS_OF_ONE_LETTER = {"A": "ˈA", "I": "ˈI"}
"""What they are called as letters."""
_STRESS = dict.fromkeys(map(ord, "ˈˌ "))

_CLOSERS = "\"'”’) "
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class EnglishReader:
    def __init__(self, *, british: bool = False) -> None:
        self._british = british
        self._g2p = G2P(british=british)

    def read(self, text: str, told: Sequence[Pronunciation] = ()) -> Rewritten:
        """What has a pronunciation in ARPAbet or in the International Phonetic Alphabet gets the symbols of it."""
        source, symbols = held(text, told, british=self._british)
        marked = source.sub(_NOT_ASCII, lambda match: punctuation(match[0]) or match[0])
        unquoted = marked.sub(_QUOTES, "")
        plain = unquoted.respelt(readable(unquoted.text))
        rest = iter(symbols)
        sentences = (self._sentence(sentence, rest) for sentence in _sentences(plain))
        return joined(filter(len, sentences), " ")

    def read_apart(self, text: str) -> Rewritten:
        """For words in a text of another language: initials are said letter by letter, each with its stress. Run
        together as in English, in a foreign voice, Whisper heard "CO" for "CEO" and "Ebiya" for "API"."""
        pieces: list[Rewritten] = []
        end = 0
        for match in _INITIALS.finditer(text):
            if letters := self._letters(match[0]):
                initials = Rewritten.of(text)[match.start() : match.end()]
                pieces += [self.read(text[end : match.start()]).shifted(end), initials.becomes(letters)]
                end = match.end()
        return joined(filter(len, [*pieces, self.read(text[end:]).shifted(end)]), " ")

    def _letters(self, word: str) -> str:
        """The names of its letters, if it is spoken like that: "NASA" is a word."""
        names = [_WORDS_OF_ONE_LETTER.get(letter) or self.read(letter).text for letter in word]
        as_word = self.read(word).text.translate(_STRESS)
        return " ".join(names) if as_word == "".join(names).translate(_STRESS) else ""

    def _sentence(self, sentence: Rewritten, told: Iterator[str]) -> Rewritten:
        symbols = self._phonemes(sentence.respelt(normalize(sentence.text)), told).strip()
        # The reader takes "5G." for one word and loses the full stop with its last letter.
        mark = sentence.text.rstrip(_CLOSERS)[-1:]
        if (
            len(symbols)
            and mark in SENTENCE_MARKS + CLAUSE_MARKS
            and symbols.text.rstrip(_CLOSERS)[-1:] != mark
        ):
            return symbols.followed_by(mark)
        return symbols

    def _phonemes(self, text: Rewritten, told: Iterator[str]) -> Rewritten:
        tokens = self._g2p.phonemize_tokens(with_told(self._g2p.tokenize(text.text), told))
        read = text.respelt("".join(token.text + token.whitespace for token in tokens))
        words: list[Rewritten] = []
        start = 0
        for token in tokens:
            written = read[start : start + len(token.text)]
            start += len(token.text + token.whitespace)
            symbols = in_symbols(token.phonemes or "")
            # The space behind what is not said has no other place.
            said = written.becomes(symbols or token.whitespace)
            words.append(said.followed_by(token.whitespace) if symbols else said)
        return joined(words)


def _sentences(text: Rewritten) -> Iterator[Rewritten]:
    end = 0
    for sentence in Hibari.split_sentences(text.text):
        start = text.text.index(sentence, end)
        end = start + len(sentence)
        yield text[start:end]
