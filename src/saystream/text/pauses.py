"""How long a voice is silent after a segment, by the punctuation that ends it."""

from __future__ import annotations

from saystream.text.characters import CLOSERS, Script, describe

__all__ = ["ends_sentence", "is_unmarked", "pause_after_ms"]

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


def ends_sentence(text: str) -> bool:
    """Whether a sentence ends where ``text`` was cut: at a mark or line break, in Thai also at a space."""
    if pause_after_ms(text) == _SENTENCE_MS:
        return True
    without_spaces = text.rstrip()
    return without_spaces != text and describe(without_spaces[-1:] or " ").script is Script.THAI
