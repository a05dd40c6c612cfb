"""A Kokoro of chance: the published export's names and shapes, random weights, and as few of them as its cut allows.

The generator has its real numbers of channels, with kernels of one and three taps but for two of its blocks, which see
as far as Kokoro's; the blocks of the decoder have eight channels. Text and prosody are stand-ins: four frames for each
symbol. What is written here follows the network as it was trained, not how ``cut`` builds it anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from saystream.engines.kokoro.cut.export import (
    ASR,
    DECODER,
    DURATIONS,
    ENERGY,
    F0,
    GENERATOR,
    HARMONICS,
    HIDDEN,
    MASK,
)
from saystream.engines.kokoro.norms import BLOCKS

VOICE = "af_heart"
FRAMES_OF_SYMBOL = 8
DECODED = f"{DECODER}decode.3/Div_4_output_0"

_EPSILON = 1e-5
_INNER = 8
"""Channels between the blocks of the decoder."""
_WIDE_BLOCKS = ("resblocks.2", "resblocks.5")
"""One on each level."""


def write_small_export(folder: Path) -> Path:
    """Makes ``folder`` a Kokoro that can be cut, and gives it back."""
    (folder / "voices").mkdir(parents=True)
    style = np.random.default_rng(5).normal(size=(510, 1, 256))
    (0.3 * style).astype(np.float32).tofile(folder / "voices" / f"{VOICE}.bin")
    onnx.save(_SmallExport().model(), folder / "model.onnx")
    return folder


class _SmallExport:
    def __init__(self) -> None:
        self._chance = np.random.default_rng(4)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, np.ndarray] = {}

    def model(self) -> onnx.ModelProto:
        self._encoder()
        self._op("Slice", "style", *map(self._ints, ((0,), (128,), (1,))), output="timbre")
        self._decoder()
        self._source()
        self._generator()
        inputs = [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "n"]),
            helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
            helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
        ]
        outputs = [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, [1, "samples"])]
        weights = [numpy_helper.from_array(values, name) for name, values in self._weights.items()]
        graph = helper.make_graph(self._nodes, "small-kokoro", inputs, outputs, weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

    def _encoder(self) -> None:
        numbers = self._op("Cast", "input_ids", to=TensorProto.FLOAT)
        nothing = self._op("Mul", numbers, self._number(0.0))
        rows, columns = (self._op("Unsqueeze", nothing, self._ints(axes)) for axes in ((1, 3), (1, 2)))
        self._op("Add", rows, columns, output=MASK)
        table = self._constant(20 * self._normal(178, 512))
        masked = self._op("ReduceMean", MASK, self._ints((1, 2)), keepdims=0)
        shown = self._op("Unsqueeze", masked, self._ints((2,)))
        self._op("Add", self._op("Gather", table, "input_ids"), shown, output=HIDDEN)

        along = self._op("Transpose", HIDDEN, perm=[0, 2, 1])
        self._repeated(along, FRAMES_OF_SYMBOL // 2, (1, 512, -1), ASR)
        height = self._op("ReduceMean", ASR, self._ints((1,)), keepdims=0)
        melody = self._op("Mul", self._op("Add", height, "speed"), self._number(120.0))
        self._repeated(melody, 2, (1, -1), F0)
        self._repeated(height, 2, (1, -1), ENERGY)
        lasting = self._op("Add", nothing, self._number(FRAMES_OF_SYMBOL / 2))
        whole = self._op("Cast", lasting, to=TensorProto.INT64)
        self._op("Reshape", whole, self._ints((-1,)), output=DURATIONS)

    def _repeated(self, signal: str, times: int, shape: tuple[int, ...], output: str) -> None:
        """Each value of the last axis so often."""
        apart = self._op("Unsqueeze", signal, self._ints((len(shape),)))
        tiled = self._op("Tile", apart, self._ints((*(1 for _ in shape), times)))
        self._op("Reshape", tiled, self._ints(shape), output=output)

    def _decoder(self) -> None:
        self._weights["/encoder/F0.0/Constant_2_output_0"] = np.array(np.sqrt(2), np.float32)
        f0, energy = (
            self._conv(
                self._op("Unsqueeze", name, self._ints((1,))), f"{DECODER}{conv}", 1, 1, taps=3, strides=[2]
            )
            for name, conv in ((F0, "F0_conv"), (ENERGY, "N_conv"))
        )
        residual = self._conv(ASR, f"{DECODER}asr_res/asr_res.0", 512, 64, taps=1)
        signal = self._op("Concat", ASR, f0, energy, axis=1)
        signal = self._decoder_block(signal, "encode", 514, _INNER)
        for number in range(4):
            joined = self._op("Concat", signal, residual, f0, energy, axis=1)
            made = 512 if number == 3 else _INNER
            signal = self._decoder_block(joined, f"decode.{number}", _INNER + 66, made)
        assert signal == DECODED

    def _decoder_block(self, signal: str, block: str, channels: int, made: int) -> str:
        name = f"{DECODER}{block}"
        inner = self._op("LeakyRelu", self._adaptive_norm(signal, f"{name}/norm1", channels), alpha=0.2)
        shortcut = signal
        if block == "decode.3":
            weights, bias = (
                self._constant(self._normal(channels, 1, 3)),
                self._constant(self._normal(channels)),
            )
            inner = self._op(
                "ConvTranspose", inner, weights, bias, name=f"{name}/pool/ConvTranspose", kernel_shape=[3],
                strides=[2], pads=[1, 1], output_padding=[1], group=channels,
            )  # fmt: skip
            scales = self._constant(np.array([1, 1, 2], np.float32))
            shortcut = self._op("Resize", signal, "", scales, mode="nearest", nearest_mode="floor",
                                coordinate_transformation_mode="asymmetric")  # fmt: skip
        inner = self._conv(inner, f"{name}/conv1", channels, made, taps=3)
        inner = self._op("LeakyRelu", self._adaptive_norm(inner, f"{name}/norm2", made), alpha=0.2)
        inner = self._conv(inner, f"{name}/conv2", made, made, taps=3)
        shortcut = self._conv(shortcut, f"{name}/conv1x1", channels, made, taps=1)
        output = DECODED if block == "decode.3" else ""
        return self._op(
            "Div", self._op("Add", inner, shortcut), "/encoder/F0.0/Constant_2_output_0", output=output
        )

    def _source(self) -> None:
        """A stand-in: the real one is compared with ``HarmonicSource`` where the weights are."""
        slow = self._op("Unsqueeze", self._op("Mul", F0, self._number(0.01)), self._ints((1,)))
        wave = self._op("ConvTranspose", slow, self._constant(self._normal(1, 22, 61)), strides=[60])
        self._op("Sin", wave, output=HARMONICS)
        sine = f"{GENERATOR}m_source/l_sin_gen/"
        self._op("Mul", F0, self._number(0.1), name=f"{sine}Mul_5")
        self._op("Greater", F0, self._number(10.0), name=f"{sine}Greater")
        self._weights |= {
            f"{GENERATOR}Constant_17_output_0": np.hanning(21)[:20].astype(np.float32),
            "onnx::MatMul_6993": self._normal(9, 1),
            "decoder.decoder.generator.m_source.l_linear.bias": self._normal(1),
        }

    def _generator(self) -> None:
        signal = DECODED
        for level, (inputs, outputs, stride) in enumerate(((512, 256, 10), (256, 128, 6))):
            signal = self._op("LeakyRelu", signal, alpha=0.1)
            name = f"{GENERATOR}noise_convs.{level}"
            if level == 0:
                noise = self._conv(HARMONICS, name, 22, outputs, taps=12, strides=[6], pads=[3, 3])
            else:
                noise = self._conv(HARMONICS, name, 22, outputs, taps=1)
            noise = self._residual(noise, f"noise_res.{level}")
            weights, bias = self._normal(inputs, outputs, 2 * stride), self._normal(outputs)
            signal = self._op(
                "ConvTranspose", signal, self._constant(weights), self._constant(bias),
                name=f"{GENERATOR}ups.{level}/ConvTranspose", kernel_shape=[2 * stride], strides=[stride],
                pads=[stride // 2] * 2,
            )  # fmt: skip
            if level == 1:
                signal = self._op("Pad", signal, self._ints((0, 0, 1, 0, 0, 0)), mode="reflect")
            signal = self._op("Add", signal, noise)
            blocks = [self._residual(signal, f"resblocks.{3 * level + number}") for number in range(3)]
            signal = self._op("Div", self._op("Sum", *blocks), self._number(3.0))
        signal = self._op("LeakyRelu", signal, alpha=0.01)
        spectrum = self._conv(signal, f"{GENERATOR}conv_post", 128, 22, taps=7, gain=0.2)
        magnitude, phase = (
            self._op(kind, self._op("Slice", spectrum, *map(self._ints, ((start,), (end,), (1,)))))
            for kind, start, end in (("Exp", 0, 11), ("Sin", 11, 22))
        )
        parts = [self._op("Mul", magnitude, self._op(kind, phase)) for kind in ("Cos", "Sin")]
        name = f"{GENERATOR}istft/stft/"
        wave = self._op(
            "ConvTranspose", self._op("Concat", *parts, axis=1), self._constant(self._normal(22, 1, 20)),
            name=f"{name}ConvTranspose", kernel_shape=[20], strides=[5],
        )  # fmt: skip
        wave = self._op("Mul", wave, self._number(0.5), name=f"{name}Mul_4")
        cropped = self._op("Slice", wave, *map(self._ints, ((10,), (-10,), (2,))))
        self._op("Squeeze", cropped, self._ints((1,)), output="waveform")

    def _residual(self, signal: str, block: str) -> str:
        channels = BLOCKS[block]
        for step, dilation in enumerate((1, 3, 5)):
            inner = signal
            for half, taps in ((1, 11), (2, 11)) if block in _WIDE_BLOCKS else ((1, 3), (2, 1)):
                inner = self._adaptive_norm(inner, f"{GENERATOR}{block}/adain{half}.{step}", channels)
                alpha = f"decoder.decoder.generator.{block}.alpha{half}.{step}"
                self._weights[alpha] = (1 + 0.3 * self._chance.random((1, channels, 1))).astype(np.float32)
                sine = self._op("Sin", self._op("Mul", inner, alpha))
                inner = self._op("Add", inner, self._op("Div", self._op("Mul", sine, sine), alpha))
                inner = self._conv(
                    inner, f"{GENERATOR}{block}/convs{half}.{step}", channels, channels, taps=taps,
                    dilations=[dilation if half == 1 else 1],
                )  # fmt: skip
            signal = self._op("Add", inner, signal)
        return signal

    def _adaptive_norm(self, signal: str, name: str, channels: int) -> str:
        weights = self._constant(self._normal(2 * channels, 128))
        both = self._op(
            "Gemm",
            "timbre",
            weights,
            self._constant(self._normal(2 * channels)),
            name=f"{name}/fc/Gemm",
            transB=1,
        )
        scale, shift = (
            self._op(
                "Unsqueeze",
                self._op("Slice", both, *map(self._ints, ((start,), (end,), (1,)))),
                self._ints((2,)),
            )
            for start, end in ((0, channels), (channels, 2 * channels))
        )
        distance = self._op("Sub", signal, self._op("ReduceMean", signal, self._ints((2,)), keepdims=1))
        variance = self._op("ReduceMean", self._op("Mul", distance, distance), self._ints((2,)), keepdims=1)
        deviation = self._op("Sqrt", self._op("Add", variance, self._number(_EPSILON)))
        normal = self._op("Div", distance, deviation)
        return self._op("Add", self._op("Mul", normal, self._op("Add", scale, self._number(1.0))), shift)

    def _conv(
        self,
        signal: str,
        name: str,
        inputs: int,
        outputs: int,
        *,
        taps: int,
        gain: float = 1.0,
        pads: list[int] | None = None,
        **given: Any,
    ) -> str:
        dilation = given.get("dilations", [1])[0]
        attributes = {
            "kernel_shape": [taps],
            "pads": pads or [dilation * (taps // 2)] * 2,
            "strides": [1],
        } | given
        weights, bias = self._normal(outputs, inputs, taps) * np.float32(gain), self._normal(outputs)
        return self._op(
            "Conv", signal, self._constant(weights), self._constant(bias), name=f"{name}/Conv", **attributes
        )

    def _normal(self, *shape: int) -> np.ndarray:
        """So small that a sum over the inputs stays about one."""
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 100
        return (self._chance.standard_normal(shape, np.float32) / np.sqrt(fan_in)).astype(np.float32)

    def _constant(self, values: np.ndarray) -> str:
        name = f"constant_{len(self._weights)}"
        self._weights[name] = values
        return name

    def _ints(self, values: tuple[int, ...]) -> str:
        return self._constant(np.array(values, np.int64))

    def _number(self, value: float) -> str:
        return self._constant(np.array(value, np.float32))

    def _op(self, kind: str, *inputs: str, name: str = "", output: str = "", **attributes: Any) -> str:
        name = name or f"/{kind}_{len(self._nodes)}"
        output = output or f"{name}_output_0"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=name, **attributes))
        return output
