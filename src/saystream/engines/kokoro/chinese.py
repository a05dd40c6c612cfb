"""Mandarin: each syllable of its Pinyin as the symbols that Kokoro was trained on.

The symbols are those of misaki's ``ZHG2P``, the reader that the model was trained with; a test compares the two for
every syllable. misaki itself is not needed here: it has no wheel for Python 3.13, and it passes on unchanged what it
cannot read, so that the model takes Latin letters for phonemes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import cn2an
from pypinyin.contrib.tone_convert import to_finals, to_initials, to_normal

from saystream.engines.kokoro.syllables import BUZZED, FINALS, INITIALS, TONES, WHOLE
from saystream.engines.kokoro.vocabulary import punctuation
from saystream.engines.pronunciation.mandarin import Mandarin
from saystream.text.pronunciation.notation import pinyin_syllables
from saystream.text.rewriting import Rewritten, joined

__all__ = ["HAN", "ChineseReader", "syllable", "told_syllables"]

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""For a character class of a regular expression."""

_SIGNS = {
    "%": "百分之", "％": "百分之", "‰": "千分之", "+": "加", "＋": "加", "=": "等于", "＝": "等于", "×": "乘",
    "<": "小于", ">": "大于", "&": "和", "＆": "和", "@": "艾特", "＠": "艾特", "#": "井号", "℃": "摄氏度", "°": "度",
    "$": "美元", "￥": "元", "¥": "元", "€": "欧元", "£": "英镑", "÷": "除", "~": "到", "～": "到",
}  # fmt: skip
"""How a sign is read if no normaliser has turned it into words."""

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*([%％‰])")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_PIECES = re.compile(f"([{HAN}]+)|({_NUMBER.pattern})|(.)", re.DOTALL)
_DIGITS = "零一二三四五六七八九"
_MAX_NUMBER_DIGITS = 9
_YEAR_DIGITS = 4


class ChineseReader:
    """Reads Han characters, digits and signs; skips what it cannot read, such as Latin letters."""

    def __init__(self) -> None:
        self._mandarin = Mandarin()

    def read(self, text: str) -> Rewritten:
        return joined(
            self._pieces(Rewritten.of(text).sub(_PERCENT, lambda match: _SIGNS[match[2]] + match[1]))
        )

    def _pieces(self, text: Rewritten) -> Iterator[Rewritten]:
        for match in _PIECES.finditer(text.text):
            han, number, sign = match.groups()
            piece = text[match.start() : match.end()]
            if han:
                yield self._words(piece)
            elif number:
                yield self._words(
                    piece.becomes(_in_words(number, match.string[match.end() : match.end() + 1]))
                )
            elif sign in _SIGNS:
                yield piece.becomes(f" {self._words(Rewritten.of(_SIGNS[sign])).text} ")
            else:
                yield piece.becomes(punctuation(sign))

    def _words(self, han: Rewritten) -> Rewritten:
        words: list[Rewritten] = []
        start = 0
        for word, pinyin in self._mandarin.words(han.text):
            words.append(_word(han[start : start + len(word)], pinyin))
            start += len(word)
        return joined(filter(len, words), " ")


def _word(han: Rewritten, pinyin: list[str]) -> Rewritten:
    syllables = [syllable(each) for each in pinyin]
    if len(syllables) != len(han):
        return han.becomes("".join(syllables))
    return joined(han[place : place + 1].becomes(symbols) for place, symbols in enumerate(syllables))


@lru_cache(maxsize=2048)
def syllable(pinyin: str) -> str:
    """The symbols of one syllable, written as in "zhong1"; the neutral tone is 5. There are about 1,700."""
    tone = TONES[pinyin[-1]]
    plain = to_normal(pinyin)
    if plain in WHOLE:
        return WHOLE[plain].replace("*", tone)
    initial = to_initials(plain, strict=True)
    final = to_finals(plain, strict=True, v_to_u=True)
    symbols = "ɨ*" if final == "i" and initial in BUZZED else FINALS[final]
    return INITIALS[initial] + symbols.replace("*", tone)


def told_syllables(pinyin: str) -> list[str]:
    """The symbols of each syllable of ``pinyin``, such as "tian1 qi4"; none for anything else."""
    return [
        syllable(f"{each.base}{each.tone}") + (syllable("er5") if each.rhotic else "")
        for each in pinyin_syllables(pinyin) or ()
    ]


def _in_words(number: str, following: str) -> str:
    """A number in Han characters: as a quantity if it is one, else digit by digit."""
    whole, _, rest = number.partition(".")
    is_year = following == "年" and len(whole) == _YEAR_DIGITS
    if (
        is_year
        or "." in rest
        or len(whole) > _MAX_NUMBER_DIGITS
        or (whole.startswith("0") and len(whole) > 1)
    ):
        return "".join("点" if digit == "." else _DIGITS[int(digit)] for digit in number)
    fraction = "点" + "".join(_DIGITS[int(digit)] for digit in rest) if rest else ""
    return str(cn2an.an2cn(str(int(whole)))) + fraction
