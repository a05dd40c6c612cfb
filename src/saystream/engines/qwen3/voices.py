"""What a voice needs before its first frame: made once, and kept while in use, up to a limit in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np
import torch

from saystream.dsp.decode import decode
from saystream.dsp.resample import Resampler
from saystream.engines.qwen3.config import SAMPLE_RATE
from saystream.errors import ConfigurationError, SaystreamError

if TYPE_CHECKING:
    from torch import Tensor

    from saystream.audio import Samples
    from saystream.engines.qwen3.model import Qwen3Model
    from saystream.engines.qwen3.prompt import Prompt
    from saystream.engines.qwen3.reference import Reference

__all__ = ["PreparedVoice", "Sized", "VoiceCache", "at_model_rate", "read_references"]

_MAX_REFERENCE_S = 60.0
_AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".m4a")


class Sized(Protocol):
    @property
    def num_bytes(self) -> int: ...


_Voice = TypeVar("_Voice", bound=Sized)


class VoiceCache(Generic[_Voice]):
    """The voices used last, up to ``max_bytes`` of them. One thread uses it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._voices: OrderedDict[Hashable, _Voice] = OrderedDict()
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._voices)

    def get(self, key: Hashable, make: Callable[[], _Voice]) -> _Voice:
        """The voice kept under ``key``, else what ``make`` returns. One larger than the limit is returned but not
        kept."""
        if (kept := self._voices.get(key)) is not None:
            self._voices.move_to_end(key)
            return kept
        voice = make()
        if voice.num_bytes <= self._max_bytes:
            self._voices[key] = voice
            self.num_bytes += voice.num_bytes
            while self.num_bytes > self._max_bytes:
                _, oldest = self._voices.popitem(last=False)
                self.num_bytes -= oldest.num_bytes
        return voice


class PreparedVoice:
    """A prompt, and the state in which the codec begins: after the codes of its reference, if it has any."""

    def __init__(self, model: Qwen3Model, prompt: Prompt) -> None:
        """Runs the reference's codes through the slot that no session owns and discards the audio."""
        self.prompt = prompt
        self._codec = model.codec
        self._snapshot: Tensor | None = None
        self._frames = 0
        if prompt.codes is not None:
            with torch.inference_mode():
                self._codec.reset(model.scratch_slot)
                self._codec.feed(prompt.codes.T, model.scratch_slot, 0)
                self._snapshot = self._codec.snapshot(model.scratch_slot)
            self._frames = len(prompt.codes)

    @property
    def num_bytes(self) -> int:
        tensors = (self.prompt.prefix, self.prompt.forced, self.prompt.codes, self._snapshot)
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)

    @torch.inference_mode()
    def prepare_codec(self, slot: int) -> int:
        """Put the codec's ``slot`` into that state; returns how many frames it has had."""
        if self._snapshot is None:
            self._codec.reset(slot)
        else:
            self._codec.restore(slot, self._snapshot)
        return self._frames


def read_references(model: Qwen3Model, folder: Path) -> dict[str, Reference]:
    """The voices in a folder: ``<name>.wav`` (or flac, mp3, ogg, m4a), up to a minute long.

    With ``<name>.txt`` beside it, which holds what is said, speech continues the recording; without, only the sound of
    the voice is used. Raises ConfigurationError, which names the file, if it cannot be a voice.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            f"The option voices does not name a folder: {folder}", param="engines.voices"
        )
    references = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in _AUDIO:
            continue
        transcript = file.with_suffix(".txt")
        text = transcript.read_text("utf-8").strip() if transcript.is_file() else ""
        try:
            with torch.inference_mode():
                references[file.stem] = model.reference(_read_audio(file), text)
        except (SaystreamError, ValueError) as error:
            raise ConfigurationError(f"{file} cannot be a voice: {error}", param="engines.voices") from error
    if not references:
        raise ConfigurationError(
            f"There is no voice in {folder}; put a recording of 3 to 20 s there, such as anna.wav, and what it says"
            " in anna.txt.",
            param="engines.voices",
        )
    return references


def _read_audio(file: Path) -> Samples:
    audio = decode(file.read_bytes(), max_duration_s=_MAX_REFERENCE_S)
    return at_model_rate(audio.samples, audio.sample_rate)


def at_model_rate(samples: Samples, sample_rate: int) -> Samples:
    """``samples``, float32 mono at ``sample_rate`` Hz, at that of the model."""
    if sample_rate == SAMPLE_RATE:
        return samples
    resampler = Resampler(source_rate=sample_rate, target_rate=SAMPLE_RATE)
    return np.concatenate([*resampler.push(samples), *resampler.flush()])
