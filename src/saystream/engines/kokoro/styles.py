"""The voices: for each a table of styles, one for each length of text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saystream.errors import EngineUnavailable

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["MAX_SYMBOLS", "Styles"]

MAX_SYMBOLS = 510
"""Of one pass: the model has 512 positions, two of them for the edges, and a voice one style for each length."""

_STYLE_SIZE = 256
_VOICE_BYTES = MAX_SYMBOLS * _STYLE_SIZE * 4
_TIMBRE_SIZE = 128
"""The part of a style that the decoder sees; the rest is for rhythm and pitch."""


class Styles:
    """The voices in a folder with ``NAME.bin``. Raises EngineUnavailable where one is not what it should be."""

    def __init__(self, folder: Path) -> None:
        self._files = {file.stem: file for file in sorted(folder.glob("*.bin"))}
        for file in self._files.values():
            if file.stat().st_size != _VOICE_BYTES:
                raise EngineUnavailable(
                    f"{file} is not a Kokoro voice: it must be {_VOICE_BYTES} bytes long."
                )
        self._tables: dict[str, Samples] = {}

    @property
    def voices(self) -> tuple[str, ...]:
        """In the order of the alphabet."""
        return tuple(self._files)

    def mixed(
        self, voice: Mapping[str, float], length: int, *, timbre: Mapping[str, float] | None = None
    ) -> Samples:
        """The style of a mix of voices for a text of ``length`` symbols: 256 numbers.

        ``timbre`` is a mix for the timbre alone, where it is not that of ``voice``.
        """
        style = self._mix(voice, length)
        if timbre is not None:
            style[:_TIMBRE_SIZE] = self._mix(timbre, length)[:_TIMBRE_SIZE]
        return style

    def _mix(self, voice: Mapping[str, float], length: int) -> Samples:
        mixed = np.zeros(_STYLE_SIZE, np.float32)
        for name, share in voice.items():
            mixed += self._table(name)[length - 1] * np.float32(share)
        return mixed

    def _table(self, name: str) -> Samples:
        """Shape ``(MAX_SYMBOLS, 256)``; read once, half a megabyte each."""
        if name not in self._tables:
            styles = np.fromfile(self._files[name], np.float32)
            self._tables[name] = styles.reshape(MAX_SYMBOLS, _STYLE_SIZE)
        return self._tables[name]
