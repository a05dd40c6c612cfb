"""Chinese characters that eSpeak NG spells out in English letters, with how they are read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from saystream.text.script import Pronunciation

__all__ = ["with_misread"]

_READINGS = {
    "xiong1": "兄兇凶匈哅忷恟汹洶胷胸訩詾讻賯",
    "xiong2": "熊雄赨",
    "qiong1": "芎焪",
    "qiong2": "儝卭宆惸桏橩焭煢琼瓊睘瞏穷穹窮竆笻筇茕藑藭蛩赹跫邛銎",
    "jiong1": "冂冋坰埛扃蘏蘔駉駫絅",
    "jiong3": "侰僒冏囧泂炯烱煚煛熲窘綗褧迥逈颎",
    "er2": "兒",
}
"""Its dictionary has their readings, but its rules do not have these syllables."""
_READING = {character: reading for reading, characters in _READINGS.items() for character in characters}

_CHILD = "女婴嬰幼胎孤健少男生患宠寵混"
"""Before 儿, which then is a child; elsewhere inside a word it is only the sound at its end, which the library's
dictionary writes in a way that its rules do not read."""
_MISREAD = re.compile(rf"(?P<ending>(?<=[\u4e00-\u9fff])(?<![{_CHILD}])[儿兒])|[{''.join(_READING)}]")
_ENDING = "er5"


def with_misread(text: str, told: Sequence[Pronunciation]) -> tuple[Pronunciation, ...]:
    """``told``, which are in order, and how each character of ``text`` is read that the library would spell out, as
    far as it is not told."""
    known = list(told)
    for match in _MISREAD.finditer(text):
        start, end = match.span()
        if not any(each.start < end and start < each.end for each in told):
            reading = _ENDING if match["ending"] else _READING[match[0]]
            known.append(Pronunciation(start, end, "pinyin", reading))
    return tuple(sorted(known, key=lambda each: each.start))
