"""The languages whose readers are eSpeak NG: its phonemes as the symbols that Kokoro was trained on."""

from __future__ import annotations

import re

from saystream.engines.espeak_library import phonemize
from saystream.engines.kokoro.vocabulary import in_symbols

__all__ = ["ESPEAK_VOICES", "EspeakReader", "kokoro_phonemes"]

ESPEAK_VOICES = {"es": "es", "fr": "fr-fr", "it": "it", "pt": "pt-br", "hi": "hi"}
"""The accents of Kokoro's own voices. Other languages are read by the voice of their code."""

_ONE_SYMBOL = {
    "aɪ": "I", "aʊ": "W", "eɪ": "A", "oʊ": "O", "əʊ": "Q", "ɔɪ": "Y",
    "dz": "ʣ", "dʒ": "ʤ", "ts": "ʦ", "tʃ": "ʧ", "ss": "S", "tɕ": "ʨ", "dʑ": "ʥ", "tʂ": "ꭧ",
}  # fmt: skip
"""Diphthongs and affricates, which have symbols of their own."""

_TIES = dict.fromkeys(map(ord, "͜͡‿"))
_PAIRS = re.compile("|".join(_ONE_SYMBOL))


class EspeakReader:
    def __init__(self, language: str) -> None:
        """Raises EngineUnavailable where the library does not start."""
        self._voice = ESPEAK_VOICES.get(language, language)
        phonemize("", self._voice)

    def read(self, text: str) -> str:
        clauses = phonemize(text, self._voice)
        return " ".join(kokoro_phonemes(clause.phonemes) + clause.punctuation for clause in clauses)


def kokoro_phonemes(phonemes: str) -> str:
    """IPA as Kokoro writes it."""
    untied = phonemes.translate(_TIES)
    return in_symbols(_PAIRS.sub(lambda pair: _ONE_SYMBOL[pair[0]], untied))
