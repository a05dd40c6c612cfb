"""CAM++: who speaks, as 192 numbers. It was trained on 200,000 speakers of Chinese and English.

The network is that of 3D-Speaker (arXiv 2303.00332), in NumPy: it is small, and PyTorch is not.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saystream.errors import EngineUnavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples

__all__ = ["EMBEDDING_SIZE", "RATE", "SpeakerEncoder"]

RATE = 16_000
"""Hz, of what it hears."""
EMBEDDING_SIZE = 192

_MELS = 80
_FRAME, _HOP, _FFT = 400, 160, 512
_LOWEST_HZ = 20.0
_SEGMENT_FRAMES = 100
_BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of each dense block."""
_EPSILON = 1e-5


class SpeakerEncoder:
    """By the weights in ``path``. Raises EngineUnavailable for a file that does not hold them."""

    def __init__(self, path: Path) -> None:
        try:
            self._weights = _read(path)
        except (OSError, ValueError, LookupError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
            raise EngineUnavailable(f"{path} does not hold CAM++: {type(error).__name__}.") from error

    def embedding(self, samples: Samples) -> Samples:
        """Of mono samples at ``RATE``, at least half a second; of length 1."""
        x = self._head(_features(samples).T[np.newaxis])
        x = self._normal(
            _convolved(x, self._weights["xvector.tdnn.linear.weight"], stride=2, padding=2), "tdnn"
        )
        for number, (layers, dilation) in enumerate(_BLOCKS, start=1):
            for layer in range(1, layers + 1):
                x = np.concatenate([x, self._dense(x, f"block{number}.tdnnd{layer}", dilation)])
            x = self._linear(self._normal(x, f"transit{number}"), f"transit{number}.linear")
        x = self._batch_norm(x, "xvector.out_nonlinear.batchnorm", relu=True)
        pooled = np.concatenate([x.mean(axis=1), x.std(axis=1, ddof=1)])[:, np.newaxis]
        vector = self._batch_norm(
            self._linear(pooled, "dense.linear"), "xvector.dense.nonlinear.batchnorm", relu=False
        ).reshape(-1)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)

    def _head(self, x: Samples) -> Samples:
        """(1, mels, frames) to (320, frames)."""
        x = self._flat(x, "head.conv1", "head.bn1", relu=True)
        for layer in ("head.layer1", "head.layer2"):
            for block, stride in ((f"{layer}.0", 2), (f"{layer}.1", 1)):
                inner = self._flat(x, f"{block}.conv1", f"{block}.bn1", stride, relu=True)
                inner = self._flat(inner, f"{block}.conv2", f"{block}.bn2")
                if f"{block}.shortcut.0.weight" in self._weights:
                    x = self._flat(x, f"{block}.shortcut.0", f"{block}.shortcut.1", stride)
                x = np.maximum(inner + x, 0)
        x = self._flat(x, "head.conv2", "head.bn2", 2, relu=True)
        return x.reshape(-1, x.shape[2])

    def _flat(
        self, x: Samples, convolution: str, norm: str, stride: int = 1, *, relu: bool = False
    ) -> Samples:
        """A convolution over mels and frames; ``stride`` is that over mels."""
        kernel = self._weights[f"{convolution}.weight"]
        size = kernel.shape[2]
        margin = size // 2
        padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin)))
        views = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))[:, ::stride]
        columns = views.transpose(0, 3, 4, 1, 2).reshape(kernel[0].size, -1)
        made = (kernel.reshape(len(kernel), -1) @ columns).reshape(len(kernel), *views.shape[1:3])
        return self._batch_norm(made, norm, relu=relu)

    def _dense(self, x: Samples, name: str, dilation: int) -> Samples:
        x = self._batch_norm(x, f"xvector.{name}.nonlinear1.batchnorm", relu=True)
        x = self._batch_norm(
            self._linear(x, f"{name}.linear1"), f"xvector.{name}.nonlinear2.batchnorm", relu=True
        )
        kernel = self._weights[f"xvector.{name}.cam_layer.linear_local.weight"]
        local = _convolved(x, kernel, padding=dilation, dilation=dilation)
        starts = np.arange(0, x.shape[1], _SEGMENT_FRAMES)
        counts = np.diff([*starts, x.shape[1]])
        segments = np.repeat(np.add.reduceat(x, starts, axis=1) / counts, counts, axis=1)
        context = x.mean(axis=1, keepdims=True) + segments
        context = np.maximum(self._linear(context, f"{name}.cam_layer.linear1"), 0)
        gate = self._linear(context, f"{name}.cam_layer.linear2")
        # The sigmoid by tanh, which cannot overflow.
        return np.asarray(local * (0.5 + 0.5 * np.tanh(0.5 * gate)), np.float32)

    def _linear(self, x: Samples, name: str) -> Samples:
        weight = self._weights[f"xvector.{name}.weight"]
        made = weight.reshape(len(weight), -1) @ x
        bias = self._weights.get(f"xvector.{name}.bias")
        return made if bias is None else made + bias[:, np.newaxis]

    def _normal(self, x: Samples, name: str) -> Samples:
        return self._batch_norm(x, f"xvector.{name}.nonlinear.batchnorm", relu=True)

    def _batch_norm(self, x: Samples, name: str, *, relu: bool) -> Samples:
        at = self._weights
        scale = 1 / np.sqrt(at[f"{name}.running_var"] + _EPSILON)
        if f"{name}.weight" in at:
            scale = scale * at[f"{name}.weight"]
        shift = at.get(f"{name}.bias", np.float32(0)) - at[f"{name}.running_mean"] * scale
        shape = (-1,) + (1,) * (x.ndim - 1)
        made = x * scale.reshape(shape) + shift.reshape(shape)
        return np.asarray(np.maximum(made, 0) if relu else made, np.float32)


def _convolved(x: Samples, kernel: Samples, *, stride: int = 1, padding: int, dilation: int = 1) -> Samples:
    padded = np.pad(x, ((0, 0), (padding, padding)))
    width = dilation * (kernel.shape[2] - 1)
    count = (padded.shape[1] - width - 1) // stride + 1
    parts = [
        kernel[:, :, tap] @ padded[:, tap * dilation :][:, : stride * count : stride]
        for tap in range(kernel.shape[2])
    ]
    made: Samples = np.sum(parts, axis=0)
    return made


def _features(samples: Samples) -> Samples:
    """Kaldi's log mel energies, (frames, 80), less their mean over time."""
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64) * 32768, _FRAME)[::_HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME) ** 0.85, _FFT)) ** 2
    energies = np.log(np.maximum(power @ _filters().T, np.finfo(np.float32).eps))
    return np.asarray(energies - energies.mean(axis=0), np.float32)


def _filters() -> NDArray[np.float64]:
    """(80, 257): triangles on the mel scale."""
    mel = 1127 * np.log1p(np.arange(_FFT // 2 + 1) * RATE / _FFT / 700)
    edges = np.linspace(1127 * np.log1p(_LOWEST_HZ / 700), 1127 * np.log1p(RATE / 2 / 700), _MELS + 2)
    up = (mel - edges[:-2, np.newaxis]) / np.diff(edges)[:-1, np.newaxis]
    down = (edges[2:, np.newaxis] - mel) / np.diff(edges)[1:, np.newaxis]
    triangles: NDArray[np.float64] = np.maximum(0, np.minimum(up, down))
    return triangles


def _read(path: Path) -> Mapping[str, Samples]:
    """The tensors of a file of ``torch.save``: a pickle in a ZIP archive, and the numbers of each storage."""
    with zipfile.ZipFile(path) as archive:
        [listing] = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        with archive.open(listing) as file:
            tensors = _Unpickler(file, archive, listing.removesuffix(".pkl")).load()
    wanted = {name: tensor for name, tensor in tensors.items() if tensor.dtype == np.float32}
    if wanted["xvector.dense.linear.weight"].shape[0] != EMBEDDING_SIZE:
        raise ValueError(path)
    return wanted


class _Unpickler(pickle.Unpickler):
    """Makes arrays of tensors, and allows nothing else."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self._archive = archive
        self._folder = folder

    def persistent_load(self, saved: Any) -> NDArray[Any]:
        _, kind, key, _, _ = saved
        return np.frombuffer(self._archive.read(f"{self._folder}/{int(key)}"), kind)

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch", "FloatStorage"): "<f4",
            ("torch", "LongStorage"): "<i8",
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return allowed[module, name]


def _tensor(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """Only contiguous ones, which are all there are."""
    del stride
    return storage[offset : offset + int(np.prod(size))].reshape(size)
