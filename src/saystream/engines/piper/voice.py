"""One Piper voice: a VITS model in ONNX, which turns a sentence of phonemes into audio in one pass."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from saystream.dsp.pitch import median_pitch_hz
from saystream.dsp.silence import QUIETEST
from saystream.engines.onnx_noise import with_noise_inputs
from saystream.engines.onnx_outputs import with_output
from saystream.engines.piper.config import VoiceConfig, read_config
from saystream.engines.piper.phonemes import Phonemes
from saystream.errors import EngineUnavailable, SaystreamError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples
    from saystream.text.rewriting import Rewritten
    from saystream.text.script import Pronunciation

__all__ = ["PiperVoice", "SpokenPass"]

_LOUDNESS = 0.08
"""Root mean square of what is not silence, the same as hibari's: voices differ by 10 dB."""
_MAX_GAIN = 4.0
_MAX_PEAK = 0.9

_COUNTING = "1 2 3 4 5 6 7 8 9."
"""eSpeak reads it in every language; without commas, at which a voice rises, its pitch is that of other sentences."""

_DURATIONS = "/Ceil_output_0"
"""Inside a model as piper-tts exports it: how many frames each number lasts."""

_NOISE_EACH = 192 * 12
"""Random numbers for each symbol: 192 a frame of 12 ms in every quality of Piper, and few symbols are longer than 12
frames…"""
_MOST_NOISE = 1 << 18
"""…but no more for a pass: after 15 s they begin again."""


@dataclass(frozen=True, slots=True)
class SpokenPass:
    """What the model said at once."""

    sound: Samples
    symbols: Rewritten
    """With the place of each word in the text."""
    times_ms: NDArray[np.float64] | None
    """When each character of ``symbols`` is heard, and at last when the last one ends; ``None`` if the model does not
    say."""


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
        self._session, self._has_durations, self._noises = _session(path, threads)
        wanted = {each.name for each in self._session.get_inputs()}.difference(self._noises)
        given = {"input", "input_lengths", "scales", *(["sid"] if self.config.speakers else [])}
        if wanted != given:
            raise EngineUnavailable(
                f"{path} is not a Piper voice: its inputs are {', '.join(sorted(wanted))}."
            )
        self.knows_times = False
        """When each of its symbols is heard."""
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
        seed: int | None = None,
    ) -> Iterator[SpokenPass]:
        """Pass by pass. ``told`` is how parts of ``text`` are pronounced. ``speaker`` is one of ``config.speakers``, ""
        its default. With the same ``seed`` the same text always sounds the same."""
        chance = np.random.default_rng(seed)
        # A model that draws otherwise than piper-tts exports it repeats itself only without its noise.
        with_noise = seed is None or bool(self._noises)
        for each in self._phonemes.passes(text, told):
            sound, ends_ms = self._spoken(each.numbers, speaker, chance, with_noise=with_noise)
            times_ms = None if ends_ms is None else ends_ms[np.array(each.begins) - 1]
            yield SpokenPass(sound * self._gain, each.symbols, times_ms)
        self._report_unknown()

    @property
    def unknown(self) -> dict[str, int]:
        """Symbols for which the voice has no sound, and how often they were left out."""
        return dict(self._phonemes.unknown)

    def _counting(self) -> Samples:
        chance = np.random.default_rng(0)  # a voice is measured alike each time
        spoken = [self._spoken(each.numbers, "", chance) for each in self._phonemes.passes(_COUNTING)]
        self.knows_times = all(ends_ms is not None for _, ends_ms in spoken)
        return np.concatenate([*(sound for sound, _ in spoken), np.zeros(0, np.float32)])

    def _spoken(
        self, numbers: list[int], speaker: str, chance: np.random.Generator, *, with_noise: bool = True
    ) -> tuple[Samples, NDArray[np.float64] | None]:
        """The sound, and where that of each number ends, in ms; ``None`` if the model does not say."""
        noise_scale, noise_w = (self._noise_scale, self._noise_w) if with_noise else (0.0, 0.0)
        scales = [noise_scale, self.config.inference.length_scale, noise_w]
        inputs = {
            "input": np.array([numbers], np.int64),
            "input_lengths": np.array([len(numbers)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        num_drawn = min(_NOISE_EACH * len(numbers), _MOST_NOISE)
        for name in self._noises:
            inputs[name] = chance.standard_normal(num_drawn, np.float32)
        if self.config.speakers:
            number = self.config.speakers[speaker] if speaker else self.config.default_speaker_id
            inputs["sid"] = np.array([number], np.int64)
        output, *inner = self._session.run(None, inputs)
        sound = np.asarray(output, np.float32).reshape(-1)
        durations = np.asarray(inner[-1], np.float64).reshape(-1) if self._has_durations else np.zeros(0)
        ends = np.cumsum(durations)
        if len(ends) != len(numbers) or not ends[-1] > 0:
            return sound, None
        return sound, ends / ends[-1] * (len(sound) * 1000 / self.sample_rate)

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


def _session(path: Path, threads: int) -> tuple[onnxruntime.InferenceSession, bool, tuple[str, ...]]:
    """The model, whether its last output is ``_DURATIONS``, and its inputs for noise."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin while they wait take the cores from other streams.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        model, noises = with_noise_inputs(path.read_bytes())
        has_durations = _DURATIONS.encode() in model
        if has_durations:
            model = with_output(model, _DURATIONS)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return session, has_durations, noises
    except Exception as error:  # its exceptions have no common base but this
        raise EngineUnavailable(f"{path} is not a usable model: {type(error).__name__}.") from error
