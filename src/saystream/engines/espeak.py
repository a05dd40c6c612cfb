"""eSpeak NG: a hundred languages in a robotic voice, for those that no better engine speaks.

It uses the library in the wheel ``espeakng-loader``; the Mandarin of Debian's older package reads the tone digits
aloud. It has no readings of kanji: those come from Open JTalk if the package pyopenjtalk-plus is installed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from saystream.audio import SpeechChunk
from saystream.dsp.effects import shaped, timbre
from saystream.engines.base import EngineInfo, SegmentEngine, Span, SynthesisRequest
from saystream.engines.espeak_times import WordTimes
from saystream.engines.options import read_options
from saystream.engines.pronunciation.espeak_library import (
    RetrieveSamples,
    SpeechEvent,
    library,
    library_in_use,
    plain,
    read_events,
    spoken_languages,
)
from saystream.engines.pronunciation.espeak_mandarin import with_misread
from saystream.engines.pronunciation.espeak_phones import marked_up
from saystream.engines.pronunciation.hangul import as_pronounced
from saystream.engines.pronunciation.kana import in_kana
from saystream.engines.pronunciation.mandarin_words import with_pinyin
from saystream.errors import InvalidValue
from saystream.text.rewriting import Rewritten

if TYPE_CHECKING:
    from saystream.audio import Samples

    _Piece = tuple[Samples, Sequence[SpeechEvent]]

__all__ = ["EspeakEngine"]

VOICES = ("f2", "f1", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8")
"""Variants that every language can be spoken with: women at about 200 Hz, men at about 100 Hz."""

_BEST_LANGUAGES = ("en", "es", "it", "de", "pt", "fr", "ru", "zh", "ja", "ko")
"""Listed first, in the order of how well a recogniser understood them."""

# Parameters of the library, from speak_lib.h.
_RATE, _PITCH, _RANGE = 1, 3, 4

_BASE_RANGE, _WIDEST_RANGE = 50, 100

_WAITING_BUFFERS = 50
"""Five seconds of audio that may wait for a slow listener."""

_BASE_RATE_WPM = 175
_RATE_RANGE_WPM = (80, 450)
"""The library ignores anything outside this range."""

_PITCH_SETTINGS = (0, 25, 50, 75, 99)
_PITCH_RATIOS = (0.68, 0.82, 1.0, 1.28, 1.64)
"""What the settings do to the pitch, relative to 50: the mean of the 13 voices; each is within 7 % of it (measured)."""

_GAIN = 0.5
"""As loud as the other engines. Unchanged, eSpeak's vowels peak at 0.7, theirs at 0.3."""


_READERS: Mapping[str, Callable[[str], Rewritten]] = {
    "ja": in_kana,
    "ko": lambda text: Rewritten(as_pronounced(text), range(len(text)), range(1, len(text) + 1)),
}
"""For languages whose letters the library knows, but not how they are read."""


class _Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No options: the voices and the languages come with the wheel."""


class EspeakEngine(SegmentEngine):
    """Has no options. ``info`` is known after ``load()``, because the library says which languages it has."""

    def __init__(self, **options: Any) -> None:
        read_options("espeak", _Options, options)
        self._languages: dict[str, str] = {}

    def load(self) -> None:
        """Raises EngineUnavailable if the library does not start."""
        self._languages = spoken_languages()
        best = [language for language in _BEST_LANGUAGES if language in self._languages]
        self.info = EngineInfo(
            name="espeak",
            sample_rate=library().sample_rate,
            languages=dict.fromkeys([*best, *sorted(set(self._languages) - set(best))], "robotic"),
            voices=VOICES,
            marks=True,
            alphabets={"en": ("arpabet", "ipa"), "zh": ("pinyin",)},
        )

    def synthesize(self, span: Span, request: SynthesisRequest) -> Iterator[SpeechChunk]:
        """Raises InvalidValue for a voice or a language that it does not have."""
        if request.voice not in VOICES:
            raise InvalidValue("voice", request.voice, VOICES)
        if request.language not in self._languages:
            raise InvalidValue("language", request.language, self.info.languages)
        slowest, fastest = _RATE_RANGE_WPM
        rate = min(max(_BASE_RATE_WPM * request.speed, slowest), fastest)
        pitch = min(max(request.pitch, _PITCH_RATIOS[0]), _PITCH_RATIOS[-1])
        setting = np.interp(np.log(pitch), np.log(_PITCH_RATIOS), _PITCH_SETTINGS)
        # The library changes the pitch without the formants; only what is beyond its range is left to the stages.
        rest = request.pitch / pitch
        speed = request.speed * _BASE_RATE_WPM / rate
        stages = timbre(
            self.info.sample_rate,
            speed=speed,
            pitch=rest,
            formant=request.formant,
        )
        voice = f"{self._languages[request.language]}+{request.voice}"
        spoken = _READERS.get(request.language, Rewritten.of)(span.text).strip()
        spoken = spoken.respelt(plain(spoken.text))
        told = span.pronunciations
        if request.language == "zh":
            told = with_misread(span.text, with_pinyin(span.text, told))
        if told:
            spoken = marked_up(span.text, told)
        width = min(round(_BASE_RANGE * request.intonation), _WIDEST_RANGE)
        parameters = {_RATE: round(rate), _PITCH: round(float(setting)), _RANGE: width}
        speech = _Speech(spoken.text, voice, parameters, has_mnemonics=bool(told))
        times = WordTimes(spoken, span, self.info.sample_rate, speed=speed, phonemes=request.phonemes)
        chunks = shaped(times.heard(speech.pieces()), stages)
        yield from times.attached(chunks) if request.marks else map(SpeechChunk, chunks)


class _Speech:
    """One text on its way out of the library, which calls back from a thread that it blocks."""

    def __init__(
        self, text: str, voice: str, parameters: dict[int, int], *, has_mnemonics: bool = False
    ) -> None:
        self._arguments = (text, voice, parameters)
        self._has_mnemonics = has_mnemonics
        self._buffers: queue.Queue[_Piece | Exception | None] = queue.Queue(_WAITING_BUFFERS)
        self._stopped = False

    def pieces(self) -> Iterator[_Piece]:
        with library_in_use:
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
            callback = RetrieveSamples(self._retrieve)
            library().speak(*self._arguments, callback, has_mnemonics=self._has_mnemonics)
        except Exception as error:  # whatever it is, the thread that waits for audio raises it
            self._buffers.put(error)
        self._buffers.put(None)

    def _retrieve(self, samples: Any, num_samples: int, events: int | None) -> int:
        """Called by the library: 0 to continue, 1 to stop."""
        if num_samples > 0 and not self._stopped:
            integers = np.ctypeslib.as_array(samples, (num_samples,))
            self._buffers.put((integers * np.float32(_GAIN / 32768), read_events(events)))
        return int(self._stopped)
