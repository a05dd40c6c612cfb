"""Chinese."""

from __future__ import annotations

import re

from saystream.text.normalization.han import Han
from saystream.text.normalization.han_numbers import cardinal
from saystream.text.normalization.han_signs import RoleWords
from saystream.text.rewriting import Rewritten

__all__ = ["Chinese"]

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


class Chinese(Han):
    code, tables = "zh", "chinese.toml"
    role_words = RoleWords(
        to="到",
        score="比",
        minus="减",
        negative="负",
        about="约",
        numbered=r"\1号",
        comma="，",
        scores="比分|比赛|赢|胜|负于|输|战平|平局|逼平|击败|半场",
        digits_of_years=True,
    )
    before = (
        (r"(?<=\d)\s?[x×*]\s?(?=\d)", "乘"),
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
