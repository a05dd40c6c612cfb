"""The languages of the service: the one table of their names, codes and scripts."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, NamedTuple

__all__ = [
    "AUTO",
    "FURTHER_LATIN_LANGUAGES",
    "LANGUAGES",
    "LANGUAGE_CODES",
    "LANGUAGE_NAMES",
    "LANGUAGE_TYPES",
    "LATIN_LANGUAGES",
    "Language",
    "Script",
    "language_type_of",
]

Script = Literal["Latin", "Cyrillic", "Han", "Kana", "Hangul"]


class Language(NamedTuple):
    """One language that a session can ask for."""

    name: str
    """The word of ``session.language_type`` (protocol reference, realtime §4)."""
    code: str
    """ISO 639-1."""
    script: Script
    """Distinguishes it from the others; Japanese is recognised by its kana."""


LANGUAGES: Final = (
    Language("Chinese", "zh", "Han"),
    Language("English", "en", "Latin"),
    Language("German", "de", "Latin"),
    Language("Italian", "it", "Latin"),
    Language("Portuguese", "pt", "Latin"),
    Language("Spanish", "es", "Latin"),
    Language("Japanese", "ja", "Kana"),
    Language("Korean", "ko", "Hangul"),
    Language("French", "fr", "Latin"),
    Language("Russian", "ru", "Cyrillic"),
)
"""In the order of the protocol reference."""

AUTO: Final = "Auto"
"""The ``language_type`` of a session whose language is detected from its text."""

LANGUAGE_TYPES: Final = (AUTO, *(language.name for language in LANGUAGES))
"""Every word of ``session.language_type``."""

LANGUAGE_CODES: Final = MappingProxyType({language.name: language.code for language in LANGUAGES})
"""Names to ISO 639-1; ``Auto`` is not a language."""

LANGUAGE_NAMES: Final = MappingProxyType({language.code: language.name for language in LANGUAGES})
"""ISO 639-1 to names."""

LATIN_LANGUAGES: Final = tuple(language.code for language in LANGUAGES if language.script == "Latin")
"""The codes of the languages written in Latin letters."""

FURTHER_LATIN_LANGUAGES: Final = ("vi", "id", "ms", "fil")
"""Codes of languages in Latin letters that only a task can ask for: they are never detected."""


def language_type_of(name: str) -> str | None:
    """The word of ``LANGUAGE_TYPES`` for a name or code in any case, such as ``german``, ``de`` or ``de-AT`` (BCP 47);
    ``None`` if it is none of these languages."""
    wanted = name.strip().lower()
    words = {word.lower(): word for word in LANGUAGE_TYPES}
    code = wanted.replace("_", "-").partition("-")[0]
    return words.get(wanted) or LANGUAGE_NAMES.get(code)
