"""eSpeak NG: a hundred languages in a robot's voice, for those that no better engine speaks.

It runs in the library of the wheel ``espeakng-loader``; the Mandarin of Debian's older package reads the tone
digits aloud. Japanese is understood only in kana: eSpeak has no readings of kanji.
"""

from __future__ import annotations

import ctypes
import queue
import threading
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import espeakng_loader
import msgspec
import numpy as np

from saystream.dsp.effects import shaped, timbre
from saystream.engines.base import EngineInfo, SegmentEngine, SynthesisRequest
from saystream.engines.options import read_options
from saystream.errors import EngineUnavailable, InvalidValue

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["EspeakEngine"]

VOICES = ("f2", "f1", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8")
"""Variants that every language can be spoken with: women of about 200 Hz, men of about 100 Hz."""

_BEST_LANGUAGES = ("en", "es", "it", "de", "pt", "fr", "ru", "zh", "ja", "ko")
"""Listed first; by how well a recogniser understood them."""

_PREFERRED = {"en": "gmw/en-US", "pt": "roa/pt-BR", "zh": "sit/cmn"}
"""Where the library ranks another accent first, or a Mandarin that takes Latin letters for Pinyin."""

_NOT_ISO_639_1 = frozenset({"py"})
"""Pyash calls itself by two letters that stand for no language."""

_NO_TEXT = frozenset({"Cc", "Cs"})
"""Unicode categories: control characters and lone surrogates."""

# From speak_lib.h.
_SYNCHRONOUS_RETRIEVAL = 2
_DONT_EXIT_ON_ERROR = 0x8000
_CHARACTERS_UTF8 = 1
_PAUSE_AT_END = 0x1000
_RATE, _PITCH = 1, 3

_BUFFER_MS = 100
_WAITING_BUFFERS = 50
"""Five seconds that may wait for a slow listener."""

_BASE_RATE_WPM = 175
_RATE_RANGE_WPM = (80, 450)
"""Outside this the library does not follow."""

_PITCH_SETTINGS = (0, 25, 50, 75, 99)
_PITCH_RATIOS = (0.68, 0.82, 1.0, 1.28, 1.64)
"""What the settings do to the pitch, from 50: the mean of the 13 voices; each is within 7 % of it
(measured)."""

_GAIN = 0.5
"""As loud as the other engines. Unchanged, eSpeak's vowels peak at 0.7 where theirs peak at 0.3."""

_VOICE_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)

_library_in_use = threading.Lock()
"""The library is one set of global variables."""


class _Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None: the voices and the languages come with the wheel."""


class EspeakEngine(SegmentEngine):
    """Has no options. ``info`` is known after ``load()``, because the library says which languages it has."""

    def __init__(self, **options: Any) -> None:
        read_options("espeak", _Options, options)
        self._languages: dict[str, str] = {}

    def load(self) -> None:
        """Raises EngineUnavailable where the library does not start."""
        self._languages = _languages(_library())
        best = [language for language in _BEST_LANGUAGES if language in self._languages]
        self.info = EngineInfo(
            name="espeak",
            sample_rate=_library().sample_rate,
            languages=(*best, *sorted(set(self._languages) - set(best))),
            voices=VOICES,
            quality="robotic",
        )

    def synthesize(self, text: str, request: SynthesisRequest) -> Iterator[Samples]:
        """Raises InvalidValue for a voice or a language that it does not have."""
        if request.voice not in VOICES:
            raise InvalidValue("voice", request.voice, VOICES)
        if request.language not in self._languages:
            raise InvalidValue("language", request.language, self.info.languages)
        slowest, fastest = _RATE_RANGE_WPM
        rate = min(max(_BASE_RATE_WPM * request.speed, slowest), fastest)
        pitch = min(max(request.pitch, _PITCH_RATIOS[0]), _PITCH_RATIOS[-1])
        setting = np.interp(np.log(pitch), np.log(_PITCH_RATIOS), _PITCH_SETTINGS)
        # The library moves the pitch without the formants; only what is beyond its range is left to the
        # stages.
        rest = request.pitch / pitch
        stages = timbre(
            self.info.sample_rate,
            speed=request.speed * _BASE_RATE_WPM / rate,
            pitch=rest,
            formant=request.formant,
        )
        voice = f"{self._languages[request.language]}+{request.voice}"
        speech = _Speech(_plain(text), voice, {_RATE: round(rate), _PITCH: round(float(setting))})
        yield from shaped(speech.chunks(), stages)


class _Library:
    """The functions of libespeak-ng that are used here."""

    def __init__(self) -> None:
        path = espeakng_loader.get_library_path()
        try:
            self._functions = ctypes.CDLL(path)
        except OSError as error:
            raise EngineUnavailable(f"The library of eSpeak NG cannot be loaded: {error}.") from error
        self._functions.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        self.voice_folder = Path(espeakng_loader.get_data_path())
        self.sample_rate: int = self._functions.espeak_Initialize(
            _SYNCHRONOUS_RETRIEVAL, _BUFFER_MS, str(self.voice_folder).encode(), _DONT_EXIT_ON_ERROR
        )
        if self.sample_rate <= 0:
            raise EngineUnavailable(f"eSpeak NG cannot read its voices in {self.voice_folder}.")

    def speak(self, text: str, voice: str, parameters: dict[int, int], callback: Any) -> None:
        """Return when ``callback`` has got all of it, or has returned 1."""
        call = self._functions
        if call.espeak_SetVoiceByName(voice.encode()) != 0:
            raise EngineUnavailable(f"eSpeak NG has lost its voice '{voice}'.")
        for parameter, value in parameters.items():
            call.espeak_SetParameter(parameter, value, 0)
        call.espeak_SetSynthCallback(callback)
        # Without the pause one sentence runs into the next; a text cut between two words needs none.
        pause = _PAUSE_AT_END if text and unicodedata.category(text[-1]).startswith("P") else 0
        encoded = text.encode()
        call.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _CHARACTERS_UTF8 | pause, None, None)

    def voices(self) -> Iterator[tuple[str, list[tuple[int, str]]]]:
        """Identifier of each voice, and its languages, each with a number that is low where it suits well."""
        listed = self._functions.espeak_ListVoices(None)
        position = 0
        while voice := listed[position]:
            yield voice.contents.identifier.decode(), _tags(voice.contents.languages)
            position += 1


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.POINTER(ctypes.c_ubyte)),
        ("identifier", ctypes.c_char_p),
    )


class _Speech:
    """One text on its way out of the library, which calls back from a thread that it blocks."""

    def __init__(self, text: str, voice: str, parameters: dict[int, int]) -> None:
        self._arguments = (text, voice, parameters)
        self._buffers: queue.Queue[Samples | Exception | None] = queue.Queue(_WAITING_BUFFERS)
        self._stopped = False

    def chunks(self) -> Iterator[Samples]:
        with _library_in_use:
            thread = threading.Thread(target=self._run, name="espeak", daemon=True)
            thread.start()
            try:
                while (buffer := self._buffers.get()) is not None:
                    if isinstance(buffer, Exception):
                        raise buffer
                    yield buffer
            finally:
                self._stopped = True
                while not self._buffers.empty():
                    self._buffers.get_nowait()
                thread.join()

    def _run(self) -> None:
        try:
            _library().speak(*self._arguments, _VOICE_CALLBACK(self._retrieve))
        except Exception as error:  # whatever it is, the thread that waits for audio raises it
            self._buffers.put(error)
        self._buffers.put(None)

    def _retrieve(self, samples: Any, num_samples: int, events: object) -> int:
        """What the library calls: 0 to go on, 1 to stop."""
        if num_samples > 0 and not self._stopped:
            integers = np.ctypeslib.as_array(samples, (num_samples,))
            self._buffers.put(integers * np.float32(_GAIN / 32768))
        return int(self._stopped)


@cache
def _library() -> _Library:
    return _Library()


def _languages(library: _Library) -> dict[str, str]:
    """ISO 639-1 code to the identifier of the voice that speaks it best."""
    offers: dict[str, list[tuple[int, str]]] = {}
    for identifier, tags in library.voices():
        if _has_dictionary(library.voice_folder, identifier):
            for priority, tag in tags:
                offers.setdefault(tag, []).append((priority, identifier))
    return {
        tag: _PREFERRED.get(tag) or min(voices)[1]
        for tag, voices in offers.items()
        if len(tag) == 2 and tag not in _NOT_ISO_639_1
    }


def _has_dictionary(folder: Path, identifier: str) -> bool:
    """The wheel lacks the dictionaries of a few languages that it lists, without which they are spelt out."""
    language = identifier.rpartition("/")[2].split("-")[0].lower()
    names = {"nb": "no", "hyw": "hy"}
    return (folder / f"{names.get(language, language)}_dict").exists()


def _tags(languages: Any) -> list[tuple[int, str]]:
    """Language tags with their priorities: for each one byte and then a string that ends in 0; a 0 after
    all."""
    tags, position = [], 0
    while priority := languages[position]:
        tag = ctypes.string_at(ctypes.addressof(languages.contents) + position + 1)
        tags.append((priority, tag.decode()))
        position += len(tag) + 2
    return tags


def _plain(text: str) -> str:
    """``text`` without what the library takes for commands of its own, its end, or no text at all."""
    plain = (" " if unicodedata.category(character) in _NO_TEXT else character for character in text)
    return "".join(plain).strip()
