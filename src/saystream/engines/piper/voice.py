"""One Piper voice: a VITS model in ONNX, which turns a sentence of phonemes into audio in one pass."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from saystream.dsp.pitch import median_pitch_hz
from saystream.dsp.silence import QUIETEST
from saystream.engines.piper.config import VoiceConfig, read_config
from saystream.engines.piper.phonemes import Phonemes
from saystream.errors import EngineUnavailable, SaystreamError

if TYPE_CHECKING:
    from saystream.audio import Samples
    from saystream.text.script import Pronunciation

__all__ = ["PiperVoice"]

_LOUDNESS = 0.08
"""Root mean square of what is not silence, the same as hibari's: voices differ by 10 dB."""
_MAX_GAIN = 4.0
_MAX_PEAK = 0.9

_COUNTING = "1 2 3 4 5 6 7 8 9."
"""eSpeak reads it in every language; without commas, at which a voice rises, its pitch is that of other sentences."""


class PiperVoice:
    """Created from ``NAME.onnx`` with ``NAME.onnx.json`` beside it. ``speak`` may be called by several threads.

    Raises EngineUnavailable if a file is missing or invalid.
    """

    def __init__(
        self, path: Path, *, threads: int, noise_scale: float | None = None, noise_w: float | None = None
    ) -> None:
        """``noise_scale`` and ``noise_w`` replace those of the voice's file: with both 0 nothing is random."""
        self.name = path.name.removesuffix(".onnx")
        self.config: VoiceConfig = read_config(path.with_name(f"{path.name}.json"))
        inference = self.config.inference
        self._noise_scale = inference.noise_scale if noise_scale is None else noise_scale
        self._noise_w = inference.noise_w if noise_w is None else noise_w
        self._phonemes = Phonemes(self.config)
        self._reported: set[str] = set()
        self._session = _session(path, threads)
        wanted = {each.name for each in self._session.get_inputs()}
        given = {"input", "input_lengths", "scales", *(["sid"] if self.config.speakers else [])}
        if wanted != given:
            raise EngineUnavailable(
                f"{path} is not a Piper voice: its inputs are {', '.join(sorted(wanted))}."
            )
        try:
            sound = self._counting()
        except Exception as error:  # as for a session
            reason = error if isinstance(error, SaystreamError) else type(error).__name__
            raise EngineUnavailable(f"The Piper voice of {path} cannot speak: {reason}") from error
        self.pitch_hz = median_pitch_hz(sound, self.sample_rate)
        """Median of the default speaker; ``None`` if none is found."""
        self._gain = np.float32(_gain(sound))

    @property
    def language(self) -> str:
        """ISO 639-1 code."""
        return self.config.iso_639_1

    @property
    def sample_rate(self) -> int:
        return self.config.audio.sample_rate

    def speak(
        self,
        text: str,
        *,
        told: Sequence[Pronunciation] = (),
        speaker: str = "",
        noise: bool = True,
    ) -> Iterator[Samples]:
        """Pass by pass. ``told`` is how parts of ``text`` are pronounced. ``speaker`` is one of ``config.speakers``, ""
        its default. Without ``noise`` the same text always sounds the same."""
        for numbers in self._phonemes.passes(text, told):
            yield self._pass(numbers, speaker, noise=noise) * self._gain
        self._report_unknown()

    @property
    def unknown(self) -> dict[str, int]:
        """Symbols for which the voice has no sound, and how often they were left out."""
        return dict(self._phonemes.unknown)

    def _counting(self) -> Samples:
        passes = self._phonemes.passes(_COUNTING)
        sounds = [self._pass(numbers, "") for numbers in passes]
        return np.concatenate([*sounds, np.zeros(0, np.float32)])

    def _pass(self, numbers: list[int], speaker: str, *, noise: bool = True) -> Samples:
        scales = [self._noise_scale * noise, self.config.inference.length_scale, self._noise_w * noise]
        inputs = {
            "input": np.array([numbers], np.int64),
            "input_lengths": np.array([len(numbers)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        if self.config.speakers:
            number = self.config.speakers[speaker] if speaker else self.config.default_speaker_id
            inputs["sid"] = np.array([number], np.int64)
        return np.asarray(self._session.run(None, inputs)[0], np.float32).reshape(-1)

    def _report_unknown(self) -> None:
        """Once for each phoneme; for letters only the script, because letter by letter they would be the text."""
        for symbol in list(self._phonemes.unknown):
            if self.config.phoneme_type == "text":
                what = f"some characters of the kind {unicodedata.name(symbol[0], 'UNNAMED').split()[0]}"
            else:
                what = "the phoneme " + " ".join(f"U+{ord(each):04X}" for each in symbol)
            if what not in self._reported:
                self._reported.add(what)
                message = f"The Piper voice '{self.name}' has no sound for {what}; left out."
                print(message, file=sys.stderr)  # noqa: T201 - kept for the log by the gateway


def _gain(sound: Samples) -> float:
    """The factor that makes a voice as loud as the others."""
    magnitude = np.abs(sound)
    audible = magnitude[magnitude > QUIETEST]
    if not len(audible):
        return 1.0
    wanted = _LOUDNESS / float(np.sqrt((audible**2).mean()))
    return min(wanted, _MAX_GAIN, _MAX_PEAK / float(audible.max()))


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin while they wait take the cores from other streams.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base but this
        raise EngineUnavailable(f"{path} is not a usable model: {type(error).__name__}.") from error
