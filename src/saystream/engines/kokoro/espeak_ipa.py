"""The languages read by eSpeak NG: its phonemes as the symbols that Kokoro was trained on."""

from __future__ import annotations

import re
from functools import partial

from saystream.engines.kokoro.vocabulary import in_symbols
from saystream.engines.pronunciation.espeak_library import phonemize, plain
from saystream.engines.pronunciation.espeak_words import ClauseWords
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


class EspeakReader:
    def __init__(self, language: str) -> None:
        """Raises EngineUnavailable if the library does not start."""
        self._voice = ESPEAK_VOICES.get(language, language)
        self._words = ClauseWords(self._voice, partial(kokoro_phonemes, language=language))
        phonemize("", self._voice)

    def read(self, text: str) -> Rewritten:
        written = Rewritten.of(text)
        spelt = Rewritten(as_pronounced(text), written.starts, written.ends)  # letter for letter
        source = spelt.respelt(plain(spelt.text))
        clauses: list[Rewritten] = []
        start = 0
        for clause in phonemize(source.text, self._voice):
            words = self._words.placed(source[start : clause.end], clause)
            clauses.append(words.followed_by(clause.punctuation))
            start = clause.end
        return joined(clauses, " ")


def kokoro_phonemes(phonemes: str, language: str) -> str:
    """The IPA that eSpeak gives for ``language`` (ISO 639-1) as Kokoro writes it."""
    untied = phonemes.translate(_TIES)
    for written, meant in _RESPELLED.get(language, ()):
        untied = re.sub(written, meant, untied)
    return in_symbols(_PAIRS.sub(lambda pair: _ONE_SYMBOL[pair[0]], untied))
