"""Runs models by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from saystream.errors import EngineUnavailable

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["Interrupt", "Interrupted", "Session"]


class Interrupted(Exception):
    """A model was ended by its ``Interrupt``."""


class Interrupt:
    """Ends what a model computes from another thread."""

    def __init__(self) -> None:
        self.options = onnxruntime.RunOptions()
        self.set = False

    def __call__(self) -> None:
        self.set = True
        self.options.terminate = True


class Session:
    """One loaded model. ``run`` may be called by several threads at once."""

    def __init__(self, path: Path, *, threads: int) -> None:
        """Raises EngineUnavailable where there is no such model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Planning it takes most of the time of loading (of ``whole`` 1.2 of 1.4 CPU s), and saves neither memory nor
        # time when the model runs (measured).
        options.enable_mem_reuse = False
        # Threads that spin while they wait take the cores from the other streams (measured).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base but this
            raise EngineUnavailable(f"{path} is not a Kokoro model: {type(error).__name__}.") from error
        self.inputs = tuple(each.name for each in self._session.get_inputs())
        self.outputs = tuple(each.name for each in self._session.get_outputs())

    def run(
        self,
        inputs: Mapping[str, Any],
        interrupt: Interrupt | None = None,
        *,
        outputs: Sequence[str] | None = None,
    ) -> list[Any]:
        """The outputs, all or those named. Raises Interrupted."""
        try:
            return list(self._session.run(outputs, dict(inputs), interrupt.options if interrupt else None))
        except Exception as error:
            if interrupt is not None and interrupt.set:
                raise Interrupted from error
            raise

    def first(self, inputs: Mapping[str, Any], interrupt: Interrupt | None = None) -> Samples:
        """The first output. Raises Interrupted."""
        return np.asarray(self.run(inputs, interrupt)[0], np.float32)
