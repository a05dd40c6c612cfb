"""Mandarin for engines that read Pinyin better than characters: eSpeak NG knows one reading of most characters, and
spells some of them out in English."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from saystream.engines.pronunciation.espeak_mandarin import with_misread
from saystream.engines.pronunciation.espeak_phones import marked_up
from saystream.text.rewriting import Rewritten
from saystream.text.script import Pronunciation

if TYPE_CHECKING:
    from saystream.engines.pronunciation.mandarin import Mandarin

__all__ = ["in_pinyin", "with_pinyin"]

_HAN = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+")

_making = threading.Lock()
_reading = threading.Lock()
"""jieba and pypinyin promise nothing about threads."""


def with_pinyin(text: str, told: Sequence[Pronunciation] = ()) -> tuple[Pronunciation, ...]:
    """``told``, and in the places that it leaves the Pinyin of each word of Mandarin; nothing more where the packages
    jieba, pypinyin and g2pM are not installed."""
    with _making:
        mandarin = _mandarin()
    if mandarin is None or _HAN.search(text) is None:
        return tuple(told)
    found: list[Pronunciation] = []
    end = 0
    for each in told:
        found += _pronounced(mandarin, text, end, each.start)
        found.append(each)
        end = each.end
    return (*found, *_pronounced(mandarin, text, end, len(text)))


def in_pinyin(text: Rewritten) -> Rewritten:
    """``text`` with Mandarin in Pinyin that eSpeak NG reads, each syllable in the place of its character."""
    told = with_misread(text.text, with_pinyin(text.text))
    if not told:
        return text
    marked = marked_up(text.text, told)
    starts = [text.starts[min(place, len(text) - 1)] for place in marked.starts]
    ends = [text.ends[max(place - 1, 0)] for place in marked.ends]
    return Rewritten(marked.text, starts, ends)


def _pronounced(mandarin: Mandarin, text: str, start: int, end: int) -> Iterator[Pronunciation]:
    for match in _HAN.finditer(text, start, end):
        place = match.start()
        with _reading:
            words = mandarin.words(match[0])
        for word, pinyin in words:
            if len(pinyin) == len(word):
                yield Pronunciation(place, place + len(word), "pinyin", " ".join(pinyin))
            place += len(word)


@functools.cache
def _mandarin() -> Mandarin | None:
    try:
        from saystream.engines.pronunciation.mandarin import Mandarin

        return Mandarin()
    except ImportError:
        return None
