"""Runs models by OpenVINO, compiled for the shapes that they are given."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saystream.engines.kokoro.memory import give_back_memory
from saystream.engines.kokoro.runtime import Interrupted

if TYPE_CHECKING:
    from saystream.audio import Samples
    from saystream.engines.kokoro.runtime import Interrupt

__all__ = ["CompiledModel", "Compiler"]

_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


class Compiler:
    """Compiles models for ``streams`` runs at once, each of ``threads``."""

    def __init__(self, cache: Path, *, streams: int, threads: int) -> None:
        """Compiled models are kept in ``cache``, which may be missing, where it can be written.

        Raises ModuleNotFoundError where OpenVINO is not installed.
        """
        # With this package, ``import openvino`` tells its makers over the network that it was used.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino

        self.version: str = openvino.__version__.partition("-")[0]
        self._core = openvino.Core()
        if os.access(cache if cache.exists() else cache.parent, os.W_OK):
            self._core.set_property({"CACHE_DIR": str(cache)})
        self._settings = {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams * threads}

    @property
    def has_bf16(self) -> bool:
        """The processor computes in bfloat16 itself."""
        return "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")

    def compile(self, path: Path, precision: str, shapes: Mapping[str, Sequence[int]]) -> CompiledModel:
        """``shapes`` are those of the inputs whose shape the model leaves open."""
        model = self._core.read_model(path)
        model.reshape({name: list(shape) for name, shape in shapes.items()})
        settings = {**self._settings, "INFERENCE_PRECISION_HINT": _PRECISIONS[precision]}
        compiled = CompiledModel(self._core.compile_model(model, "CPU", settings))
        # Before the next is compiled: reading one takes more than twice the size of its file.
        del model
        give_back_memory()
        return compiled


class CompiledModel:
    """``first`` may be called by several threads at once."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._of_thread = threading.local()

    def first(self, inputs: Mapping[str, Any], interrupt: Interrupt | None = None) -> Samples:
        """The first output. Raises Interrupted, at the beginning only: a window is short."""
        if interrupt is not None and interrupt.set:
            raise Interrupted
        request = getattr(self._of_thread, "request", None)
        if request is None:
            request = self._of_thread.request = self._compiled.create_infer_request()
        request.infer(dict(inputs), share_inputs=True)
        return np.array(request.get_output_tensor(0).data, np.float32)
