"""What a rule is, and what the rules that all languages share ask of a language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from saystream.text.normalization.numbers import Number

__all__ = ["Rule", "Speaker"]

Rule = tuple[str, Callable[[re.Match[str]], str | None]]
"""A regular expression, and a function that reads what it matched or returns ``None`` to leave it."""


class Speaker(Protocol):
    """A language: see ``Grammar`` for each of these."""

    @property
    def code(self) -> str: ...
    @property
    def to(self) -> str: ...
    @property
    def minus(self) -> str: ...
    @property
    def times(self) -> str: ...
    @property
    def version_point(self) -> str: ...
    @property
    def signs(self) -> Mapping[str, str]: ...
    @property
    def lists(self) -> Mapping[str, str]: ...
    @property
    def weekdays(self) -> Mapping[str, str]: ...
    @property
    def any_month(self) -> str: ...
    @property
    def any_unit(self) -> str: ...
    @property
    def any_currency(self) -> str: ...
    def number(self, number: Number, feminine: bool = False, *, counts: bool = False) -> str: ...
