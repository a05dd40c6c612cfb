"""Pauses written into plain text: ``<break time="1.5s"/>`` and ``[pause:500ms]``.

Only what is written so is a pause; everything else stays text, so "if a < b" keeps its sense. A tag may come in pieces.
No more is held back than what may be the beginning of one.
"""

from __future__ import annotations

import re

from saystream.text.script import Pause

__all__ = ["InlinePauses", "without_pauses"]

_LONGEST_PAUSE_MS = 10_000.0
"""A longer one is cut off."""
_DEFAULT_MS = 1000.0
"""Of ``<break/>``, as in SSML."""

_TIME = r"(?:\d{1,5}(?:\.\d{1,3})?|\.\d{1,3})(?:ms|s)"
_SPACE = r"[ \t\n]{0,8}"
_PAUSE = re.compile(
    rf"<break(?:[ \t\n]{_SPACE}time{_SPACE}={_SPACE}(?:\"({_TIME})\"|'({_TIME})'))?{_SPACE}/>"
    rf"|\[pause:{_SPACE}({_TIME}){_SPACE}\]"
)
_OPENINGS = ("<break", "[pause:")
_BODY = re.compile(r"""[ \t\na-z0-9.=/"']*""")
_LONGEST_TAG = 80
"""More than any that ``_PAUSE`` takes."""
_MAY_OPEN = re.compile(r"[<\[]")


class InlinePauses:
    """Takes text as it comes. The answer does not depend on how it is cut, except that a text between two pauses may
    come in several pieces."""

    def __init__(self) -> None:
        self.held = ""
        """What may be the beginning of a tag."""

    def push(self, text: str) -> list[str | Pause]:
        """What ``text`` makes certain, in order; no text is empty."""
        text, self.held = self.held + text, ""
        parts: list[str | Pause] = []
        start = place = 0
        while (opening := _MAY_OPEN.search(text, place)) is not None:
            place = opening.start()
            if (tag := _PAUSE.match(text, place)) is not None:
                parts += [text[start:place], Pause(_duration_ms(tag))]
                start = place = tag.end()
            elif _is_undecided(text[place : place + _LONGEST_TAG + 1]):
                self.held = text[place:]
                break
            else:
                place += 1
        parts.append(text[start : len(text) - len(self.held)])
        return [part for part in parts if part]

    def flush(self) -> str:
        """What was held back, which is text."""
        text, self.held = self.held, ""
        return text


def without_pauses(text: str) -> str:
    """``text``, which is complete, without its tags."""
    return _PAUSE.sub("", text)


def _is_undecided(text: str) -> bool:
    """Whether ``text`` may be the beginning of a tag."""
    for opening in _OPENINGS:
        if text.startswith(opening):
            return len(text) <= _LONGEST_TAG and _BODY.fullmatch(text, len(opening)) is not None
        if opening.startswith(text):
            return True
    return False


def _duration_ms(tag: re.Match[str]) -> float:
    time = next(filter(None, tag.groups()), None)
    if time is None:
        return _DEFAULT_MS
    number = float(time.removesuffix("s").removesuffix("m"))
    return min(number if time.endswith("ms") else number * 1000, _LONGEST_PAUSE_MS)
