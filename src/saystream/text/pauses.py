"""How long a voice is silent after a segment, by the punctuation that ends it."""

from __future__ import annotations

from saystream.text.characters import CLOSERS

__all__ = ["is_unmarked", "pause_after_ms"]

_SENTENCE_MS = 300
_CLAUSE_MS = 200
_COMMA_MS = 150
_NO_MARK_MS = 40
"""Text that was cut between two words continues."""

_PAUSES_MS = {
    **dict.fromkeys(".!?…。！？｡।؟۔", _SENTENCE_MS),
    **dict.fromkeys(";:—；：؛", _CLAUSE_MS),
    **dict.fromkeys(",、，､،", _COMMA_MS),
}
_IGNORED = "".join(CLOSERS) + "\"'"


def pause_after_ms(text: str) -> int:
    """Milliseconds at speed 1.0 between ``text`` and what follows it. Spaces and closing quotes at its end do not
    count; a line break there ends a sentence."""
    without_spaces = text.rstrip()
    if "\n" in text[len(without_spaces) :]:
        return _SENTENCE_MS
    return _PAUSES_MS.get(without_spaces.rstrip(_IGNORED).rstrip()[-1:], _NO_MARK_MS)


def is_unmarked(text: str) -> bool:
    """Whether ``text`` ends without a mark or line break that says how it goes on."""
    return pause_after_ms(text) == _NO_MARK_MS
