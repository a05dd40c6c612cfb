"""English phones as the symbols of misaki, which hibari and Kokoro were taught."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from saystream.text.pronunciation.notation import arpabet_phones

if TYPE_CHECKING:
    from saystream.text.script import Alphabet

__all__ = ["english_symbols", "stress_before_vowels", "symbols_of_ipa", "symbols_of_phones"]

_AMERICAN = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AH0": "ə", "AO": "ɔ", "AW": "W", "AY": "I", "EH": "ɛ", "ER": "ɜɹ", "ER0": "əɹ",
    "EY": "A", "IH": "ɪ", "IY": "i", "OW": "O", "OY": "Y", "UH": "ʊ", "UW": "u",
}  # fmt: skip
_BRITISH = {
    **_AMERICAN,
    "AA": "ɑː", "AE": "a", "AO": "ɔː", "ER": "ɜː", "ER0": "ə", "IY": "iː", "IY0": "i", "OW": "Q", "UW": "uː",
}  # fmt: skip
_CONSONANTS = {
    "CH": "ʧ", "DH": "ð", "G": "ɡ", "HH": "h", "JH": "ʤ", "NG": "ŋ", "R": "ɹ", "SH": "ʃ", "TH": "θ", "Y": "j",
    "ZH": "ʒ",
}  # fmt: skip
"""The others are written by their own small letters."""
_STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}

_SYLLABIC = re.compile("(?<=[pbtdkɡszʃʧfvθmn])ə(?=l$)|(?<=[tdsz])ə(?=n$)")
"""Where most words of misaki's lexicon end so, as "apple" and "button" do."""

_OF_IPA = {
    "aɪ": "I", "aʊ": "W", "eɪ": "A", "oʊ": "O", "əʊ": "Q", "ɔɪ": "Y", "tʃ": "ʧ", "dʒ": "ʤ", "ɝ": "ɜɹ", "ɚ": "əɹ",
    "ɜɹ": "ɜɹ", "ɜːɹ": "ɜɹ", "ɜr": "ɜɹ", "ɜːr": "ɜɹ", "r": "ɹ", "ɫ": "l", "g": "ɡ", "ɾ": "T", "'": "ˈ",
}  # fmt: skip
_SIGNS = re.compile("|".join(sorted(map(re.escape, _OF_IPA), key=len, reverse=True)))
_NOT_SAID = re.compile(r"[\s./\[\]\u0361\u035c\u203f-]+")
_VOWELS = "AIOQWYaeiouyäöüæøœɐɑɒɔɘəɚɛɜɝɞɤɨɪɯɵɶʉʊʌʏᵊᵻãẽĩõũ"
_STRESSED = re.compile(f"([ˈˌ])([^ˈˌ{_VOWELS}]+)(?=[{_VOWELS}])")


def english_symbols(alphabet: Alphabet, phonemes: str, *, british: bool = False) -> str:
    """The symbols of a word in ``arpabet`` or ``ipa``; empty for what is not in the alphabet."""
    if alphabet == "arpabet":
        return symbols_of_phones(arpabet_phones(phonemes) or (), british=british)
    return symbols_of_ipa(phonemes, british=british)


def symbols_of_phones(phones: Sequence[str], *, british: bool = False) -> str:
    """Those of ARPAbet, each vowel with its stress."""
    vowels = _BRITISH if british else _AMERICAN
    symbols = ""
    for phone in phones:
        name = phone.rstrip("012")
        if name == phone:
            symbols += _CONSONANTS.get(name, name.lower())
        else:
            symbols += _STRESS[phone[-1]] + vowels.get(phone, vowels[name])
    return _SYLLABIC.sub("ᵊ", symbols)


def symbols_of_ipa(phonemes: str, *, british: bool = False) -> str:
    """With the stress before its vowel, where the models have learnt it; American without marks of length."""
    plain = _NOT_SAID.sub("", unicodedata.normalize("NFC", phonemes))
    symbols = _SIGNS.sub(lambda match: _OF_IPA[match[0]], plain)
    if not british:
        symbols = symbols.replace("ː", "")
    return stress_before_vowels(symbols)


def stress_before_vowels(symbols: str) -> str:
    """Each mark of stress behind the consonants that are between it and the next vowel."""
    return _STRESSED.sub(r"\2\1", symbols)
