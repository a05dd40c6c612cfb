"""A Kokoro of one kilobyte: the inputs and the output of the real one, and a hum in place of a voice.

Each symbol lasts 50 ms at speed 1; half a second of silence is before and after them. The style sets
the pitch: its mean is the fundamental in hundreds of hertz.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SAMPLE_RATE = 24_000
SYMBOL_SAMPLES = 1200
EDGE_SAMPLES = 12_000
VOICES = {"af_heart": 2.0, "am_adam": 1.2, "bf_emma": 2.2, "zf_xiaoxiao": 2.4}
"""Fundamental in hundreds of hertz."""


def write_tiny_kokoro(folder: Path, voices: Mapping[str, float] = VOICES, *, timed: bool = True) -> Path:
    """Make ``folder`` a Kokoro, and give it back. ``timed``: as some exports do, it says how long each symbol lasts."""
    (folder / "voices").mkdir(parents=True)
    for name, hundreds in voices.items():
        np.full((510, 1, 256), hundreds, np.float32).tofile(folder / "voices" / f"{name}.bin")
    onnx.save(_model(timed=timed), folder / "model.onnx")
    return folder


def _model(*, timed: bool) -> onnx.ModelProto:
    constants: dict[str, np.ndarray] = {
        "one": np.array(1, np.int64), "symbol": np.array(SYMBOL_SAMPLES, np.float32),
        "both": np.array(2, np.float32), "margin": np.array(EDGE_SAMPLES, np.float32), "zero": np.array(0, np.int64),
        "last_axis": np.array([1], np.int64), "omega": np.array(2 * np.pi * 100 / SAMPLE_RATE, np.float32),
        "two": np.array(2, np.float32), "loud": np.array(0.3, np.float32), "soft": np.array(0.15, np.float32),
        "rows": np.array([0], np.int64), "edge_id": np.array(0, np.int64),
        "frames": np.array(2, np.int64), "edge_frames": np.array(20, np.int64),
    }  # fmt: skip
    nodes = [
        # The number of samples, and of those of an edge.
        helper.make_node("Size", ["input_ids"], ["count"]),
        helper.make_node("Cast", ["count"], ["symbols"], to=TensorProto.FLOAT),
        helper.make_node("Squeeze", ["speed"], ["tempo"]),
        helper.make_node("Sub", ["symbols", "both"], ["inner"]),
        helper.make_node("Mul", ["inner", "symbol"], ["speech"]),
        helper.make_node("Add", ["margin", "margin"], ["margins"]),
        helper.make_node("Add", ["speech", "margins"], ["unhurried"]),
        helper.make_node("Div", ["unhurried", "tempo"], ["exact"]),
        helper.make_node("Div", ["margin", "tempo"], ["edge"]),
        helper.make_node("Cast", ["exact"], ["total"], to=TensorProto.INT64),
        helper.make_node("Range", ["zero", "total", "one"], ["positions"]),
        helper.make_node("Cast", ["positions"], ["time"], to=TensorProto.FLOAT),
        # Two harmonics at the pitch of the style.
        helper.make_node("ReduceMean", ["style"], ["hundreds"], keepdims=0),
        helper.make_node("Mul", ["hundreds", "omega"], ["step"]),
        helper.make_node("Mul", ["time", "step"], ["phase"]),
        helper.make_node("Mul", ["phase", "two"], ["phase2"]),
        helper.make_node("Sin", ["phase"], ["first"]),
        helper.make_node("Sin", ["phase2"], ["second"]),
        helper.make_node("Mul", ["first", "loud"], ["first_loud"]),
        helper.make_node("Mul", ["second", "soft"], ["second_loud"]),
        helper.make_node("Add", ["first_loud", "second_loud"], ["hum"]),
        # Silent edges.
        helper.make_node("Sub", ["exact", "edge"], ["end"]),
        helper.make_node("GreaterOrEqual", ["time", "edge"], ["begun"]),
        helper.make_node("Less", ["time", "end"], ["goes_on"]),
        helper.make_node("And", ["begun", "goes_on"], ["inside"]),
        helper.make_node("Cast", ["inside"], ["gate"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["hum", "gate"], ["gated"]),
        helper.make_node("Unsqueeze", ["gated", "rows"], ["waveform"]),
        # In frames of 25 ms at speed 1.
        helper.make_node("Equal", ["input_ids", "edge_id"], ["is_edge"]),
        helper.make_node("Where", ["is_edge", "edge_frames", "frames"], ["durations"]),
    ]
    outputs = [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, [1, "num_samples"])]
    if timed:
        outputs.append(helper.make_tensor_value_info("durations", TensorProto.INT64, [1, "sequence_length"]))
    graph = helper.make_graph(
        nodes,
        "tiny-kokoro",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "sequence_length"]),
            helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
            helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
        ],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
