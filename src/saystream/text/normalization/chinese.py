"""Chinese."""

from __future__ import annotations

import re

from saystream.text.normalization.han import NUMERALS, Han
from saystream.text.rewriting import Rewritten

__all__ = ["Chinese", "cardinal"]

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
"""A number after these words is not an amount."""
_BEHIND = {"¥": "元", "￥": "元", "$": "美元", "€": "欧元", "£": "英镑"}
_PLACES = ("", "十", "百", "千")
_MYRIADS = ("", "万", "亿", "万亿")


def cardinal(value: int) -> str:
    """In Chinese; below 10 to the 16th."""
    words, is_gap = "", False
    for power in range(15, -1, -1):
        digit = value // 10**power % 10
        if digit:
            words += ("零" if is_gap and words else "") + NUMERALS[digit] + _PLACES[power % 4]
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
        (r"(?<![\d.,:/第月-])2(?=年(?![级代])|点(?!\d))", "两"),
    )

    def _read(self, text: Rewritten) -> Rewritten:
        # wetext reads large amounts of money, and most numbers with commas, group by group or digit by digit.
        text = text.sub(_TELEPHONE, lambda match: self._spelled(match[0]))
        text = text.sub(_LABELLED, lambda match: match[1] + self._spelled(match[2]))
        return super()._read(text.sub(_AMOUNT, self._amount))

    def _spelled(self, digits: str) -> str:
        """As on the telephone, where "yi" could be heard as "qi"."""
        return self.digits(re.sub(r"\D", "", digits)).replace("一", "幺")

    def _amount(self, match: re.Match[str]) -> str:
        words = cardinal(int((match["grouped"] or match["plain"]).replace(",", "")))
        if match["fraction"]:
            words += f"点{self.digits(match['fraction'])}"
        return words + _BEHIND.get(match["sign"] or "", "")
