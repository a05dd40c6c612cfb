"""The text of one response without its markup, and where it stands in the text as it was pushed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from saystream.text.markup import MarkupFilter
from saystream.text.rewriting import Rewritten
from saystream.text.script import Passage, Places
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from saystream.audio import Mark

__all__ = ["PlainText"]


class PlainText:
    """Takes what is pushed, in order; what it gives is spoken, in this order and without a gap."""

    def __init__(self) -> None:
        self._filter = MarkupFilter()
        self._begins = 0
        """Where the text that the filter has seen begins…"""
        self._pushed = 0
        """…and how much was pushed in all."""
        self._places = Places()
        self.had_words = False
        """Something was pushed that looked like words, even if all of it was markup: it must not go without an
        answer."""

    @property
    def held_characters(self) -> int:
        """How much is held back, because it may be the beginning of markup."""
        return self._filter.held_characters

    def push(self, text: str) -> str:
        """What of it is certain to be text, behind what was held back."""
        self._pushed += len(text)
        self.had_words = self.had_words or is_speakable(text)
        return self._given(self._filter.push(text))

    def finish(self) -> str:
        """What was held back, which is text: nothing more comes, or not soon."""
        return self._given(self._filter.finish())

    def passage(self, text: str) -> None:
        """``text`` is spoken as it is. What was held back has been taken before."""
        self._places.add(Passage(Rewritten.of(text).shifted(self._pushed)))
        self._pushed += len(text)
        self._filter, self._begins = MarkupFilter(), self._pushed

    def drop(self, start: int) -> None:
        """What is spoken from this place on is not spoken after all, nor what was held back."""
        self._filter.finish()
        self._places.drop(start)

    def written(self, mark: Mark) -> Mark:
        """``mark``, which has its place in what is spoken, with its place in what was pushed."""
        start, end = self._places.sent(mark.start, mark.end)
        return replace(mark, start=start, end=end)

    def _given(self, text: Rewritten) -> str:
        self._places.add(Passage(text.shifted(self._begins)))
        return text.text
