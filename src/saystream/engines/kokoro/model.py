"""The model as it was published: an ONNX file that makes all the sound of a text in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saystream.engines.kokoro.constants import SAMPLE_RATE
from saystream.engines.kokoro.runtime import Interrupted, Session
from saystream.engines.kokoro.splitting import Limits
from saystream.engines.kokoro.timing import bounds
from saystream.engines.kokoro.vocabulary import EDGE, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from saystream.audio import Samples
    from saystream.engines.kokoro.runtime import Interrupt
    from saystream.engines.kokoro.styles import Styles
    from saystream.engines.kokoro.timing import Timed

__all__ = ["WholeModel"]

_DURATIONS = "durations"
"""The output of some exports that says how long each symbol and each edge lasts, in frames."""


class WholeModel:
    """``speak`` may be called by several threads. Raises EngineUnavailable where ``path`` is no model."""

    runtime = "ONNX Runtime, fp32, whole passes"
    limits = Limits()

    def __init__(self, path: Path, styles: Styles, *, threads: int) -> None:
        self.threads = threads
        self._styles = styles
        self._session = Session(path, threads=threads)
        # Exports differ in the name of their first input.
        self._text_input = next((name for name in self._session.inputs if name not in ("style", "speed")), "")

    def speak(
        self,
        symbols: str,
        voice: Mapping[str, float],
        *,
        timbre: Mapping[str, float] | None = None,
        speed: float = 1.0,
        interrupt: Interrupt | None = None,
        timed: Timed | None = None,
    ) -> Iterator[Samples]:
        """The sound of 1 to ``MAX_SYMBOLS`` symbols in a mix of voices, in one piece; none when it was interrupted.

        ``timbre`` is a mix for the timbre alone, where it is not that of ``voice``. ``timed`` is called before the
        sound if the export tells how long each symbol lasts.
        """
        inputs = {
            self._text_input: np.array([[EDGE, *numbers(symbols), EDGE]], np.int64),
            "style": self._styles.mixed(voice, len(symbols), timbre=timbre)[np.newaxis],
            "speed": np.array([speed], np.float32),
        }
        try:
            outputs = dict(zip(self._session.outputs, self._session.run(inputs, interrupt), strict=True))
        except Interrupted:
            return
        sound = np.asarray(outputs.pop(self._session.outputs[0]), np.float32).reshape(-1)
        if timed is not None and _DURATIONS in outputs:
            durations = outputs[_DURATIONS].reshape(-1)
            timed(bounds(durations) * (len(sound) * 1000 / SAMPLE_RATE / durations.sum()))
        yield sound
