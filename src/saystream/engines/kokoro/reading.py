"""From text to the model's symbols: each stretch is read by the reader of its own language.

A Chinese or Japanese sentence with an English product name is cut by script; the result is one line for the model, so
that one voice says all of it in one breath.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import takewhile
from typing import TYPE_CHECKING, Protocol, cast

from saystream.engines.kokoro.vocabulary import in_symbols, punctuation
from saystream.engines.pronunciation.misaki import english_symbols, stress_before_vowels
from saystream.errors import EngineUnavailable, SaystreamError
from saystream.text.rewriting import Rewritten, joined
from saystream.text.runs import language_runs

if TYPE_CHECKING:
    from saystream.engines.kokoro.english import EnglishReader
    from saystream.text.script import Pronunciation

__all__ = ["LANGUAGES", "Reader", "TextReader"]

LANGUAGES = {
    "en": "native", "zh": "native", "ja": "native", "es": "native", "fr": "approximate", "it": "native",
    "pt": "native", "de": "approximate", "ko": "approximate", "ru": "approximate", "hi": "approximate",
}  # fmt: skip
"""As in ``EngineInfo``. It was not trained on German, Korean and Russian: these are understood, with an accent. French
and Hindi it has hardly learnt."""

_BRITISH = "en-gb"

_PACKAGES = {"en": ("hibari",), "zh": ("jieba", "pypinyin", "cn2an", "g2pM"), "ja": ("pyopenjtalk",)}
"""Of the readers that take long to load and much memory."""

_OWN_SCRIPTS = {"en": ("LATIN",), "zh": ("CJK",), "ja": ("CJK", "HIRAGANA", "KATAKANA", "LATIN", "FULLWIDTH")}
"""Scripts that our own readers know; eSpeak knows some of every script, whatever its language."""

_ESPEAK_READS = {
    "CYRILLIC": "ru", "HANGUL": "ko", "THAI": "th", "DEVANAGARI": "hi", "GREEK": "el", "ARABIC": "ar", "HEBREW": "he",
    "ARMENIAN": "hy", "GEORGIAN": "ka", "BENGALI": "bn", "GUJARATI": "gu", "GURMUKHI": "pa", "KANNADA": "kn",
    "MALAYALAM": "ml", "TAMIL": "ta", "TELUGU": "te", "SINHALA": "si", "ETHIOPIC": "am",
    "LATIN": "en", "FULLWIDTH": "en",
}  # fmt: skip
"""By the first word of a letter's Unicode name: the language of a script that none of our readers knows. It gets an
accent that its speakers may not like, but it is spoken."""

_SWITCH = " , "
"""Between two languages: without a pause the model slurs one set of sounds into the other, and Whisper heard 2 of 9
English words in Chinese sentences; with the pause, 7. It costs a tenth of a second."""

_SPACES = re.compile(r"\s+")
_BEFORE_A_MARK = re.compile(r" (?=[,.;:!?…”)])")
_BESIDE_A_MARK = re.compile(r"(?<=[.;:!?…—(“]),|,(?=[,.;:!?…—)”])")
_AFTER_AN_OPENING = re.compile(r"(?<=[“(]) ")


class TextReader(Protocol):
    """Reads one language."""

    def read(self, text: str) -> Rewritten:
        """The model's symbols for ``text``, with spaces between words and with punctuation marks; each word of them as
        a whole for what is written."""


class Reader:
    """Reads all languages. The reader of each is made by ``prepare``, or when it is first needed."""

    def __init__(self) -> None:
        self._readers: dict[str, TextReader] = {}
        self._lock = threading.Lock()

    def check(self, language: str) -> None:
        """Raises EngineUnavailable, with what is missing, if the reader of that language is not installed: without
        loading it, where that takes long."""
        for package in _PACKAGES.get(language, ()):
            if find_spec(package) is None:
                raise _not_installed(language, package)
        if language not in _PACKAGES:
            self.prepare(language)

    def prepare(self, language: str) -> None:
        """Makes the reader of that language. Raises EngineUnavailable, with the reason, if it cannot be made."""
        self._reader(language)

    def read(
        self,
        text: str,
        language: str,
        *,
        british: bool = False,
        pronunciations: Sequence[Pronunciation] = (),
    ) -> Rewritten:
        """The symbols of ``text``, which is in ``language`` unless its script says otherwise, and what each was written
        as; empty if there is nothing to hear. What has a pronunciation gets exactly its symbols."""
        symbols = Rewritten.of("")
        before = ""
        for reader, stretch in self._told(text, language, british=british, pronunciations=pronunciations):
            separator = "" if not before else " " if reader == before else _SWITCH
            symbols = joined([symbols, stretch], separator)
            before = reader
        symbols = symbols.sub(_SPACES, " ")
        symbols = symbols.sub(_BEFORE_A_MARK, "").sub(_BESIDE_A_MARK, "")
        symbols = symbols.sub(_AFTER_AN_OPENING, "").strip()
        return symbols if any(map(str.isalpha, symbols.text)) else symbols[:0]

    def has_english(self, text: str, language: str) -> bool:
        """Whether a text in another language contains English words."""
        return language != "en" and any(run.language == "en" for run in language_runs(text, language))

    def _told(
        self, text: str, language: str, *, british: bool, pronunciations: Sequence[Pronunciation]
    ) -> Iterator[tuple[str, Rewritten]]:
        """What is read by one reader each, with its name; what is pronounced as told has its place among them."""
        if pronunciations and language == "en" and _is_english(text, pronunciations):
            # As a whole: what is around a word decides how others sound, such as "the" before a vowel.
            english = cast("EnglishReader", self._reader(_BRITISH if british else language))
            yield language, english.read(text, pronunciations)
            return
        end = 0
        for each in pronunciations:
            if each.alphabet == "pinyin":
                self.check("zh")
            reader, symbols = _symbols(each, text[each.start : each.end], language, british=british)
            if not symbols.text:
                continue
            yield from self._stretches(text[end : each.start], end, language, british=british)
            end = each.end
            marks = "".join(takewhile(punctuation, text[end:].partition(" ")[0]))
            # Some readers leave out a mark that has no word before it.
            closed = symbols.followed_by("".join(map(punctuation, marks)))
            yield reader, closed.shifted(each.start)
            end += len(marks)
        yield from self._stretches(text[end:], end, language, british=british)

    def _stretches(
        self, text: str, start: int, language: str, *, british: bool
    ) -> Iterator[tuple[str, Rewritten]]:
        """What is read by one reader each; those without symbols are left out."""
        for run in language_runs(text, language):
            for stretch, reader in _by_script(run.text, run.language):
                symbols = self._stretch(stretch, reader, within=language, british=british)
                if symbols.text.strip():
                    yield reader, symbols.shifted(start)
                start += len(stretch)

    def _stretch(self, text: str, language: str, *, within: str, british: bool) -> Rewritten:
        if language != "en":
            return self._reader(language).read(text)
        english = cast("EnglishReader", self._reader(_BRITISH if british else language))
        return english.read(text) if within == "en" else english.read_apart(text)

    def _reader(self, name: str) -> TextReader:
        # One that is made does not wait for another that is being made.
        if (known := self._readers.get(name)) is not None:
            return known
        with self._lock:
            if name not in self._readers:
                self._readers[name] = _made(name)
            return self._readers[name]


def _is_english(text: str, pronunciations: Sequence[Pronunciation]) -> bool:
    stretches = [each for run in language_runs(text, "en") for each in _by_script(run.text, run.language)]
    return [reader for _, reader in stretches] == ["en"] and all(
        each.alphabet != "pinyin" for each in pronunciations
    )


def _symbols(told: Pronunciation, word: str, language: str, *, british: bool) -> tuple[str, Rewritten]:
    """How ``word`` is pronounced, and the language of these sounds; empty for what is not in the alphabet."""
    written = Rewritten.of(word)
    if told.alphabet == "pinyin":
        from saystream.engines.kokoro.chinese import told_syllables

        syllables = told_syllables(told.phonemes)
        if len(syllables) != len(word):
            return "zh", written.becomes("".join(syllables))
        each = (written[place : place + 1].becomes(symbols) for place, symbols in enumerate(syllables))
        return "zh", joined(each)
    if told.alphabet == "arpabet" or language == "en":
        symbols = english_symbols(told.alphabet, told.phonemes, british=british)
        return "en", written.becomes(in_symbols(symbols))
    from saystream.engines.kokoro.espeak_ipa import kokoro_phonemes

    return language, written.becomes(stress_before_vowels(kokoro_phonemes(told.phonemes, language)))


def _by_script(text: str, language: str) -> Iterator[tuple[str, str]]:
    """Stretches of ``text`` that one reader can read, each with the language of that reader."""
    if language not in _OWN_SCRIPTS:
        yield text, language
        return
    start, current = 0, language
    for position, character in enumerate(text):
        if not character.isalpha():
            continue
        script = unicodedata.name(character, "").partition(" ")[0]
        reader = language if script in _OWN_SCRIPTS[language] else _ESPEAK_READS.get(script, language)
        if reader != current:
            yield text[start:position], current
            start, current = position, reader
    yield text[start:], current


def _made(name: str) -> TextReader:
    # Each reader needs its own packages and dictionaries: none is imported for a language that is not spoken.
    try:
        if name in ("en", _BRITISH):
            from saystream.engines.kokoro.english import EnglishReader

            return EnglishReader(british=name == _BRITISH)
        if name == "zh":
            from saystream.engines.kokoro.chinese import ChineseReader

            return ChineseReader()
        if name == "ja":
            from saystream.engines.kokoro.japanese import JapaneseReader

            return JapaneseReader()
        from saystream.engines.kokoro.espeak_ipa import EspeakReader

        return EspeakReader(name)
    except SaystreamError:
        raise
    except ModuleNotFoundError as error:
        raise _not_installed(name, error.name) from error
    except Exception as error:  # whatever other people's dictionaries raise while they are loaded
        raise EngineUnavailable(f"Kokoro cannot read '{name}': {type(error).__name__}.") from error


def _not_installed(language: str, package: str | None) -> EngineUnavailable:
    return EngineUnavailable(
        f"Kokoro cannot read '{language}': the package '{package}' is not installed. Install saystream[kokoro]."
    )
