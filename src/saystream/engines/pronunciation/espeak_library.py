"""The library of eSpeak NG, which speaks and tells how words are pronounced, for all engines that need either.

It comes in the wheel ``espeakng-loader`` and is one set of global variables: every caller holds ``library_in_use``.
"""

from __future__ import annotations

import ctypes
import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import espeakng_loader

from saystream.errors import EngineUnavailable, InvalidValue, TextTooLong

__all__ = [
    "MAX_PHONEMIZED_CHARACTERS",
    "Clause",
    "EventKind",
    "Library",
    "RetrieveSamples",
    "SpeechEvent",
    "ending_mark",
    "library",
    "library_in_use",
    "only_text",
    "phonemize",
    "plain",
    "read_events",
    "spoken_languages",
]

MAX_PHONEMIZED_CHARACTERS = 20_000
"""In one call of ``phonemize``, during which nothing else can use the library: about 30 ms."""

_PREFERRED = {"en": "gmw/en-US", "pt": "roa/pt-BR", "zh": "sit/cmn"}
"""Where the library prefers another accent, or a Mandarin that takes Latin letters for Pinyin."""

_NOT_ISO_639_1 = frozenset({"py"})
"""Pyash identifies itself by two letters that stand for no language."""

_NO_TEXT = frozenset({"Cc", "Cs"})
"""Unicode categories: control characters and lone surrogates."""

_LANGUAGE_SWITCH = re.compile(r"\([a-z][a-z0-9-]*\)")
"""Such as ``(en)`` and ``(fr)`` around an English word in a French text."""

_LONG_NUMBER = re.compile(r"(\d{30})(?=\d)")
_LONG_WORD = re.compile(r"([^\s.,;:!?…、。，；：！？-]{50})(?=\w)")
"""In longer ones, such as a Japanese or Thai sentence, the library drops the rest (measured)."""

_MARKS = {
    **{mark: mark for mark in ".,?!:;"},
    **dict.fromkeys("。．｡…।॥։።۔", "."),
    **dict.fromkeys("，、､،፣", ","),
    **dict.fromkeys("？؟፧\u037e", "?"),
    **dict.fromkeys("！՜", "!"),
    **dict.fromkeys("：፥", ":"),
    **dict.fromkeys("；؛፤·–—", ";"),
}
"""Marks that end a clause, each as the most similar of the six."""

_CLOSING = frozenset({"Pe", "Pf", "Pi", "Zs", "Cc"})
"""Unicode categories of what may follow such a mark: brackets, quotation marks and spaces."""

# From speak_lib.h.
_SYNCHRONOUS_RETRIEVAL = 2
_PHONEME_EVENTS, _EVENTS_IN_IPA = 0x01, 0x02
_DONT_EXIT_ON_ERROR = 0x8000
_CHARACTERS_UTF8 = 1
_MNEMONICS = 0x100
_PAUSE_AT_END = 0x1000
_PHONEMES_IPA = 0x02

_BUFFER_MS = 100

RetrieveSamples = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
"""Called by the library with samples and events; returns 0 to continue and 1 to stop."""

library_in_use = threading.Lock()
"""Held by every caller of a method of ``library()``."""


class EventKind(Enum):
    """What begins."""

    WORD = 1
    SENTENCE = 2
    END = 5
    """The pause after a clause is over."""
    PHONEME = 7


_KINDS = frozenset(kind.value for kind in EventKind)


class SpeechEvent(NamedTuple):
    """Something that the library says, or a pause."""

    kind: EventKind
    start: int
    """Of a word: its place in the text…"""
    length: int
    """…and its length, in code points."""
    sample: int
    """Where it begins in the sound."""
    phoneme: str
    """In the International Phonetic Alphabet with its stress mark; "" for a pause."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of speech between two marks."""

    phonemes: str
    """International Phonetic Alphabet with stress marks, words separated by a space."""
    punctuation: str
    """The mark that ended it: one of ``. , ? ! : ;``, "" if there was none."""
    end: int
    """Where it ends in the text as ``plain`` returns it, with its marks and spaces."""


def phonemize(text: str, voice: str) -> list[Clause]:
    """How ``text`` is pronounced, clause by clause; clauses without a sound are left out.

    ``voice`` is a name or identifier of the library, such as ``fr`` or ``roa/fr``, or a language tag, such as
    ``fr-fr``. Words that the library assigns to another language are pronounced in that language; its marks of the
    switch are removed. An abbreviation before a capital letter ends a clause, as "Mr." in "Mr. Smith".

    Any thread may call it, but not while it reads audio from an engine that speaks with the library in this process:
    the library does one thing at a time. Raises InvalidValue for an unknown voice, TextTooLong for more than
    ``MAX_PHONEMIZED_CHARACTERS``, EngineUnavailable if the library does not start.
    """
    if len(text) > MAX_PHONEMIZED_CHARACTERS:
        problem = f"{len(text)} characters are too many to pronounce at once; at most {MAX_PHONEMIZED_CHARACTERS} are."
        raise TextTooLong(problem)
    with library_in_use:
        return library().phonemize(plain(text), voice)


@cache
def library() -> Library:
    """The one of this process, started by the first call. Raises EngineUnavailable if it does not start."""
    return Library()


class Library:
    """The functions of libespeak-ng that are used here."""

    def __init__(self) -> None:
        path = espeakng_loader.get_library_path()
        try:
            self._functions = ctypes.CDLL(path)
        except OSError as error:
            raise EngineUnavailable(f"The library of eSpeak NG cannot be loaded: {error}.") from error
        self._functions.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        self._functions.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.voice_folder = Path(espeakng_loader.get_data_path())
        options = _DONT_EXIT_ON_ERROR | _PHONEME_EVENTS | _EVENTS_IN_IPA
        self.sample_rate: int = self._functions.espeak_Initialize(
            _SYNCHRONOUS_RETRIEVAL, _BUFFER_MS, str(self.voice_folder).encode(), options
        )
        if self.sample_rate <= 0:
            raise EngineUnavailable(f"eSpeak NG cannot read its voices in {self.voice_folder}.")

    def speak(
        self,
        text: str,
        voice: str,
        parameters: Mapping[int, int],
        callback: Any,
        *,
        has_mnemonics: bool = False,
    ) -> None:
        """Returns when ``callback``, a ``RetrieveSamples``, has received all of it or has returned 1. With
        ``has_mnemonics``, what is between double brackets is spoken as phonemes."""
        call = self._functions
        if not self._set_voice(voice):
            raise EngineUnavailable(f"eSpeak NG has lost its voice '{voice}'.")
        for parameter, value in parameters.items():
            call.espeak_SetParameter(parameter, value, 0)
        call.espeak_SetSynthCallback(callback)
        # Without the pause one sentence runs into the next; a text cut between two words needs none.
        pause = _PAUSE_AT_END if text and unicodedata.category(text[-1]).startswith("P") else 0
        encoded = text.encode()
        flags = _CHARACTERS_UTF8 | pause | (_MNEMONICS if has_mnemonics else 0)
        call.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, flags, None, None)

    def phonemize(self, text: str, voice: str) -> list[Clause]:
        """See the function of this name; ``text`` is plain."""
        if not self._set_voice(voice) and not self._set_voice(self.voices_by_tag.get(voice.lower(), "")):
            raise InvalidValue(
                "voice", voice, "a voice of eSpeak NG, or the tag of a language that it speaks"
            )
        clauses: list[Clause] = []
        end = 0
        for read, phonemes in self._clauses(text):
            end += len(read)
            if words := _LANGUAGE_SWITCH.sub("", phonemes).split():
                clauses.append(Clause(" ".join(words), ending_mark(read), end))
        return clauses

    def _clauses(self, text: str) -> Iterator[tuple[str, str]]:
        """Each with its text."""
        encoded = ctypes.create_string_buffer(text.encode())
        base = ctypes.addressof(encoded)
        rest = ctypes.c_void_p(base)
        start = 0
        ahead = ""
        while rest.value is not None:
            phonemes = self._functions.espeak_TextToPhonemes(
                ctypes.byref(rest), _CHARACTERS_UTF8, _PHONEMES_IPA
            )
            end = len(encoded.value) if rest.value is None else rest.value - base
            read = ahead + encoded.raw[start:end].decode(errors="ignore")
            # While there is more, the library has read one character of it.
            length = len(read) - (rest.value is not None)
            yield read[:length], phonemes.decode(errors="ignore")
            ahead = read[length:]
            start = end

    def voices(self) -> Iterator[tuple[str, list[tuple[int, str]]]]:
        """The identifier of each voice and its languages, each with a number that is lower the better it suits."""
        listed = self._functions.espeak_ListVoices(None)
        position = 0
        while voice := listed[position]:
            yield voice.contents.identifier.decode(), _tags(voice.contents.languages)
            position += 1

    @cached_property
    def voices_by_tag(self) -> dict[str, str]:
        """Language tag to the identifier of the voice that speaks it best."""
        offers: dict[str, list[tuple[int, str]]] = {}
        for identifier, tags in self.voices():
            if _has_dictionary(self.voice_folder, identifier):
                for priority, tag in tags:
                    offers.setdefault(tag, []).append((priority, identifier))
        return {tag: _PREFERRED.get(tag) or min(voices)[1] for tag, voices in offers.items()}

    def _set_voice(self, name: str) -> bool:
        return bool(name) and self._functions.espeak_SetVoiceByName(name.encode()) == 0


def spoken_languages() -> dict[str, str]:
    """ISO 639-1 code to the identifier of the voice that speaks it best."""
    with library_in_use:
        voices = library().voices_by_tag
    return {tag: voice for tag, voice in voices.items() if len(tag) == 2 and tag not in _NOT_ISO_639_1}


def plain(text: str) -> str:
    """``text`` without what the library takes for its own commands or for its end, and without what is not text at all;
    words and numbers that are too long for the library are cut."""
    return _LONG_WORD.sub(r"\1 ", _LONG_NUMBER.sub(r"\1, ", only_text(text))).strip()


def only_text(text: str) -> str:
    """``text``, letter for letter, with a space for what is not text at all."""
    return "".join(" " if unicodedata.category(character) in _NO_TEXT else character for character in text)


def read_events(pointer: Any) -> list[SpeechEvent]:
    """Those that a ``RetrieveSamples`` is called with, which the library keeps only until it returns."""
    read: list[SpeechEvent] = []
    events = ctypes.cast(pointer, ctypes.POINTER(_Event))
    position = 0
    while events and (kind := events[position].kind):
        if kind in _KINDS:
            event = events[position]
            phoneme = event.id.decode(errors="ignore") if kind == EventKind.PHONEME.value else ""
            read.append(
                SpeechEvent(EventKind(kind), event.text_position - 1, event.length, event.sample, phoneme)
            )
        position += 1
    return read


class _Event(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.POINTER(ctypes.c_ubyte)),
        ("identifier", ctypes.c_char_p),
    )


def _has_dictionary(folder: Path, identifier: str) -> bool:
    """The wheel lacks the dictionaries of a few languages that it lists; without them words are spelt out."""
    language = identifier.rpartition("/")[2].split("-")[0].lower()
    names = {"nb": "no", "hyw": "hy"}
    return (folder / f"{names.get(language, language)}_dict").exists()


def _tags(languages: Any) -> list[tuple[int, str]]:
    """Language tags with their priorities: for each one byte, then a string that ends in 0; a 0 after all."""
    tags, position = [], 0
    while priority := languages[position]:
        tag = ctypes.string_at(ctypes.addressof(languages.contents) + position + 1)
        tags.append((priority, tag.decode()))
        position += len(tag) + 2
    return tags


def ending_mark(read: str) -> str:
    """The last mark at the end of a clause; of several, such as "?!", a question mark takes precedence."""
    end = len(read)
    marks: list[str] = []
    while end and (
        read[end - 1] in _MARKS or unicodedata.category(read[end - 1]) in _CLOSING or read[end - 1] in "\"'"
    ):
        end -= 1
        if mark := _MARKS.get(read[end]):
            marks.append(mark)
    return "?" if "?" in marks else next(iter(marks), "")
