"""The language of a text: by its script, and for Latin letters by common words and letter statistics.

A script is certain. Among the languages in Latin letters a short text often is not: it then gets the language that was
spoken before it, so that an "OK." does not make a German session English for a moment.
"""

from __future__ import annotations

import math
import re
import tomllib
import unicodedata
from collections import Counter
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from saystream.languages import FURTHER_LATIN_LANGUAGES, LANGUAGES, LATIN_LANGUAGES
from saystream.text.characters import Script, describe
from saystream.text.composed import plain_characters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from py3langid.langid import LanguageIdentifier

__all__ = [
    "COMMON_WORDS",
    "FOLLOWING_CHARACTERS",
    "SCRIPT_LANGUAGES",
    "SpokenLanguage",
    "detect",
    "embedded_language",
    "is_written_in_japan",
    "latin_language",
    "load_detector",
    "script_language",
]

FOLLOWING_CHARACTERS = 200
"""Characters of the text after a segment: enough to tell the language being spoken."""

SCRIPT_LANGUAGES = {
    **{
        language.script.lower(): language.code
        for language in LANGUAGES
        if language.script in ("Cyrillic", "Hangul")
    },
    "thai": "th",
}
"""Languages of the scripts that have only one; Thai is included, so that it is not taken for another language."""

_LANGUAGES_OF_LETTERS = {
    "ARABIC": "ar",
    "ARMENIAN": "hy",
    "BENGALI": "bn",
    "DEVANAGARI": "hi",
    "ETHIOPIC": "am",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HEBREW": "he",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
}
"""The language with the most speakers in each further script, by how Unicode names its letters."""

_OTHER_SCRIPTS = {language.code for language in LANGUAGES if language.script != "Latin"} | {"th"}
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

_SCRIPTS = {
    "zh": (Script.HAN,),
    "ja": (Script.HAN, Script.HIRAGANA, Script.KATAKANA),
    "ko": (Script.HANGUL,),
    "ru": (Script.CYRILLIC,),
    "th": (Script.THAI,),
}
"""Of languages that are not written in Latin letters."""

_SAMPLE_CHARACTERS = 300
"""More characters tell no more, and each one takes time."""

_COMMON_WORD = 1.0
_USUAL_LANGUAGE = 0.7
_LEAST_SHARE = 1e-6
"""If no language was spoken before, these count beside the statistics of letters, in natural logarithms: a common word
of one language only, and the language that most texts are in. Chosen on texts of one to six words, of which 8.5 % are
then taken wrong instead of 13.7 % (``benchmarks/languages.py``)."""
_CLEAR_LEAD = 0.7
"""Twice as likely as the next: what follows is taken for the same language."""

_SWITCHING_PROBABILITY = 0.9
_SWITCHING_WORDS = 3
"""Words needed to leave the language that was spoken before: names and titles in another language have fewer, or are
less clear."""

COMMON_WORDS: Mapping[str, str] = tomllib.loads(
    resources.files(__package__).joinpath("common_words.toml").read_text(encoding="utf-8")
)
"""Of each of ``LATIN_LANGUAGES``, separated by spaces."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")  # "c'est" is one word


def _languages_of_words() -> dict[str, frozenset[str]]:
    languages: dict[str, frozenset[str]] = {}
    for language, words in COMMON_WORDS.items():
        for word in words.split():
            languages[word] = languages.get(word, frozenset()) | {language}
    return languages


_LANGUAGES_OF_WORD = _languages_of_words()


def script_language(text: str, default: str) -> str:
    """The ISO 639-1 code of the script that most of ``text`` is written in.

    Han and kana count together: any kana makes the text ``ja``, unless there are few among characters that Japanese
    does not have; without kana it is ``zh``, or ``ja`` if that is the default. Latin gives ``default``, or ``en`` if
    the default is not written in Latin letters. Text without letters, or with letters of a script that is not known,
    gives ``default``.
    """
    weights = dict.fromkeys(_WEIGHTS, 0)
    further: Counter[str] = Counter()
    for place, character in enumerate(text):
        script = describe(character).script
        if script in weights:
            weights[script] += _WEIGHTS[script]
        elif character.isalpha() and _is_in_word(text, place):
            further[_language_of_letter(character)] += 1
    further.pop("", None)
    kana = weights[Script.HIRAGANA] + weights[Script.KATAKANA]
    totals = {
        _east_asian(text, kana, weights[Script.HAN], default): weights[Script.HAN] + kana,
        **{code: weights[Script(script)] for script, code in SCRIPT_LANGUAGES.items()},
        "en" if default in _OTHER_SCRIPTS else default: weights[Script.LATIN],
        **further,
    }
    code, total = max(totals.items(), key=lambda item: item[1])
    return code if total else default


def _language_of_letter(letter: str) -> str:
    """The language of a letter that is in none of the scripts that are told apart; "" if there is none."""
    return _LANGUAGES_OF_LETTERS.get(unicodedata.name(letter, "").partition(" ")[0], "")


def _is_in_word(text: str, place: int) -> bool:
    """Whether another letter stands beside it: a Greek letter alone is a sign, as in "5 Ω"."""
    return text[place - 1 : place].isalpha() or text[place + 1 : place + 2].isalpha()


def _east_asian(text: str, kana: int, han: int, default: str) -> str:
    if not kana and default != "ja":
        return "zh"
    return "ja" if kana > han or default == "ja" or is_written_in_japan(text) else "zh"


def is_written_in_japan(text: str) -> bool:
    """Whether the Japanese character set has all han characters of ``text``: many simplified ones are not in it."""
    try:
        "".join(filter(_is_han, text)).encode("cp932")
    except UnicodeEncodeError:
        return False
    return True


def _is_han(character: str) -> bool:
    return describe(character).script is Script.HAN


def detect(text: str, default: str) -> str:
    """The language (ISO 639-1) of ``text``: by its script, and for Latin script the one of ``LATIN_LANGUAGES`` that it
    clearly is in; else ``default``, or ``en`` if the default is not written in Latin letters."""
    text = plain_characters(text)
    language = script_language(text, default)
    return latin_language(text, language) if language in LATIN_LANGUAGES else language


def latin_language(text: str, default: str, among: Iterable[str] = LATIN_LANGUAGES) -> str:
    """Which of ``among`` a text in Latin letters is in; ``default`` unless another one is beyond doubt."""
    words = _WORD.findall(text[:_SAMPLE_CHARACTERS])
    if len(words) < _SWITCHING_WORDS:
        return default
    language, probability = _most_likely(words)
    return language if probability >= _SWITCHING_PROBABILITY and language in among else default


def embedded_language(text: str) -> str:
    """The language of words in Latin letters inside a text of another script: English, unless they are clearly in
    another of ``LATIN_LANGUAGES``."""
    words = _WORD.findall(text[:_SAMPLE_CHARACTERS])
    hints = any(languages and "en" not in languages for languages in map(_languages_of, words))
    # Most are English names and phrases: without a hint, nothing has to be loaded to decide.
    return latin_language(text, "en") if hints or not "".join(words).isascii() else "en"


def _first_language(text: str, among: Iterable[str], usual: str) -> tuple[str, bool]:
    """The likeliest of ``among`` for a text in Latin letters with nothing spoken before it, and whether it is told by
    more than a guess. ``usual`` is the language that texts are most often in."""
    words = _WORD.findall(text[:_SAMPLE_CHARACTERS])
    scores = {str(language): math.log(max(float(share), _LEAST_SHARE)) for language, share in _ranked(words)}
    for languages in map(_languages_of, words):
        for language in languages:
            scores[language] += _COMMON_WORD / len(languages)
    if usual in scores:
        scores[usual] += _USUAL_LANGUAGE
    (best, score), *others = sorted(
        ((language, score) for language, score in scores.items() if language in among),
        key=lambda ranked: ranked[1],
        reverse=True,
    )
    return best, not others or score - others[0][1] >= _CLEAR_LEAD


def _languages_of(word: str) -> frozenset[str]:
    """Those that have ``word`` among their common ones."""
    return _LANGUAGES_OF_WORD.get(word.lower().replace("’", "'"), frozenset())


def _most_likely(words: list[str]) -> tuple[str, float]:
    language, probability = _ranked(words)[0]
    return str(language), float(probability)


def _ranked(words: list[str]) -> list[tuple[Any, Any]]:
    """The languages and how likely each of them is, the likeliest first."""
    # Without digits and signs, which it takes for letters of some language.
    ranked: list[tuple[Any, Any]] = _identifier().rank(" ".join(words))
    return ranked


def load_detector() -> None:
    """Load what distinguishes Latin languages, so that the first text does not wait half a second for it."""
    _identifier()


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    # Imported here because it takes 80 MB, and callers who ask only about other scripts do not need it.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LATIN_LANGUAGES)
    return identifier


class SpokenLanguage:
    """The language of each segment of one session. If a segment does not tell, it uses the language spoken before.

    A declared language decides wherever its script allows it, also for a text in which other words are more. The
    vendor's own samples declare Chinese and send English sentences.
    """

    def __init__(
        self,
        declared: str | None,
        spoken: Iterable[str] = LATIN_LANGUAGES,
        *,
        likely: str | None = None,
        usual: str = "en",
    ) -> None:
        """``declared`` is an ISO 639-1 code, ``None`` if the session declares none. Of the languages in Latin letters
        only those in ``spoken`` are considered: those that some engine speaks. ``likely`` is a language that is taken
        to have been spoken before, where none is declared; ``usual`` is one that decides only where a text could be in
        several."""
        self._declared = declared
        self._usual = usual
        self._spoken = frozenset(spoken)
        first = declared or likely
        self._latin: str | None = first if first in LATIN_LANGUAGES else None
        self._east_asian: str | None = first if first in ("zh", "ja") else None
        self._last = first
        """Spoken last, as far as a text told it."""

    def of(self, text: str, following: str = "") -> str:
        """The language of ``text``; ``following`` is what is known of the text after it."""
        language, _ = self._decide(text, following)
        return language

    def speak(self, text: str, following: str = "") -> str:
        """The same, and remember it if ``text`` tells it."""
        language, is_told = self._decide(text, following)
        if is_told:
            self._last = language
        if is_told and language in LATIN_LANGUAGES:
            self._latin = language
        elif is_told and language in ("zh", "ja"):
            self._east_asian = language
        return language

    def _decide(self, text: str, following: str) -> tuple[str, bool]:
        text = plain_characters(text[:_SAMPLE_CHARACTERS])
        if not any(map(str.isalpha, text)):  # numbers and signs alone
            return self._last or "en", False
        language = script_language(text, "en")
        declared = self._declared
        if declared not in (None, language) and self._is_written_in(declared, text, language):
            return declared, True
        if language in LATIN_LANGUAGES:
            return self._latin_of(text, following)
        if language == "zh" and self._east_asian == "ja" and (self._declared or is_written_in_japan(text)):
            return "ja", True
        return language, True

    def _is_written_in(self, declared: str, text: str, language: str) -> bool:
        """Whether some of ``text`` is in the script of ``declared``: what else is in it is read within that language.
        Kana beside han, which make a text Japanese, are no part of a Chinese one."""
        if declared == "zh" and language == "ja":
            return False
        if declared in FURTHER_LATIN_LANGUAGES:
            return language in LATIN_LANGUAGES
        if declared in _SCRIPTS:
            return any(describe(character).script in _SCRIPTS[declared] for character in text)
        return any(character.isalpha() and _language_of_letter(character) == declared for character in text)

    def _latin_of(self, text: str, following: str) -> tuple[str, bool]:
        if self._declared in LATIN_LANGUAGES:
            return self._declared, True
        if len(self._spoken) < 2:
            return next(iter(self._spoken), "en"), True
        if self._latin is not None:
            return latin_language(text, self._latin, self._spoken), True
        language, is_clear = _first_language(text, self._spoken, self._usual)
        if not is_clear and script_language(following, "en") in LATIN_LANGUAGES:
            language, is_clear = _first_language(
                text + plain_characters(following), self._spoken, self._usual
            )
        return language, is_clear
