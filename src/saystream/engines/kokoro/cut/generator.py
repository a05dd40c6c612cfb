"""The generator of Kokoro, built anew from the weights of the export, in two forms.

``window_model`` takes the statistics of its norms as given, so that a stretch of the sound can be made without the
rest. ``whole_model`` computes them over the frames that its masks call valid, for a text that is made in one piece.

What differs from the export, and why:

* Snake, ``x + sin²(ax)/a``, is a polynomial in the square of the distance to the nearest period, for a sine is slow.
  ``a/pi`` is folded into scale and shift, ``pi/a`` into the weights of the next convolution.
* The upsampling transposed convolutions are convolutions of three taps with as many outputs as steps, then a
  transposition.
* With given statistics a norm is one multiplication and one addition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import onnx

from saystream.engines.kokoro.cut.export import GENERATOR, Export
from saystream.engines.kokoro.cut.graph import Graph, tensor
from saystream.engines.kokoro.norms import CHANNELS, NORMS, NUM_STATISTICS, STATISTICS, Norm

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["snake_slopes", "whole_model", "window_model"]

_UPSAMPLING = ((10, 5), (6, 3))
"""Stride and padding of each level."""
_LEAKY = 0.1
_LEAKY_LAST = 0.01
_EPSILON = 1e-5


def snake_slopes(export: Export) -> NDArray[np.float32]:
    """``a/pi`` of the Snake behind each packed channel."""
    slopes = [_alpha(export, norm).reshape(-1) / np.pi for norm in NORMS]
    return np.concatenate(slopes).astype(np.float32)


def window_model(export: Export, *, crop: int, degree: int) -> onnx.ModelProto:
    """Makes the frames of a window from ``x``, ``har``, ``scale`` and ``shift``.

    ``crop`` samples at 800 Hz are cut from each side between the levels: the second level, most of the work, needs less
    context than the first. ``degree`` is that of Snake's polynomial.
    """
    inputs = [
        tensor("x", [1, 512, "frames"]),
        tensor("har", [1, 22, "samples"]),
        tensor("scale", [1, CHANNELS, 1]),
        tensor("shift", [1, CHANNELS, 1]),
    ]
    graph = Graph()
    builder = _Builder(export, graph, _Given(graph), degree=degree)
    return graph.model("window", inputs, builder.build(crop), tensor("spectrum", [1, 22, "frames_out"]))


def whole_model(export: Export, *, degree: int, measured: bool = False) -> onnx.ModelProto:
    """Makes all frames at once.

    ``valid0`` and ``valid1`` are 1 for the valid samples of the two levels and 0 behind them, ``share`` holds one over
    the number of each. With ``measured`` it gives, instead of the spectrum, the mean of each channel of ``STATISTICS``,
    packed, then the variances.
    """
    inputs = [
        tensor("x", [1, 512, "frames"]),
        tensor("har", [1, 22, "samples"]),
        tensor("scale", [1, CHANNELS, 1]),
        tensor("shift", [1, CHANNELS, 1]),
        tensor("valid0", [1, 1, "samples0"]),
        tensor("valid1", [1, 1, "samples"]),
        tensor("share", [2, 1, 1]),
    ]
    graph = Graph()
    norms = _Masked(graph)
    spectrum = _Builder(export, graph, norms, degree=degree).build(0)
    if measured:
        packed = graph.op("Concat", *norms.statistics(), axis=1)
        return graph.model("measured", inputs, packed, tensor("statistics", [1, 2 * NUM_STATISTICS, 1]))
    return graph.model("whole", inputs, spectrum, tensor("spectrum", [1, 22, "frames_out"]))


class _Norms(ABC):
    """How a norm gets its statistics."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        sizes = [norm.channels for norm in NORMS]
        self._scale = dict(zip(NORMS, graph.split("scale", sizes), strict=True))
        self._shift = dict(zip(NORMS, graph.split("shift", sizes), strict=True))
        self.level = 0

    @abstractmethod
    def apply(self, signal: str, norm: Norm) -> str: ...

    def only_valid(self, signal: str) -> str:
        """``signal`` with zeros where there is nothing, so that a convolution sees the end there."""
        return signal


class _Given(_Norms):
    def apply(self, signal: str, norm: Norm) -> str:
        return self._graph.op("Add", self._graph.op("Mul", signal, self._scale[norm]), self._shift[norm])


class _Masked(_Norms):
    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._along = graph.integers(2)
        self._shares = [
            graph.op("Gather", "share", graph.constant(np.array(n, np.int64)), axis=0) for n in (0, 1)
        ]
        self._statistics: dict[Norm, tuple[str, str]] = {}

    def apply(self, signal: str, norm: Norm) -> str:
        op = self._graph.op
        if norm.statistic not in self._statistics:
            mean = self._mean(signal)
            distance = self.only_valid(op("Sub", signal, mean))
            self._statistics[norm.statistic] = mean, self._mean(op("Mul", distance, distance), valid=True)
        mean, variance = self._statistics[norm.statistic]
        deviation = op("Sqrt", op("Add", variance, self._graph.number(_EPSILON)))
        scale = op("Div", self._scale[norm], deviation)
        return op("Add", op("Mul", signal, scale), op("Sub", self._shift[norm], op("Mul", mean, scale)))

    def statistics(self) -> list[str]:
        """All means, then all variances, in the order of ``STATISTICS``."""
        return [self._statistics[norm][kind] for kind in (0, 1) for norm in STATISTICS]

    def only_valid(self, signal: str) -> str:
        return self._graph.op("Mul", signal, f"valid{self.level}")

    def _mean(self, signal: str, *, valid: bool = False) -> str:
        summed = signal if valid else self.only_valid(signal)
        total = self._graph.op("ReduceSum", summed, self._along, keepdims=1)
        return self._graph.op("Mul", total, self._shares[self.level])


class _Builder:
    def __init__(self, export: Export, graph: Graph, norms: _Norms, *, degree: int) -> None:
        self._export = export
        self._graph = graph
        self._norms = norms
        self._snake = _snake_polynomial(degree)

    def build(self, crop: int) -> str:
        op, ints = self._graph.op, self._graph.integers
        signal = self._upsampled(op("LeakyRelu", "x", alpha=_LEAKY), 0)
        noise = self._residual(self._convolved("har", "noise_convs.0"), "noise_res.0")
        signal = self._mixed(op("Add", signal, noise), (0, 1, 2))
        signal = self._norms.only_valid(op("LeakyRelu", signal, alpha=_LEAKY))
        self._norms.level = 1
        source = "har"
        if crop:
            signal = op("Slice", signal, ints(crop), ints(-crop), ints(2))
            source = op("Slice", source, ints(6 * crop), ints(-6 * crop), ints(2))
        signal = self._upsampled(signal, 1)
        reflected = op("Slice", signal, ints(1), ints(2), ints(2))
        signal = op("Concat", reflected, signal, axis=2)
        noise = self._residual(self._convolved(source, "noise_convs.1"), "noise_res.1")
        signal = self._mixed(op("Add", signal, noise), (3, 4, 5))
        signal = self._norms.only_valid(op("LeakyRelu", signal, alpha=_LEAKY_LAST))
        return self._convolved(signal, "conv_post")

    def _mixed(self, signal: str, blocks: tuple[int, int, int]) -> str:
        """The mean of three parallel blocks."""
        first, second, third = (self._residual(signal, f"resblocks.{number}") for number in blocks)
        total = self._graph.op("Add", self._graph.op("Add", first, second), third)
        return self._graph.op("Mul", total, self._graph.number(1 / 3))

    def _residual(self, signal: str, block: str) -> str:
        for step in range(3):
            inner = signal
            for half in (1, 2):
                norm = Norm(block, half, step)
                inner = self._snaked(self._norms.apply(inner, norm))
                inner = self._convolved_after_snake(inner, norm)
            signal = self._graph.op("Add", inner, signal)
        return signal

    def _snaked(self, turns: str) -> str:
        """Snake of ``turns``, the signal times ``a/pi``, itself times ``a/pi``."""
        op = self._graph.op
        distance = op("Sub", turns, op("Round", turns))
        square = op("Mul", distance, distance)
        *rest, highest = (coefficient / np.pi for coefficient in self._snake)
        value = op("Mul", square, self._graph.number(highest))
        for coefficient in reversed(rest):
            value = op("Mul", op("Add", value, self._graph.number(coefficient)), square)
        return op("Add", turns, value)

    def _convolved(self, signal: str, name: str) -> str:
        weights, bias, attributes = self._export.convolution(f"{GENERATOR}{name}/Conv")
        return self._graph.convolution(signal, weights, bias, **attributes)

    def _convolved_after_snake(self, signal: str, norm: Norm) -> str:
        name = f"{GENERATOR}{norm.block}/convs{norm.half}.{norm.step}/Conv"
        weights, bias, attributes = self._export.convolution(name)
        weights = (weights * (np.pi / _alpha(self._export, norm).reshape(1, -1, 1))).astype(np.float32)
        return self._graph.convolution(self._norms.only_valid(signal), weights, bias, **attributes)

    def _upsampled(self, signal: str, level: int) -> str:
        stride, padding = _UPSAMPLING[level]
        weights, bias, _ = self._export.convolution(f"{GENERATOR}ups.{level}/ConvTranspose")
        assert bias is not None
        num_inputs, num_outputs, taps = weights.shape
        phases = np.zeros((num_outputs, stride, num_inputs, 3), np.float32)
        for phase in range(stride):
            for neighbour in (-1, 0, 1):
                tap = phase + padding - stride * neighbour
                if 0 <= tap < taps:
                    phases[:, phase, :, neighbour + 1] = weights[:, :, tap].T
        op, ints = self._graph.op, self._graph.integers
        together = self._graph.convolution(
            signal,
            phases.reshape(num_outputs * stride, num_inputs, 3),
            np.repeat(bias, stride),
            kernel_shape=[3],
            pads=[1, 1],
        )
        apart = op("Reshape", together, ints(1, num_outputs, stride, -1))
        return op("Reshape", op("Transpose", apart, perm=[0, 1, 3, 2]), ints(1, num_outputs, -1))


def _alpha(export: Export, norm: Norm) -> NDArray[np.float32]:
    return export.weight(f"decoder.decoder.generator.{norm.block}.alpha{norm.half}.{norm.step}")


def _snake_polynomial(degree: int) -> list[float]:
    """Coefficients of r², r⁴ … that come nearest to sin²(pi r) for r from -0.5 to 0.5."""
    points = np.cos(np.pi * (np.arange(400) + 0.5) / 400) * 0.5
    powers = np.stack([points ** (2 * power) for power in range(1, degree + 1)], axis=1)
    coefficients, *_ = np.linalg.lstsq(powers, np.sin(np.pi * points) ** 2, rcond=None)
    return [float(coefficient) for coefficient in coefficients]
