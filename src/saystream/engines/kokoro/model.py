"""The model as it was published: an ONNX file that makes all the sound of a text in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saystream.engines.kokoro.constants import SAMPLE_RATE
from saystream.engines.kokoro.runtime import Session
from saystream.engines.kokoro.splitting import Limits
from saystream.engines.kokoro.timing import bounds
from saystream.engines.kokoro.vocabulary import EDGE, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples
    from saystream.engines.kokoro.runtime import Interrupt
    from saystream.engines.kokoro.styles import Styles

__all__ = ["Reading", "WholeModel"]

_DURATIONS = "durations"
"""The output of some exports that says how long each symbol and each edge lasts, in frames."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model is going to say of one pass."""

    steps: Sequence[Callable[[], Samples]]
    """Each gives the sound of one window, in their order; they may be called by several threads. They raise
    Interrupted."""
    bounds_ms: NDArray[np.float64] | None
    """When each symbol begins, and at last when the last one ends, from the first sample on, where that is known."""


class WholeModel:
    """``read`` may be called by several threads. Raises EngineUnavailable where ``path`` is no model."""

    runtime = "ONNX Runtime, fp32, whole passes"
    limits = Limits()
    chunk_ms = 0.0
    """All of it at once."""
    tunes = False
    """The fundamental frequency lies inside of the export."""

    def __init__(self, path: Path, styles: Styles, *, threads: int) -> None:
        self.threads = threads
        self._styles = styles
        self._session = Session(path, threads=threads)
        # Exports differ in the name of their first input.
        self._text_input = next((name for name in self._session.inputs if name not in ("style", "speed")), "")

    def read(
        self,
        symbols: str,
        voice: Mapping[str, float],
        *,
        timbre: Mapping[str, float] | None = None,
        speed: float = 1.0,
        intonation: float = 1.0,
        tuning: Callable[[Samples], Samples] | None = None,
        interrupt: Interrupt | None = None,
    ) -> Reading:
        """1 to ``MAX_SYMBOLS`` symbols in a mix of voices, whose sound is one step. ``timbre`` is a mix for the timbre
        alone, where it is not that of ``voice``. ``intonation`` stays as it is, and there is no ``tuning``. Raises
        Interrupted."""
        assert tuning is None
        inputs = {
            self._text_input: np.array([[EDGE, *numbers(symbols), EDGE]], np.int64),
            "style": self._styles.mixed(voice, len(symbols), timbre=timbre)[np.newaxis],
            "speed": np.array([speed], np.float32),
        }
        outputs = dict(zip(self._session.outputs, self._session.run(inputs, interrupt), strict=True))
        sound = np.asarray(outputs.pop(self._session.outputs[0]), np.float32).reshape(-1)
        durations = outputs[_DURATIONS].reshape(-1) if _DURATIONS in outputs else None
        if durations is None:
            return Reading((lambda: sound,), None)
        return Reading(
            (lambda: sound,), bounds(durations) * (len(sound) * 1000 / SAMPLE_RATE / durations.sum())
        )
