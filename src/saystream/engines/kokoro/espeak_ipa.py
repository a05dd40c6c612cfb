"""The languages read by eSpeak NG: its phonemes as the symbols that Kokoro was trained on."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from saystream.engines.kokoro.vocabulary import in_symbols
from saystream.engines.pronunciation.espeak_library import Clause, phonemize, plain
from saystream.engines.pronunciation.hangul import as_pronounced
from saystream.text.rewriting import Rewritten, joined

__all__ = ["ESPEAK_VOICES", "EspeakReader", "kokoro_phonemes"]

ESPEAK_VOICES = {"es": "es", "fr": "fr-fr", "it": "it", "pt": "pt-br", "hi": "hi"}
"""The accents of Kokoro's own voices. Other languages are read by the voice of their code."""

_ONE_SYMBOL = {
    "aɪ": "I", "aʊ": "W", "eɪ": "A", "oʊ": "O", "əʊ": "Q", "ɔɪ": "Y",
    "dz": "ʣ", "dʒ": "ʤ", "ts": "ʦ", "tʃ": "ʧ", "ss": "S", "tɕ": "ʨ", "dʑ": "ʥ", "tʂ": "ꭧ",
}  # fmt: skip
"""Diphthongs and affricates that have their own symbols."""

_RESPELLED = {
    "ru": (
        ("y", "ɨ"),
        ("tʃʲ", "tʃ"),
        ("ʲ(?=[ˈˌ]?[iɪeɛ])", ""),
        ("ʲ(?=[ˈˌ]?[aɑʌoɔuəɐɵ])", "j"),
        ("[ʌɑ]", "a"),
        ("ɵ", "o"),
        ("ʑ", "z"),
        ('"', ""),  # beside a vowel between two soft consonants
        (r"(?<!\S)([vskfz]) (?=\S)", r"\1"),  # a preposition that is not a syllable
    ),
    "ko": (("ɐ", "a"), ("q", "k"), ("(?<=[ʃɕkpt])h", "ʰ")),
}
"""Languages that Kokoro was not trained on: their sounds as the nearest ones of its languages. eSpeak writes some with
a letter that means another sound elsewhere. Of the words of eight Russian sentences by if_sara, Whisper misheard 35 %
without this, 23 % with the first six."""

_TIES = dict.fromkeys(map(ord, "͜͡‿"))
_PAIRS = re.compile("|".join(_ONE_SYMBOL))
_WORD = re.compile(r"\S+")
_SIGNS = "%‰#&@*/"
"""Have names, unlike other punctuation."""
_APART = " ;\n"
"""Ends a clause."""
_MOST_COMPARED = 250
"""Symbols of a clause: the time of a comparison grows with the square of their number."""


class EspeakReader:
    def __init__(self, language: str) -> None:
        """Raises EngineUnavailable if the library does not start."""
        self._language = language
        self._voice = ESPEAK_VOICES.get(language, language)
        phonemize("", self._voice)

    def read(self, text: str) -> Rewritten:
        written = Rewritten.of(text)
        spelt = Rewritten(as_pronounced(text), written.starts, written.ends)  # letter for letter
        source = spelt.respelt(plain(spelt.text))
        clauses: list[Rewritten] = []
        start = 0
        for clause in phonemize(source.text, self._voice):
            clauses.append(self._clause(source[start : clause.end], clause).followed_by(clause.punctuation))
            start = clause.end
        return joined(clauses, " ")

    def _clause(self, text: Rewritten, clause: Clause) -> Rewritten:
        """The library does not say which phonemes are of which word. Usually there are as many words of phonemes as of
        text; it also joins two ("of the"), and reads one as several. Then they are compared with what each word would
        be alone, and where that does not tell, several words have a part of the phonemes in common."""
        symbols = kokoro_phonemes(clause.phonemes, self._language)
        words = list(_words(text.text))
        spoken = symbols.split()
        if len(spoken) == len(words):
            pairs = zip(words, spoken, strict=True)
            return joined((text[start:end].becomes(each) for (start, end), each in pairs), " ")
        if not words or len(symbols) > _MOST_COMPARED:
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
            yield text[words[first][0] : words[last][1]].becomes(kokoro_phonemes(each, self._language))
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


def kokoro_phonemes(phonemes: str, language: str) -> str:
    """The IPA that eSpeak gives for ``language`` (ISO 639-1) as Kokoro writes it."""
    untied = phonemes.translate(_TIES)
    for written, meant in _RESPELLED.get(language, ()):
        untied = re.sub(written, meant, untied)
    return in_symbols(_PAIRS.sub(lambda pair: _ONE_SYMBOL[pair[0]], untied))
