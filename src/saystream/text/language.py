"""The language of a text, guessed by its script alone: certain for most scripts, a default for Latin."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from saystream.text.characters import Script, describe

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

__all__ = ["LANGUAGE_CODES", "LATIN_LANGUAGES", "detect", "latin_language"]

LANGUAGE_CODES: dict[str, str] = {
    "Chinese": "zh",
    "English": "en",
    "German": "de",
    "Italian": "it",
    "Portuguese": "pt",
    "Spanish": "es",
    "Japanese": "ja",
    "Korean": "ko",
    "French": "fr",
    "Russian": "ru",
}
"""``session.language_type`` to ISO 639-1 (protocol reference, realtime §4); ``Auto`` is not a language."""

LATIN_LANGUAGES: tuple[str, ...] = ("en", "de", "fr", "es", "it", "pt")
"""The languages of the service that are written in Latin letters."""

_OTHER_SCRIPTS = frozenset(("zh", "ja", "ko", "ru", "th"))
_WEIGHTS = {
    # One han character or hangul syllable says about as much as three letters, a kana as much as two.
    Script.HAN: 3,
    Script.HIRAGANA: 2,
    Script.KATAKANA: 2,
    Script.HANGUL: 3,
    Script.LATIN: 1,
    Script.CYRILLIC: 1,
    Script.THAI: 1,
}

_FEWEST_LETTERS = 12
_CLEAR_PROBABILITY = 0.9
_SAMPLE_CHARACTERS = 1000


def detect(text: str, default: str) -> str:
    """The ISO 639-1 code of the script that most of ``text`` is written in.

    Han and kana count together: any kana makes it ``ja``, none ``zh``, or ``ja`` where that is the default.
    Latin gives ``default``, or ``en`` where the default is not written in Latin letters. Text without
    letters gives ``default``.
    """
    weights = dict.fromkeys(_WEIGHTS, 0)
    for character in text:
        script = describe(character).script
        if script in weights:
            weights[script] += _WEIGHTS[script]
    kana = weights[Script.HIRAGANA] + weights[Script.KATAKANA]
    totals = {
        "ja" if kana or default == "ja" else "zh": weights[Script.HAN] + kana,
        "ko": weights[Script.HANGUL],
        "ru": weights[Script.CYRILLIC],
        "th": weights[Script.THAI],
        "en" if default in _OTHER_SCRIPTS else default: weights[Script.LATIN],
    }
    code, total = max(totals.items(), key=lambda item: item[1])
    return code if total else default


def latin_language(text: str, default: str) -> str:
    """Which of ``LATIN_LANGUAGES`` a text in Latin letters is in; ``default`` where that is not clear.

    It takes many letters and a great lead to be clear against the default.
    """
    letters = sum(map(str.isalpha, text))
    if letters < _FEWEST_LETTERS:
        return default
    language, probability = _identifier().classify(text[:_SAMPLE_CHARACTERS])
    return str(language) if probability >= _CLEAR_PROBABILITY else default


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    # Half a second and 80 MB, for those who ask about Latin letters alone.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LATIN_LANGUAGES)
    return identifier
