"""Which of eSpeak NG's phonemes are of which words of the text: the library does not say."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate

from saystream.engines.pronunciation.espeak_library import MAX_PHONEMIZED_CHARACTERS, Clause, phonemize
from saystream.text.rewriting import Rewritten, joined

__all__ = ["ClauseWords"]

_WORD = re.compile(r"\S+")
_SIGNS = "%‰#&@*/"
"""Have names, unlike other punctuation."""
_APART = " ;\n"
"""Ends a clause."""
_MOST_COMPARED = 250
"""Symbols of a clause: the time of a comparison grows with the square of their number."""
_MOST_READ = MAX_PHONEMIZED_CHARACTERS // (1 + len(_APART))
"""Characters of a clause, of which each may be a word to be read apart."""


class ClauseWords:
    def __init__(self, voice: str, symbols: Callable[[str], str]) -> None:
        """``voice`` is one of ``phonemize``, and ``symbols`` makes of its phonemes those of a model; a space between
        two words stays one."""
        self._voice = voice
        self._symbols = symbols

    def placed(self, text: Rewritten, clause: Clause) -> Rewritten:
        """The symbols of ``clause``, which is the reading of ``text``, with their places.

        Usually there are as many words of phonemes as of text; the library also joins two ("of the"), and reads one as
        several. Then they are compared with what each word would be alone, and where that does not tell, several words
        have a part of the phonemes in common."""
        symbols = self._symbols(clause.phonemes)
        words = list(_words(text.text))
        spoken = symbols.split()
        if len(spoken) == len(words):
            pairs = zip(words, spoken, strict=True)
            return joined((text[start:end].becomes(each) for (start, end), each in pairs), " ")
        if not words or len(symbols) > _MOST_COMPARED or len(text) > _MOST_READ:
            return text.becomes(symbols)
        return joined(self._alone(text, words), " ").respelt(symbols, list)

    def _alone(self, text: Rewritten, words: list[tuple[int, int]]) -> Iterator[Rewritten]:
        """How each of ``words``, places in ``text``, is pronounced: in one call, because the library may load its
        dictionary for each. A sign, such as "%", is read together with what follows."""
        ends = list(accumulate(end - start + len(_APART) for start, end in words))
        phonemes: dict[int, str] = {}
        for clause in phonemize(_APART.join(text.text[start:end] for start, end in words), self._voice):
            last = bisect_left(ends, clause.end)
            phonemes[last] = phonemes.get(last, "") + clause.phonemes
        first = 0
        for last, each in phonemes.items():
            yield text[words[first][0] : words[last][1]].becomes(self._symbols(each))
            first = last + 1


def _words(text: str) -> Iterator[tuple[int, int]]:
    """The places of what stands between spaces, without the marks around it."""
    for match in _WORD.finditer(text):
        start, end = match.span()
        while start < end and _is_mark(text[start]):
            start += 1
        while start < end and _is_mark(text[end - 1]):
            end -= 1
        if start < end:
            yield start, end


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("P") and character not in _SIGNS
