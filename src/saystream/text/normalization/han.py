"""Chinese and Japanese, by the grammars of wetext, with what they must not touch kept from them.

wetext reads everything that has digits in it, also names: "GPT-4" would become "GPT minus four". Addresses are read
here; names of Latin letters and digits stay as they are, for whoever reads them reads the letters too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from saystream.text.normalization import addresses
from saystream.text.normalization.tables import read_tables

if TYPE_CHECKING:
    from wetext import Normalizer

__all__ = ["Chinese", "Han", "Japanese"]

_NAME = (
    r"(?<![A-Za-z0-9])(?:[A-Za-z]{1,20}[-_.]?\d[A-Za-z0-9]{0,20}(?:[._-][A-Za-z0-9]{1,20}){0,5}|\d{1,3}[GKD])"
    r"(?![A-Za-z0-9])"
)
"""GPT-4, H200, GPT-3.5-Turbo, 4K, 5G."""
_CODE = re.compile(r"(?<![\d.,:/-])0\d+(?![\d.:/年月日时点分秒時号-])")
"""Read digit by digit; wetext takes them for numbers."""
_GROUPED = r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?)(?!\d)"
"""Behind a sign, wetext stops at the first comma of a number."""
_ENDS = re.compile("([，。！？；、…\n\x00-\x08\ud800-\udfff]+)")
"""Also what wetext cannot take."""
_LONGEST = 100
"""Characters that wetext is given at once: its time grows with them, about 0.1 s for 200 of digits."""
_SPACE_AT_HAN = re.compile(r"(?<=[\u3040-\u30ff\u4e00-\u9fff]) +(?=[\u3040-\u30ff\u4e00-\u9fff])")
_NUMERALS = "零一二三四五六七八九"
_DIGIT = re.compile(r"\d")


_UNITS = {
    "zh": {
        "Hz": "赫兹",
        "kHz": "千赫",
        "MHz": "兆赫",
        "GHz": "吉赫",
        "V": "伏",
        "W": "瓦",
        "kW": "千瓦",
        "dB": "分贝",
    },
    "ja": {
        "Hz": "ヘルツ",
        "kHz": "キロヘルツ",
        "MHz": "メガヘルツ",
        "GHz": "ギガヘルツ",
        "V": "ボルト",
        "W": "ワット",
    },
}
"""Those that wetext does not know."""


class Han:
    """One of the two. ``normalize`` is all that others call."""

    code: ClassVar[str]
    tables: ClassVar[str]
    """The data file beside this one that names the signs."""
    before: ClassVar[tuple[tuple[str, str], ...]]
    """What is put into another form before wetext sees it, as regular expressions and what replaces them."""

    def __init__(self) -> None:
        tables = read_tables(self.tables)
        self.letters = tables["letters"]
        """What the signs in an address are called."""
        self.signs = tables["signs"]
        """Read wherever they still stand when wetext is done."""
        self._kept = re.compile(f"(?P<email>{addresses.EMAIL})|(?P<url>{addresses.URL})|(?P<name>{_NAME})")
        self._before = [(re.compile(expression), written) for expression, written in self.before]
        self._sign = re.compile(addresses.signs_pattern(self.signs))

    @cached_property
    def _wetext(self) -> Normalizer:
        # It loads the grammars of three languages in both directions: 0.6 s and 42 MB, for who speaks one of them.
        from wetext import Normalizer

        return Normalizer(lang=self.code)

    def normalize(self, text: str) -> str:
        return "".join(self._parts(text))

    def _parts(self, text: str) -> Iterator[str]:
        start = 0
        for match in self._kept.finditer(text):
            yield self._read(text[start : match.start()])
            yield self._kept_words(match)
            start = match.end()
        yield self._read(text[start:])

    def _kept_words(self, match: re.Match[str]) -> str:
        if match["name"] is not None:
            return match["name"]
        address = addresses.without_scheme(match[0])
        return addresses.spoken(address, self.letters, self.digits, space="")

    def digits(self, digits: str) -> str:
        return "".join(_NUMERALS[int(digit)] for digit in digits)

    def _read(self, text: str) -> str:
        text = _CODE.sub(lambda match: self.digits(match[0]), text)
        for expression, written in self._before:
            text = expression.sub(written, text)
        text = "".join(map(self._clause, _ENDS.split(text)))
        return self._sign.sub(lambda match: addresses.named_signs(match[0], self.signs, ""), text)

    def _clause(self, clause: str) -> str:
        if _DIGIT.search(clause) is None:
            return clause
        return "".join(
            self._words(clause[start : start + _LONGEST]) for start in range(0, len(clause), _LONGEST)
        )

    def _words(self, clause: str) -> str:
        core = clause.strip()
        if _DIGIT.search(core) is None:
            return clause
        start = clause.index(core)
        spoken = self._wetext.normalize(core) or core
        spoken = _DIGIT.sub(lambda match: self.digits(match[0]), spoken)
        return f"{clause[:start]}{spoken}{clause[start + len(core) :]}"


_CURRENCIES = "美元|欧元|英镑|日元|港元|港币|美金|卢布|韩元"
_AMOUNT = re.compile(
    r"(?<![\d.,])(?P<sign>[¥￥$€£])?\s?"
    rf"(?:(?P<grouped>\d{{1,3}}(?:,\d{{3}}){{1,4}})|(?P<plain>\d{{5,15}}(?=(?:\.\d+)?(?:{_CURRENCIES}))))"
    r"(?:\.(?P<fraction>\d+))?(?![\d,]|\s?[A-Za-z%℃°²³])"
)
_TELEPHONE = re.compile(
    r"(?<![\d.,-])(?:(?:\+?86[- ])?1[3-9]\d[- ]?\d{4}[- ]?\d{4}|0\d{2,3}[- ]\d{3,4}[- ]?\d{4}"
    r"|[48]00[- ]\d{3}[- ]?\d{4})(?![\d,]|\.\d)"
)
_LABELLED = re.compile(
    r"((?:QQ|邮编|验证码|密码|号码|编号|单号|卡号|账号|学号|工号|房号|代码|电话|手机|热线)[号是为：:]{0,2}\s?)"
    r"(\d{3,20})(?![\d年月日个元]|[.,]\d)"
)
"""What stands behind such words is no amount."""
_BEHIND = {"¥": "元", "￥": "元", "$": "美元", "€": "欧元", "£": "英镑"}
_PLACES = ("", "十", "百", "千")
_MYRIADS = ("", "万", "亿", "万亿")


def _cardinal(value: int) -> str:
    """In Chinese; below 10 to the 16th."""
    words, is_gap = "", False
    for power in range(15, -1, -1):
        digit = value // 10**power % 10
        if digit:
            words += ("零" if is_gap and words else "") + _NUMERALS[digit] + _PLACES[power % 4]
            is_gap = False
        else:
            is_gap = True
        if power % 4 == 0 and value // 10**power % 10_000:
            words += _MYRIADS[power // 4]
    return words.removeprefix("一") if words.startswith("一十") else words or "零"


class Chinese(Han):
    code, tables = "zh", "chinese.toml"
    before = (
        (r"(?<=\d)\s?[x×*]\s?(?=\d)", "乘"),
        (r"(?<=[%％])\s?[-~–—～]\s?(?=\d)", "到"),
        *((rf"(?<=\d)\s?{unit}(?![A-Za-z0-9])", name) for unit, name in _UNITS["zh"].items()),
        (r"(?<![\d.,:/第月-])2(?=年(?![级代])|点(?!\d))", "两"),
    )

    def _read(self, text: str) -> str:
        # wetext reads large amounts of money, and most numbers with commas, group by group or digit by digit.
        text = _TELEPHONE.sub(lambda match: self._spelled(match[0]), text)
        text = _LABELLED.sub(lambda match: match[1] + self._spelled(match[2]), text)
        return super()._read(_AMOUNT.sub(self._amount, text))

    def _spelled(self, digits: str) -> str:
        """As on the telephone, where "yi" could be taken for "qi"."""
        return self.digits(re.sub(r"\D", "", digits)).replace("一", "幺")

    def _amount(self, match: re.Match[str]) -> str:
        words = _cardinal(int((match["grouped"] or match["plain"]).replace(",", "")))
        if match["fraction"]:
            words += f"点{self.digits(match['fraction'])}"
        return words + _BEHIND.get(match["sign"] or "", "")


class Japanese(Han):
    code, tables = "ja", "japanese.toml"
    before = (
        (r"[¥￥]\s?" + _GROUPED, r"\1円"),
        (r"\$\s?" + _GROUPED, r"\1ドル"),
        (r"(?<=\d)\s?[x×*]\s?(?=\d)", "かける"),
        (r"(?<=[%％])\s?[-~–—～]\s?(?=\d)", "から"),
        *((rf"(?<=\d)\s?{unit}(?![A-Za-z0-9])", name) for unit, name in _UNITS["ja"].items()),
        (r"(?<![\d.])[-−](?=\d+(?:\.\d+)?\s?(?:℃|°))", "マイナス"),
        (r"(?<=\d)\s?(?:℃|°\s?C(?![A-Za-z]))", "度"),
    )
