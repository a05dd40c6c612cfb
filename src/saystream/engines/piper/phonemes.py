"""From text to the numbers that a Piper voice takes, as piper-tts does it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from saystream.engines.piper.config import BEGIN, END, PAD, VoiceConfig
from saystream.engines.pronunciation.espeak_library import MAX_PHONEMIZED_CHARACTERS, ending_mark, phonemize
from saystream.engines.pronunciation.espeak_phones import ipa

if TYPE_CHECKING:
    from saystream.text.script import Pronunciation

__all__ = ["MAX_SYMBOLS", "Phonemes"]

MAX_SYMBOLS = 250
"""For one pass of the model, about 15 s of audio: the time of a pass is how long a cancel may take."""

_MARKS_AT_ONCE = re.compile(r"[^\w\s%&+$#@=*/]+")
_GOES_ON = frozenset(",:;")
"""Marks after which the sentence continues after a space; the other three end it."""


class Phonemes:
    """Reads for one voice. ``unknown`` counts the symbols for which the voice has no number; they are left out, as in
    piper-tts, because another sound in their place could be worse."""

    def __init__(self, config: VoiceConfig) -> None:
        self._config = config
        self._numbers = config.phoneme_id_map
        self._clusters = sorted((tuple(each) for each in config.vowel_clusters), key=len, reverse=True)
        self.unknown: Counter[str] = Counter()

    def passes(self, text: str, told: Sequence[Pronunciation] = ()) -> Iterator[list[int]]:
        """The numbers of each pass of the model: a sentence, or part of one that is too long for a pass. What is
        ``told`` of a part of ``text`` are its phonemes; a voice whose symbols are letters leaves that out."""
        for sentence in self._sentences(text, told):
            known = list(self._known(self._merged(sentence)))
            while len(known) > MAX_SYMBOLS:
                end = _place_to_cut(known)
                yield self._framed(known[:end])
                known = known[end:]
            if any(symbol.isalnum() for symbol in known):
                yield self._framed(known)

    def _sentences(self, text: str, told: Sequence[Pronunciation]) -> Iterator[list[str]]:
        if self._config.phoneme_type == "text":
            yield list(self._letters(unicodedata.normalize("NFD", text)))
            return
        sentence = ""
        for phonemes, mark in self._told_clauses(text, told):
            sentence = sentence + phonemes + mark if phonemes else sentence.rstrip() + mark
            if mark and mark not in _GOES_ON:
                yield list(unicodedata.normalize("NFD", sentence))
                sentence = ""
            else:
                sentence += " "
        yield list(unicodedata.normalize("NFD", sentence.rstrip()))

    def _told_clauses(self, text: str, told: Sequence[Pronunciation]) -> Iterator[tuple[str, str]]:
        """The phonemes of each clause, or of each part of one, and the mark that ends it."""
        british = self._config.espeak.voice.lower().startswith("en-gb")
        end = 0
        for each in told:
            if phonemes := ipa(each.alphabet, each.phonemes, british=british):
                yield from self._clauses(text[end : each.start])
                yield phonemes, ""
                end = each.end
                if marks := _MARKS_AT_ONCE.match(text, end):
                    # By themselves they are no clause.
                    yield "", ending_mark(marks[0])
                    end = marks.end()
        yield from self._clauses(text[end:])

    def _clauses(self, text: str) -> Iterator[tuple[str, str]]:
        for start in range(0, len(text), MAX_PHONEMIZED_CHARACTERS):
            part = text[start : start + MAX_PHONEMIZED_CHARACTERS]
            for clause in phonemize(part, self._config.espeak.voice):
                yield clause.phonemes, clause.punctuation

    def _letters(self, text: str) -> Iterator[str]:
        """Lower-case letters if the voice has no capitals."""
        for letter in text:
            yield from letter if letter in self._numbers else letter.casefold()

    def _merged(self, symbols: Sequence[str]) -> Iterator[str]:
        position = 0
        while position < len(symbols):
            fitting = (
                each for each in self._clusters if tuple(symbols[position : position + len(each)]) == each
            )
            cluster = next(fitting, (symbols[position],))
            yield "".join(cluster)
            position += len(cluster)

    def _known(self, symbols: Iterator[str]) -> Iterator[str]:
        for symbol in symbols:
            for replacement in self._config.phoneme_map.get(symbol, (symbol,)):
                if replacement in self._numbers:
                    yield replacement
                else:
                    self.unknown[replacement] += 1

    def _framed(self, symbols: Sequence[str]) -> list[int]:
        pad = self._numbers[PAD]
        numbers = [*self._numbers[BEGIN], *pad]
        for symbol in symbols:
            numbers += [*self._numbers[symbol], *pad]
        return [*numbers, *self._numbers[END]]


def _place_to_cut(symbols: Sequence[str]) -> int:
    """After the last mark in the second half of a pass, else after its last space, else where the pass is full."""
    for places in (_GOES_ON, frozenset(" ")):
        for end in range(MAX_SYMBOLS, MAX_SYMBOLS // 2, -1):
            if symbols[end - 1] in places:
                return end
    return MAX_SYMBOLS
