"""Numbers and signs become words: nothing raises, and each character knows where it was written."""

from __future__ import annotations

from fuzzing.reading import Reader
from saystream.languages import LANGUAGE_NAMES
from saystream.text.characters import describe
from saystream.text.normalizer import rewritten

MAX_BYTES = 96
"""Grammars take time that grows with the text; a fault needs no long one."""
DICTIONARY = "numbers"

LANGUAGES = tuple(code for code in LANGUAGE_NAMES if code not in ("ja", "zh"))
"""Those with rules of our own; ``normalizer_grammars`` has the rest."""


def one(data: bytes) -> None:
    reader = Reader(data)
    check(reader.choice(LANGUAGES), reader.text())


def check(language: str, text: str) -> None:
    spoken = rewritten(text, language)
    assert len(spoken.text) == len(spoken.starts) == len(spoken.ends)
    start, end = 0, 0
    for character, first, last in zip(spoken.text, spoken.starts, spoken.ends, strict=True):
        assert start <= first <= last <= len(text), "the places are in order"
        assert end <= last
        assert first < last or not describe(character).is_spoken, "a letter comes from somewhere"
        start, end = first, last
    core = text.strip()
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    assert not core or (spoken.text.startswith(before) and spoken.text.endswith(after))
    heard = any(map(str.isalnum, core))
    assert not heard or any(describe(character).is_spoken for character in spoken.text), "it is still spoken"
