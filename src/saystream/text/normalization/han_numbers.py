"""Numbers in Chinese characters."""

from __future__ import annotations

__all__ = ["NUMERALS", "cardinal"]

NUMERALS = "零一二三四五六七八九"
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
