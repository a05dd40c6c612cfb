"""What is told of words, as eSpeak NG takes it: English phones by its own mnemonics, and Pinyin. Also phones in the
International Phonetic Alphabet, as it gives them and Piper's voices were taught."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from saystream.engines.pronunciation.espeak_library import plain
from saystream.engines.pronunciation.misaki import stress_before_vowels
from saystream.text.pronunciation.notation import Syllable, arpabet_phones, pinyin_syllables
from saystream.text.pronunciation.respelling import arpabet_of_ipa
from saystream.text.rewriting import Rewritten, joined

if TYPE_CHECKING:
    from saystream.text.script import Alphabet, Pronunciation

__all__ = ["ipa", "marked_up", "mnemonics"]

_MNEMONICS = {
    "AA": "A:", "AE": "a", "AH": "V", "AH0": "@", "AO": "O:", "AW": "aU", "AY": "aI", "EH": "E", "ER": "3:", "ER0": "3",
    "EY": "eI", "IH": "I", "IY": "i:", "IY0": "i", "OW": "oU", "OY": "OI", "UH": "U", "UW": "u:",
    "CH": "tS", "DH": "D", "HH": "h", "JH": "dZ", "NG": "N", "SH": "S", "TH": "T", "Y": "j", "ZH": "Z",
}  # fmt: skip
_IPA = {
    "AA": "ɑː", "AE": "æ", "AH": "ʌ", "AH0": "ə", "AO": "ɔː", "AW": "aʊ", "AY": "aɪ", "EH": "ɛ", "ER": "ɜː", "ER0": "ɚ",
    "EY": "eɪ", "IH": "ɪ", "IY": "iː", "IY0": "i", "OW": "oʊ", "OY": "ɔɪ", "UH": "ʊ", "UW": "uː",
    "CH": "tʃ", "DH": "ð", "G": "ɡ", "HH": "h", "JH": "dʒ", "NG": "ŋ", "R": "ɹ", "SH": "ʃ", "TH": "θ", "Y": "j",
    "ZH": "ʒ",
}  # fmt: skip
"""Consonants that are not in these are written by their own small letters."""
_BRITISH_IPA = {**_IPA, "ER0": "ə", "OW": "əʊ"}
_UNKNOWN = {
    "jiong": "jong", "qiong": "qong", "xiong": "xong", "n": "en", "hng": "heng", "hm": "hen", "m": "mu",
}  # fmt: skip
"""Syllables that the library spells out in English, as those that sound like them: "qong" is the same sounds."""
_NOT_SAID = re.compile(r"[\s./\[\]\u0361\u035c\u203f-]+")
_OPENING = re.compile(r"\[(?=\[)")


def mnemonics(alphabet: Alphabet, phonemes: str) -> str:
    """What the library speaks between double brackets, for English; empty for what is not in the alphabet."""
    phones = arpabet_phones(phonemes) or () if alphabet == "arpabet" else arpabet_of_ipa(phonemes)
    return _spelt(phones, _MNEMONICS, {"0": "", "1": "'", "2": ","})


def ipa(alphabet: Alphabet, phonemes: str, *, british: bool = False) -> str:
    """As ``phonemize`` gives it, with the stress before its vowel; empty for what is not in the alphabet."""
    if alphabet == "arpabet":
        table = _BRITISH_IPA if british else _IPA
        return _spelt(arpabet_phones(phonemes) or (), table, {"0": "", "1": "ˈ", "2": "ˌ"})
    plain_ipa = _NOT_SAID.sub("", unicodedata.normalize("NFD", phonemes))
    return stress_before_vowels(plain_ipa.replace("'", "ˈ").replace("g", "ɡ"))


def marked_up(text: str, told: Sequence[Pronunciation]) -> Rewritten:
    """``text`` as ``plain`` returns it, with the mnemonics of each word that is told between double brackets, or its
    Pinyin, which the library reads in Mandarin. No other brackets are double, so that nothing in the text is taken for
    mnemonics."""
    written = Rewritten.of(text)
    parts: list[Rewritten] = []
    end = 0
    for each in told:
        if said := _said(each):
            parts.append(_closed(written[end : each.start]))
            word = written[each.start : each.end]
            one_each = len(said) == len(word)
            parts += (
                (word[place : place + 1].becomes(one) for place, one in enumerate(said))
                if one_each
                else ([word.becomes(" ".join(said))])
            )
            end = each.end
    parts.append(_closed(written[end:]))
    marked: list[Rewritten] = []
    for part in filter(len, parts):
        if marked and _touch(marked[-1].text[-1], part.text[0]):
            marked[-1] = marked[-1].followed_by(" ")
        marked.append(part)
    return joined(marked).strip()


def _said(told: Pronunciation) -> list[str]:
    """Piece by piece, one for each syllable of Pinyin; none for what is not in the alphabet."""
    if told.alphabet != "pinyin":
        said = mnemonics(told.alphabet, told.phonemes)
        return [f"[[{said}]]"] if said else []
    return [_in_mandarin(each) for each in pinyin_syllables(told.phonemes) or ()]


def _in_mandarin(syllable: Syllable) -> str:
    """As the library reads it: not with an "r" at its end, and some only by their nearest neighbours."""
    base = _UNKNOWN.get(syllable.base, syllable.base)
    return f"{base}{syllable.tone}" + (" er5" if syllable.rhotic else "")


def _spelt(phones: Sequence[str], table: Mapping[str, str], stress: Mapping[str, str]) -> str:
    spelt = ""
    for phone in phones:
        name = phone.rstrip("012")
        spelt += stress[phone[-1]] if name != phone else ""
        spelt += table.get(phone) or table.get(name) or name.lower()
    return spelt


def _closed(part: Rewritten) -> Rewritten:
    """A part of the text; spaces around it stay."""
    before, after = part.text[:1].isspace(), part.text[-1:].isspace()
    kept = _OPENING.sub("[ ", plain(part.text))
    return part.respelt(f"{' ' if before else ''}{kept}{' ' if after else ''}")


def _touch(before: str, after: str) -> bool:
    """Whether two characters, each at the edge of a part, belong to different words."""
    return (before.isalnum() or before in "[]") and (after.isalnum() or after == "[")
