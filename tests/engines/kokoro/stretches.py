"""What an export computes between two of its tensors, for parts to be compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from saystream.engines.kokoro.cut.export import Export
from saystream.engines.kokoro.cut.graph import tensor
from saystream.engines.kokoro.runtime import Session
from saystream.engines.kokoro.source import HarmonicSource


class HarmonicsOfTheExport(HarmonicSource):
    """Rounds as the export does, which computes phases in single precision."""

    def __init__(self, features: np.ndarray) -> None:
        self._features = features

    def features(self, start: int, end: int) -> np.ndarray:
        return self._features[:, :, start:end]


def by_the_export(export: Export, folder: Path, output: str, **inputs: np.ndarray) -> np.ndarray:
    """``output`` of the export, whose inputs and inner tensors have these values."""
    names = {name.replace("|", "/"): value for name, value in inputs.items()}
    model = export.stretch(
        [tensor(name, list(value.shape)) for name, value in names.items()], [tensor(output, None)]
    )
    onnx.save(model, folder / "stretch.onnx")
    return Session(folder / "stretch.onnx", threads=1).first(names)
