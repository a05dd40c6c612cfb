"""The model itself: an ONNX file, and for each voice a table of styles, one for each length of text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from saystream.engines.kokoro.vocabulary import numbers
from saystream.errors import EngineUnavailable

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["MAX_SYMBOLS", "SAMPLE_RATE", "Interrupt", "KokoroModel"]

SAMPLE_RATE = 24_000

MAX_SYMBOLS = 510
"""Of one pass: the model has 512 positions, two of them for the edges, and a voice one style for each length."""

_STYLE_SIZE = 256
_VOICE_BYTES = MAX_SYMBOLS * _STYLE_SIZE * 4
_TIMBRE_SIZE = 128
"""The part of a style that the decoder sees; the rest is for rhythm and pitch."""
_EDGE = 0


class Interrupt:
    """Ends a pass of the model from another thread."""

    def __init__(self) -> None:
        self.options = onnxruntime.RunOptions()
        self.set = False

    def __call__(self) -> None:
        self.set = True
        self.options.terminate = True


class KokoroModel:
    """Built from a folder with ``model.onnx`` and ``voices/NAME.bin``. ``speak`` may be called by several threads.

    Raises EngineUnavailable where a file is missing or is not what it should be.
    """

    def __init__(self, folder: Path, *, threads: int) -> None:
        path = folder / "model.onnx"
        self._voice_files = {file.stem: file for file in sorted((folder / "voices").glob("*.bin"))}
        if not path.is_file() or not self._voice_files:
            raise EngineUnavailable(
                f"{folder} holds no Kokoro model: it must contain model.onnx and voices/*.bin."
            )
        for file in self._voice_files.values():
            if file.stat().st_size != _VOICE_BYTES:
                raise EngineUnavailable(
                    f"{file} is not a Kokoro voice: it must be {_VOICE_BYTES} bytes long."
                )
        self._styles: dict[str, Samples] = {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin while they wait take the cores from the other streams (measured).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base but this
            raise EngineUnavailable(f"{path} is not a Kokoro model: {type(error).__name__}.") from error
        # Exports differ in the name of their first input.
        self._text_input = next(
            (each.name for each in self._session.get_inputs() if each.name not in ("style", "speed")), ""
        )

    @property
    def voices(self) -> tuple[str, ...]:
        """In the order of the alphabet."""
        return tuple(self._voice_files)

    def speak(
        self,
        symbols: str,
        voice: Mapping[str, float],
        *,
        timbre: Mapping[str, float] | None = None,
        speed: float = 1.0,
        interrupt: Interrupt | None = None,
    ) -> Samples:
        """The sound of 1 to ``MAX_SYMBOLS`` symbols in a mix of voices; empty when it was interrupted.

        ``timbre`` is a mix for the timbre alone, where it is not that of ``voice``.
        """
        ids = [_EDGE, *numbers(symbols), _EDGE]
        style = self._mix(voice, len(symbols))
        if timbre is not None:
            style[:_TIMBRE_SIZE] = self._mix(timbre, len(symbols))[:_TIMBRE_SIZE]
        inputs = {
            self._text_input: np.array([ids], np.int64),
            "style": style[np.newaxis],
            "speed": np.array([speed], np.float32),
        }
        try:
            outputs = self._session.run(None, inputs, interrupt.options if interrupt else None)
        except Exception:
            if interrupt is not None and interrupt.set:
                return np.zeros(0, np.float32)
            raise
        return np.asarray(outputs[0], np.float32).reshape(-1)

    def _mix(self, voice: Mapping[str, float], length: int) -> Samples:
        mixed = np.zeros(_STYLE_SIZE, np.float32)
        for name, share in voice.items():
            mixed += self._style(name)[length - 1] * np.float32(share)
        return mixed

    def _style(self, name: str) -> Samples:
        """Shape ``(MAX_SYMBOLS, 256)``; read once, half a megabyte each."""
        if name not in self._styles:
            styles = np.fromfile(self._voice_files[name], np.float32)
            self._styles[name] = styles.reshape(MAX_SYMBOLS, _STYLE_SIZE)
        return self._styles[name]
