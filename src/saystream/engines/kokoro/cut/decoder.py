"""The decoder blocks of Kokoro, built anew so that their input may be padded to one of a few lengths.

The statistics of their norms are taken over the valid frames alone, so padding changes nothing.
"""

from __future__ import annotations

import numpy as np
import onnx

from saystream.engines.kokoro.cut.export import DECODER, Export
from saystream.engines.kokoro.cut.graph import Graph, tensor

__all__ = ["decoder_model"]

_BLOCKS = ("encode", "decode.0", "decode.1", "decode.2", "decode.3")
_UPSAMPLING_BLOCK = "decode.3"
_LEAKY = 0.2
_EPSILON = 1e-5
_END = 1 << 30


def decoder_model(export: Export) -> onnx.ModelProto:
    """From ``asr`` (40 frames a second), ``f0``, ``energy`` (80) and ``style`` to ``x`` (80).

    ``valid`` and ``valid2`` are 1 for the valid frames of the two rates and 0 behind them, ``share`` is one over the
    number of ``valid`` frames.
    """
    inputs = [
        tensor("asr", [1, 512, "frames"]),
        tensor("f0", [1, 1, "frames2"]),
        tensor("energy", [1, 1, "frames2"]),
        tensor("valid", [1, 1, "frames"]),
        tensor("valid2", [1, 1, "frames2"]),
        tensor("share", [1, 1, 1]),
        tensor("style", [1, 128]),
    ]
    graph = Graph()
    return graph.model("decoder", inputs, _Builder(export, graph).build(), tensor("x", [1, 512, "frames2"]))


class _Builder:
    def __init__(self, export: Export, graph: Graph) -> None:
        self._export = export
        self._graph = graph
        self._along = graph.integers(2)
        self._half_share = graph.op("Mul", "share", graph.number(0.5))
        self._root_half = float(1 / export.weight("/encoder/F0.0/Constant_2_output_0"))

    def build(self) -> str:
        f0 = self._convolved("f0", f"{DECODER}F0_conv/Conv")
        energy = self._convolved("energy", f"{DECODER}N_conv/Conv")
        residual = self._convolved("asr", f"{DECODER}asr_res/asr_res.0/Conv")
        signal, channels = self._graph.op("Concat", "asr", f0, energy, axis=1), 514
        for block in _BLOCKS:
            signal, made = self._block(signal, block, channels)
            if block != _UPSAMPLING_BLOCK:
                signal = self._graph.op("Concat", signal, residual, f0, energy, axis=1)
                channels = made + 66
        return signal

    def _block(self, signal: str, block: str, channels: int) -> tuple[str, int]:
        op = self._graph.op
        weights, _, _ = self._export.convolution(f"{DECODER}{block}/conv1/Conv")
        made = weights.shape[0]
        inner = self._norm(signal, f"{DECODER}{block}/norm1", channels, "valid", "share")
        shortcut, valid, share = signal, "valid", "share"
        if block == _UPSAMPLING_BLOCK:
            valid, share = "valid2", self._half_share
            inner = op("Mul", self._doubled(inner, block, channels), valid)
        if self._export.has_node(f"{DECODER}{block}/conv1x1/Conv"):
            shortcut = self._convolved(shortcut, f"{DECODER}{block}/conv1x1/Conv")
        if block == _UPSAMPLING_BLOCK:
            shortcut = self._interleaved(shortcut, shortcut, made)
        inner = self._convolved(inner, f"{DECODER}{block}/conv1/Conv")
        inner = self._norm(inner, f"{DECODER}{block}/norm2", made, valid, share)
        inner = self._convolved(inner, f"{DECODER}{block}/conv2/Conv")
        return op("Mul", op("Add", inner, shortcut), self._graph.number(self._root_half)), made

    def _norm(self, signal: str, name: str, channels: int, valid: str, share: str) -> str:
        """Adaptive instance norm over the valid frames, then the activation; 0 behind them."""
        op = self._graph.op
        scale, shift = self._style(name, channels)
        mean = self._mean(op("Mul", signal, valid), share)
        distance = op("Mul", op("Sub", signal, mean), valid)
        variance = self._mean(op("Mul", distance, distance), share)
        scale = op("Div", scale, op("Sqrt", op("Add", variance, self._graph.number(_EPSILON))))
        normal = op("Add", op("Mul", signal, scale), op("Sub", shift, op("Mul", mean, scale)))
        return op("Mul", op("LeakyRelu", normal, alpha=_LEAKY), valid)

    def _style(self, name: str, channels: int) -> tuple[str, str]:
        weights, bias = self._export.linear(name)
        both = self._graph.op("Gemm", "style", self._graph.constant(weights.T), self._graph.constant(bias))
        both = self._graph.op("Reshape", both, self._graph.integers(1, 2 * channels, 1))
        scale, shift = self._graph.split(both, [channels, channels])
        return self._graph.op("Add", scale, self._graph.number(1)), shift

    def _mean(self, signal: str, share: str) -> str:
        return self._graph.op("Mul", self._graph.op("ReduceSum", signal, self._along, keepdims=1), share)

    def _doubled(self, signal: str, block: str, channels: int) -> str:
        """The transposed convolution of stride 2, channel by channel: even and odd frames apart."""
        op, ints = self._graph.op, self._graph.integers
        weights, bias, _ = self._export.convolution(f"{DECODER}{block}/pool/ConvTranspose")
        assert bias is not None
        left, middle, right = (self._column(weights[:, 0, tap]) for tap in range(3))
        offset = self._column(bias)
        ends = op("Slice", signal, ints(-1), ints(_END), self._along)
        following = op(
            "Concat",
            op("Slice", signal, ints(1), ints(_END), self._along),
            op("Mul", ends, self._graph.number(0)),
            axis=2,
        )
        even = op("Add", op("Mul", signal, middle), offset)
        odd = op("Add", op("Add", op("Mul", signal, right), op("Mul", following, left)), offset)
        return self._interleaved(even, odd, channels)

    def _column(self, values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> str:
        return self._graph.constant(values.reshape(1, -1, 1).astype(np.float32))

    def _interleaved(self, even: str, odd: str, channels: int) -> str:
        op, ints = self._graph.op, self._graph.integers
        pairs = op("Concat", op("Unsqueeze", even, ints(3)), op("Unsqueeze", odd, ints(3)), axis=3)
        return op("Reshape", pairs, ints(1, channels, -1))

    def _convolved(self, signal: str, name: str) -> str:
        weights, bias, attributes = self._export.convolution(name)
        return self._graph.convolution(signal, weights, bias, **attributes)
