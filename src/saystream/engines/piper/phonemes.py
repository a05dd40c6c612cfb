"""From text to the numbers that a Piper voice takes, as piper-tts does it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from saystream.engines.piper.config import BEGIN, END, PAD, VoiceConfig
from saystream.engines.pronunciation.espeak_library import (
    MAX_PHONEMIZED_CHARACTERS,
    ending_mark,
    only_text,
    phonemize,
    plain,
)
from saystream.engines.pronunciation.espeak_phones import ipa
from saystream.engines.pronunciation.espeak_words import ClauseWords
from saystream.engines.pronunciation.mandarin_words import in_pinyin
from saystream.text.rewriting import Rewritten, joined
from saystream.text.words import word_spans

if TYPE_CHECKING:
    from saystream.text.script import Pronunciation

__all__ = ["MAX_SYMBOLS", "Pass", "Phonemes"]

MAX_SYMBOLS = 250
"""For one pass of the model, about 15 s of audio: the time of a pass is how long a cancel may take."""

_MARKS_AT_ONCE = re.compile(r"[^\w\s%&+$#@=*/]+")
_MANDARIN = "cmn"
_GOES_ON = frozenset(",:;")
"""Marks after which the sentence continues after a space; the other three end it."""

_NOTHING = Rewritten.of("")


class _Symbol(NamedTuple):
    """One that the voice has numbers for, and where in the text it was written."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pass:
    """What the model says at once."""

    numbers: list[int]
    symbols: Rewritten
    """What they stand for, with the place of each word in the text."""
    begins: list[int]
    """Where the numbers of each character of ``symbols`` begin, and at last where those of the last one end."""


class Phonemes:
    """Reads for one voice. ``unknown`` counts the symbols for which the voice has no number; they are left out, as in
    piper-tts, because another sound in their place could be worse."""

    def __init__(self, config: VoiceConfig) -> None:
        self._config = config
        self._numbers = config.phoneme_id_map
        self._clusters = sorted(
            ("".join(each) for each in config.vowel_clusters if each), key=len, reverse=True
        )
        letters = config.phoneme_type == "text"
        self._words = None if letters else ClauseWords(config.espeak.voice, _decomposed)
        self.unknown: Counter[str] = Counter()

    def passes(self, text: str, told: Sequence[Pronunciation] = ()) -> Iterator[Pass]:
        """What the model is given in each pass: a sentence, or part of one that is too long for a pass. What is
        ``told`` of a part of ``text`` are its phonemes; a voice whose symbols are letters leaves that out."""
        for sentence in self._sentences(Rewritten.of(text), told):
            known = list(self._known(self._merged(sentence)))
            while len(known) > MAX_SYMBOLS:
                end = _place_to_cut([each.text for each in known])
                yield self._framed(known[:end])
                known = known[end:]
            if any(each.text.isalnum() for each in known):
                yield self._framed(known)

    def _sentences(self, text: Rewritten, told: Sequence[Pronunciation]) -> Iterator[Rewritten]:
        if self._words is None:
            yield _letters(text, self._numbers)
            return
        sentence = _NOTHING
        for phonemes, mark in self._told_clauses(text, told, self._words):
            if phonemes.text:
                sentence = joined((sentence, phonemes)).followed_by(mark)
            else:
                sentence = _without_spaces_behind(sentence).followed_by(mark)
            if mark and mark not in _GOES_ON:
                yield sentence
                sentence = _NOTHING
            else:
                sentence = sentence.followed_by(" ")
        yield _without_spaces_behind(sentence)

    def _told_clauses(
        self, text: Rewritten, told: Sequence[Pronunciation], words: ClauseWords
    ) -> Iterator[tuple[Rewritten, str]]:
        """The phonemes of each clause, or of each part of one, and the mark that ends it."""
        british = self._config.espeak.voice.lower().startswith("en-gb")
        end = 0
        for each in told:
            if phonemes := ipa(each.alphabet, each.phonemes, british=british):
                yield from self._clauses(text[end : each.start], words)
                yield text[each.start : each.end].becomes(_decomposed(phonemes)), ""
                end = each.end
                if marks := _MARKS_AT_ONCE.match(text.text, end):
                    # By themselves they are no clause.
                    yield _NOTHING, ending_mark(marks[0])
                    end = marks.end()
        yield from self._clauses(text[end:], words)

    def _clauses(self, text: Rewritten, words: ClauseWords) -> Iterator[tuple[Rewritten, str]]:
        for start in range(0, len(text), MAX_PHONEMIZED_CHARACTERS):
            part = text[start : start + MAX_PHONEMIZED_CHARACTERS]
            # Letter for letter, so that what is left to compare is the same except where a word is too long.
            part = Rewritten(only_text(part.text), part.starts, part.ends).strip()
            part = part.respelt(plain(part.text))
            if self._config.espeak.voice == _MANDARIN:
                part = in_pinyin(part)
            end = 0
            for clause in phonemize(part.text, self._config.espeak.voice):
                yield words.placed(part[end : clause.end], clause), clause.punctuation
                end = clause.end

    def _merged(self, symbols: Rewritten) -> Iterator[_Symbol]:
        position = 0
        while position < len(symbols):
            fitting = (each for each in self._clusters if symbols.text.startswith(each, position))
            cluster = next(fitting, symbols.text[position])
            yield _Symbol(cluster, *symbols.span(position, position + len(cluster)))
            position += len(cluster)

    def _known(self, symbols: Iterator[_Symbol]) -> Iterator[_Symbol]:
        for symbol in symbols:
            for replacement in self._config.phoneme_map.get(symbol.text, (symbol.text,)):
                if replacement in self._numbers:
                    yield symbol._replace(text=replacement)
                else:
                    self.unknown[replacement] += 1

    def _framed(self, symbols: Sequence[_Symbol]) -> Pass:
        pad = self._numbers[PAD]
        numbers = [*self._numbers[BEGIN], *pad]
        begins: list[int] = []
        for symbol in symbols:
            begins += [len(numbers)] * len(symbol.text)
            numbers += [*self._numbers[symbol.text], *pad]
        begins.append(len(numbers))
        characters = [(each, symbol) for symbol in symbols for each in symbol.text]
        said = Rewritten(
            "".join(each for each, _ in characters),
            [symbol.start for _, symbol in characters],
            [symbol.end for _, symbol in characters],
        )
        return Pass([*numbers, *self._numbers[END]], said, begins)


def _letters(text: Rewritten, known: Container[str]) -> Rewritten:
    """The symbols of a text where they are letters, each word in one; lower-case if the voice has no capitals."""
    parts: list[Rewritten] = []
    end = 0
    for start, after in [*word_spans(text.text), (len(text), len(text))]:
        for part in [*(text[place : place + 1] for place in range(end, start)), text[start:after]]:
            if part.text:
                letters = _decomposed(part.text)
                parts.append(
                    part.becomes("".join(each if each in known else each.casefold() for each in letters))
                )
        end = after
    return joined(parts)


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _without_spaces_behind(text: Rewritten) -> Rewritten:
    return text[: len(text.text.rstrip())]


def _place_to_cut(symbols: Sequence[str]) -> int:
    """After the last mark in the second half of a pass, else after its last space, else where the pass is full."""
    for places in (_GOES_ON, frozenset(" ")):
        for end in range(MAX_SYMBOLS, MAX_SYMBOLS // 2, -1):
            if symbols[end - 1] in places:
                return end
    return MAX_SYMBOLS
