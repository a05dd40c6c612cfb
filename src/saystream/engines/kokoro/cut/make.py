"""Makes the parts of an export, once, beside it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto

from saystream.engines.kokoro.cut.decoder import decoder_model
from saystream.engines.kokoro.cut.export import (
    ASR,
    DURATIONS,
    ENERGY,
    F0,
    GENERATOR,
    HARMONICS,
    HIDDEN,
    MASK,
    Export,
)
from saystream.engines.kokoro.cut.generator import snake_slopes, whole_model, window_model
from saystream.engines.kokoro.cut.graph import tensor
from saystream.engines.kokoro.norms import NORMS
from saystream.engines.kokoro.parts import (
    CONSTANTS,
    CROP_SAMPLES,
    MODELS,
    PARTS_FOLDER,
    VERSION,
    VERSION_FILE,
    folder_of_parts,
)
from saystream.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["make_parts", "write_parts"]

_STILL_FRAMES = 60
_SNAKE_DEGREE = 4
"""Of the polynomial in place of a sine: 3e-4 of the wave away from it."""


def make_parts(folder: Path) -> None:
    """Makes the parts of the export in ``folder`` where they are missing: all of them, or none.

    Raises EngineUnavailable for an export that cannot be cut, or where they cannot be written.
    """
    if folder_of_parts(folder) is not None:
        return
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{PARTS_FOLDER}-", dir=folder))
        try:
            write_parts(Export(folder / "model.onnx"), made)
            (made / VERSION_FILE).write_text(VERSION, "utf-8")
            # A temporary folder is for its owner alone; the weights beside it are for everyone.
            made.chmod(folder.stat().st_mode)
            shutil.rmtree(folder / PARTS_FOLDER, ignore_errors=True)
            made.rename(folder / PARTS_FOLDER)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise EngineUnavailable(
            f"The parts of Kokoro could not be written into {folder}: {error.strerror}."
        ) from error


def write_parts(export: Export, folder: Path) -> None:
    """Writes every model and what NumPy computes with."""
    for name, model in zip(MODELS, _models(export), strict=True):
        onnx.save(model, folder / f"{name}.onnx")
    np.savez(folder / CONSTANTS, allow_pickle=False, **_constants(export))


def _models(export: Export) -> Iterator[onnx.ModelProto]:
    """In the order of ``MODELS``."""
    ids = tensor("input_ids", [1, "n"], TensorProto.INT64)
    hidden = tensor(HIDDEN, [1, "n", 512])
    yield export.stretch([ids, tensor(MASK, [1, 1, "n", "n"])], [hidden])
    yield export.stretch(
        [hidden, ids, tensor("style", [1, 256]), tensor("speed", [1])],
        [
            tensor(ASR, [1, 512, "frames"]),
            tensor(F0, [1, "frames2"]),
            tensor(ENERGY, [1, "frames2"]),
            tensor(DURATIONS, ["n"], TensorProto.INT64),
        ],
    )
    yield decoder_model(export)
    yield window_model(export, crop=CROP_SAMPLES, degree=_SNAKE_DEGREE)
    yield whole_model(export, degree=_SNAKE_DEGREE)


def _constants(export: Export) -> dict[str, NDArray[np.float32]]:
    """What is computed outside of the models: the style's part of the norms, the harmonic source, the inverse STFT."""
    layers = [export.linear(f"{GENERATOR}{norm.name}") for norm in NORMS]
    sizes = [norm.channels for norm in NORMS]
    halves = [
        (weights[:size], bias[:size], weights[size:], bias[size:])
        for (weights, bias), size in zip(layers, sizes, strict=True)
    ]
    scale, scale_bias, shift, shift_bias = (np.concatenate(column) for column in zip(*halves, strict=True))
    sine = f"{GENERATOR}m_source/l_sin_gen/"
    return {
        "scale": scale,
        "scale_bias": scale_bias,
        "shift": shift,
        "shift_bias": shift_bias,
        "snake_slopes": snake_slopes(export),
        "synthesis": export.convolution(f"{GENERATOR}istft/stft/ConvTranspose")[0][:, 0, :],
        "synthesis_gain": export.input_of(f"{GENERATOR}istft/stft/Mul_4", 1),
        "analysis_window": export.weight(f"{GENERATOR}Constant_17_output_0"),
        "harmonics": export.weight("onnx::MatMul_6993").reshape(-1),
        "harmonics_bias": export.weight("decoder.decoder.generator.m_source.l_linear.bias").reshape(-1),
        "sine_amplitude": export.input_of(f"{sine}Mul_5", 1),
        "voiced_above_hz": export.input_of(f"{sine}Greater", 1),
        "unvoiced": _unvoiced(export),
    }


def _unvoiced(export: Export) -> NDArray[np.float32]:
    """The features of a frame without voice: a constant, whose phases are rounding errors of the export."""
    harmonics = export.stretch([tensor(F0, [1, "frames2"])], [tensor(HARMONICS, [1, 22, "samples"])])
    session = onnxruntime.InferenceSession(harmonics.SerializeToString(), providers=["CPUExecutionProvider"])
    still = session.run(None, {F0: np.full((1, _STILL_FRAMES), -7.0, np.float32)})[0]
    return np.asarray(still[0, :, still.shape[2] // 2], np.float32)
