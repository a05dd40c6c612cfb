"""Builds a model of the shape that the package ``supertonic`` expects, of some hundred kilobytes.

It has the files, inputs and outputs of Supertonic 3, and chance numbers inside: a buzz whose pitch is that of the
voice, whose loudness follows the text, whose length follows text, voice and speed.
``python -m tests.engines.tiny_supertonic FOLDER`` writes one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOICES = {"F1": 210.0, "F2": 230.0, "M1": 110.0, "M2": 130.0}
"""Hz."""
SAMPLE_RATE = 44_100
_CHUNK, _COMPRESSION, _LATENT = 512, 6, 24
_FRAME = _CHUNK * _COMPRESSION
_CHANNELS = _LATENT * _COMPRESSION
_TEXT_CHANNELS = 16
_STYLE, _DURATION_STYLE = (1, 50, 256), (1, 8, 16)

_LETTERS = (
    (0x20, 0x7F), (0xA1, 0x250), (0x300, 0x370), (0x370, 0x530), (0x5D0, 0x5EB), (0x600, 0x6FF), (0x900, 0x97F),
    (0x1100, 0x1200), (0x2010, 0x2030), (0x3000, 0x3100),
)  # fmt: skip
"""Of the languages that it speaks, taken apart as NFKD does it."""

Step = tuple[str, list[str], list[str], dict[str, Any]]
Shape = list[int | str]


def make_model(folder: Path, voices: dict[str, float] | None = None) -> Path:
    """``folder`` with ``onnx/`` and ``voice_styles/``; ``voices`` are names and pitches in Hz."""
    chance = np.random.default_rng(3)
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    (folder / "voice_styles").mkdir(exist_ok=True)
    indexer = [-1] * 0x10000
    known = [code for first, end in _LETTERS for code in range(first, end)]
    for number, code in enumerate(known):
        indexer[code] = number
    config = {
        "ae": {"sample_rate": SAMPLE_RATE, "base_chunk_size": _CHUNK},
        "ttl": {"chunk_compress_factor": _COMPRESSION, "latent_dim": _LATENT},
    }
    (folder / "onnx/unicode_indexer.json").write_text(json.dumps(indexer))
    (folder / "onnx/tts.json").write_text(json.dumps(config))
    for name, model in {
        "duration_predictor": _duration_predictor(),
        "text_encoder": _text_encoder(chance, len(known)),
        "vector_estimator": _vector_estimator(chance),
        "vocoder": _vocoder(),
    }.items():
        onnx.save(model, folder / f"onnx/{name}.onnx")
    for name, pitch_hz in (voices or VOICES).items():
        (folder / f"voice_styles/{name}.json").write_text(json.dumps(_style(chance, pitch_hz)))
    return folder


def _style(chance: np.random.Generator, pitch_hz: float) -> dict[str, Any]:
    text_style = chance.normal(0, 0.1, _STYLE)
    text_style[0, 0, 0] = np.log(pitch_hz)
    duration_style = chance.normal(0, 0.1, _DURATION_STYLE)
    return {
        name: {"dims": list(values.shape), "data": values.round(6).tolist(), "type": "float32"}
        for name, values in {"style_ttl": text_style, "style_dp": duration_style}.items()
    }


def _duration_predictor() -> onnx.ModelProto:
    """60 ms a character, nothing for the nine of the language's tags, a little more or less for a voice."""
    steps: list[Step] = [
        ("ReduceSum", ["text_mask", "inner"], ["num_characters"], {"keepdims": 0}),
        ("Sub", ["num_characters", "tags"], ["num_spoken"], {}),
        ("Max", ["num_spoken", "least"], ["num_counted"], {}),
        ("ReduceMean", ["style_dp"], ["slowness"], {"axes": [1, 2], "keepdims": 0}),
        ("Add", ["slowness", "character_s"], ["each_s"], {}),
        ("Mul", ["num_counted", "each_s"], ["duration"], {}),
    ]
    constants: dict[str, np.ndarray] = {
        "inner": np.array([1, 2], np.int64),
        "tags": np.array(9, np.float32),
        "least": np.array(2, np.float32),
        "character_s": np.array(0.06, np.float32),
    }
    inputs: dict[str, tuple[int, Shape]] = {
        "text_ids": (TensorProto.INT64, ["batch", "length"]),
        "style_dp": (TensorProto.FLOAT, ["batch", *_DURATION_STYLE[1:]]),
        "text_mask": (TensorProto.FLOAT, ["batch", 1, "length"]),
    }
    return _model(steps, constants, inputs, ("duration", ["batch"]))


def _text_encoder(chance: np.random.Generator, num_letters: int) -> onnx.ModelProto:
    steps: list[Step] = [
        ("Gather", ["table", "text_ids"], ["rows"], {}),
        ("Transpose", ["rows"], ["columns"], {"perm": [0, 2, 1]}),
        ("Mul", ["columns", "text_mask"], ["text_emb"], {}),
    ]
    constants: dict[str, np.ndarray] = {
        "table": chance.normal(0, 1, (num_letters, _TEXT_CHANNELS)).astype(np.float32)
    }
    inputs: dict[str, tuple[int, Shape]] = {
        "text_ids": (TensorProto.INT64, ["batch", "length"]),
        "style_ttl": (TensorProto.FLOAT, ["batch", *_STYLE[1:]]),
        "text_mask": (TensorProto.FLOAT, ["batch", 1, "length"]),
    }
    return _model(steps, constants, inputs, ("text_emb", ["batch", _TEXT_CHANNELS, "length"]))


def _vector_estimator(chance: np.random.Generator) -> onnx.ModelProto:
    """Goes the last part of the way from noise to the goal at the last step, as flow matching does."""
    steps: list[Step] = [
        ("ReduceMean", ["text_emb"], ["meaning"], {"axes": [2], "keepdims": 1}),
        ("MatMul", ["weights", "meaning"], ["said"], {}),
        ("Gather", ["style_ttl", "zero"], ["first_row"], {"axis": 1}),
        ("Gather", ["first_row", "zero"], ["log_pitch"], {"axis": 1}),
        ("Reshape", ["log_pitch", "scalar_shape"], ["log_pitch_column"], {}),
        ("Concat", ["log_pitch_column", "said"], ["goal"], {"axis": 1}),
        ("Sub", ["goal", "noisy_latent"], ["way"], {}),
        ("Sub", ["total_step", "current_step"], ["steps_left"], {}),
        ("Reshape", ["steps_left", "scalar_shape"], ["steps_left_column"], {}),
        ("Div", ["way", "steps_left_column"], ["step"], {}),
        ("Add", ["noisy_latent", "step"], ["nearer"], {}),
        ("Mul", ["nearer", "latent_mask"], ["denoised_latent"], {}),
    ]
    constants: dict[str, np.ndarray] = {
        "weights": chance.normal(0, 1, (1, _CHANNELS - 1, _TEXT_CHANNELS)).astype(np.float32),
        "zero": np.array(0, np.int64),
        "scalar_shape": np.array([-1, 1, 1], np.int64),
    }
    inputs: dict[str, tuple[int, Shape]] = {
        "noisy_latent": (TensorProto.FLOAT, ["batch", _CHANNELS, "latent_length"]),
        "text_emb": (TensorProto.FLOAT, ["batch", _TEXT_CHANNELS, "length"]),
        "style_ttl": (TensorProto.FLOAT, ["batch", *_STYLE[1:]]),
        "text_mask": (TensorProto.FLOAT, ["batch", 1, "length"]),
        "latent_mask": (TensorProto.FLOAT, ["batch", 1, "latent_length"]),
        "current_step": (TensorProto.FLOAT, ["batch"]),
        "total_step": (TensorProto.FLOAT, ["batch"]),
    }
    return _model(steps, constants, inputs, ("denoised_latent", ["batch", _CHANNELS, "latent_length"]))


def _vocoder() -> onnx.ModelProto:
    """The first channel is the pitch, the others are loudness."""
    steps: list[Step] = [
        ("Split", ["latent", "parts"], ["log_pitch", "said"], {"axis": 1}),
        ("ReduceMean", ["said"], ["level"], {"axes": [1], "keepdims": 0}),
        ("Tanh", ["level"], ["bounded_level"], {}),
        ("Mul", ["bounded_level", "half_loudness"], ["change"], {}),
        ("Add", ["change", "loudness"], ["loudness_of_frame"], {}),
        ("Squeeze", ["log_pitch", "one"], ["log_pitch_of_frame"], {}),
        ("Exp", ["log_pitch_of_frame"], ["pitch_of_frame"], {}),
        ("Mul", ["pitch_of_frame", "turn"], ["turn_of_frame"], {}),
        ("Unsqueeze", ["turn_of_frame", "two"], ["turn_column"], {}),
        ("Expand", ["turn_column", "row_of_samples"], ["turn_rows"], {}),
        ("Reshape", ["turn_rows", "flat"], ["turns"], {}),
        ("CumSum", ["turns", "one"], ["phase"], {}),
        ("Unsqueeze", ["phase", "one"], ["phase_row"], {}),
        ("Mul", ["phase_row", "harmonics"], ["phases"], {}),
        ("Sin", ["phases"], ["waves"], {}),
        ("Div", ["waves", "harmonics"], ["softer_waves"], {}),
        ("ReduceSum", ["softer_waves", "one"], ["buzz"], {"keepdims": 0}),
        ("Unsqueeze", ["loudness_of_frame", "two"], ["loudness_column"], {}),
        ("Expand", ["loudness_column", "row_of_samples"], ["loudness_rows"], {}),
        ("Reshape", ["loudness_rows", "flat"], ["loudness_of_sample"], {}),
        ("Mul", ["buzz", "loudness_of_sample"], ["wav_tts"], {}),
    ]
    constants: dict[str, np.ndarray] = {
        "parts": np.array([1, _CHANNELS - 1], np.int64),
        "one": np.array([1], np.int64),
        "two": np.array([2], np.int64),
        "loudness": np.array(0.1, np.float32),
        "half_loudness": np.array(0.05, np.float32),
        "turn": np.array(2 * np.pi / SAMPLE_RATE, np.float32),
        "row_of_samples": np.array([1, 1, _FRAME], np.int64),
        "flat": np.array([0, -1], np.int64),
        "harmonics": np.arange(1, 7, dtype=np.float32)[None, :, None],
    }
    inputs: dict[str, tuple[int, Shape]] = {
        "latent": (TensorProto.FLOAT, ["batch", _CHANNELS, "latent_length"])
    }
    return _model(steps, constants, inputs, ("wav_tts", ["batch", "time"]))


def _model(
    steps: list[Step],
    constants: dict[str, np.ndarray],
    inputs: dict[str, tuple[int, Shape]],
    output: tuple[str, Shape],
) -> onnx.ModelProto:
    nodes = [helper.make_node(kind, given, made, **attributes) for kind, given, made, attributes in steps]
    name, shape = output
    graph = helper.make_graph(
        nodes,
        f"tiny_{name}",
        [helper.make_tensor_value_info(each, kind, of) for each, (kind, of) in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, each) for each, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    print(make_model(Path(sys.argv[1])))
