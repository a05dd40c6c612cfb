"""When words sound, as the doors of Qwen-TTS say it: an addition of this server, which the vendor does not have."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from saystream.audio import Mark

__all__ = ["WordTime", "word_times"]


class WordTime(msgspec.Struct, frozen=True, kw_only=True):
    begin_index: int
    """The word is ``text[begin_index:end_index]`` of the text of the response, in code points."""
    end_index: int
    begin_time: int
    """Milliseconds from the beginning of the audio of the response."""
    end_time: int


def word_times(marks: Iterable[Mark]) -> list[WordTime]:
    return [
        WordTime(
            begin_index=mark.start,
            end_index=mark.end,
            begin_time=round(mark.start_ms),
            end_time=round(mark.end_ms),
        )
        for mark in marks
    ]
