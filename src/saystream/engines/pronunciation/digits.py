"""What must be done to any text before hibari's phonemiser can read it."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["readable"]

_LONG_NUMBER = re.compile(r"((?:\d[.,]*){24})(?=\d)")
"""From 31 digits on, its number reader raises IndexError."""

_LONG_WORD = re.compile(r"(\S{60})(?=\S)")
"""Its reader of unknown words takes 0.1 s for 90 characters and 48 s for 900."""


_LINK = "]("
"""Its own way to be told how a word is read, as in "[word](/phonemes/)", of which it would say nothing else."""


def readable(text: str) -> str:
    """``text`` with plain digits, and with spaces in very long numbers and words and in what looks like a link."""
    plain = _with_plain_digits(text).replace(_LINK, "] (")
    return _LONG_WORD.sub(r"\1 ", _LONG_NUMBER.sub(r"\1 ", plain))


def _with_plain_digits(text: str) -> str:
    """Superscript and circled digits as plain ones: its number reader takes them for digits and raises ValueError."""
    return "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isdecimal() else c for c in text)
