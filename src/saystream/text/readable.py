"""Which letters a text holds, and what of it an engine can read that knows only some scripts."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from saystream.text.characters import Script, describe

__all__ = ["readable_parts", "scripts_of"]


def scripts_of(text: str) -> frozenset[str]:
    """The scripts of its letters, such as ``latin``, ``han`` and ``arabic``. Letters that stand for something else, as
    in "µ", "ª" and "𝐁", and single letters of scripts that serve as signs, as in "5 Ω", are no letters here."""
    return frozenset(filter(None, (_script(text, place) for place in range(len(text)))))


def readable_parts(text: str, scripts: Collection[str]) -> list[str]:
    """``text`` cut between words that are written in ``scripts`` and others; what is no letter belongs to what stands
    before it. The parts, joined, are the text."""
    parts: list[str] = []
    start, was_readable = 0, None
    for place in range(len(text)):
        if (script := _script(text, place)) is None:
            continue
        is_readable = script in scripts
        if was_readable is not None and is_readable is not was_readable:
            parts.append(text[start:place])
            start = place
        was_readable = is_readable
    return [*parts, text[start:]]


def _script(text: str, place: int) -> str | None:
    character = text[place]
    if not character.isalpha():
        return None
    script = describe(character).script
    if script is not Script.OTHER:
        return str(script.value)
    is_in_word = text[place - 1 : place].isalpha() or text[place + 1 : place + 2].isalpha()
    if not is_in_word or unicodedata.normalize("NFKC", character) != character:
        return None
    name: str = unicodedata.name(character, "").partition(" ")[0].lower()
    return None if name in ("", "modifier", "mathematical") else name
