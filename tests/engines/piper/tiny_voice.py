"""Builds a Piper voice of a few kilobytes, whose inputs, output and file are those of a real one.

Each symbol is a buzz of its own loudness for a few frames; how long, how loud and how high follows the scales, the
numbers and the speaker as in a real voice. ``python -m tests.engines.piper.tiny_voice FOLDER`` writes one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SYMBOLS = (
    "_^$ !'(),-.:;?abcdefghijklmnopqrstuvwxyzæçðøħŋœɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɨɪɫɬɭɮɯɰɱɲɳɴɵɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʝʟʲˈˌːˑ˞"
    "βθχᵻ0123456789\u0327\u0303\u032a\u032f\u0329ʰˤ"
)
HOP = 256
_PAD, _PHONEME, _MARK = 1.0, 4.2, 12.0
"""Frames that they last, before rounding up."""


def make_voice(
    folder: Path,
    name: str = "en_US-tiny-medium",
    *,
    sample_rate: int = 22050,
    pitches_hz: tuple[float, ...] = (120.0,),
    symbols: str = SYMBOLS,
    loudness: float = 0.1,
    tells_times: bool = True,
    **config: Any,
) -> Path:
    """The ``.onnx`` file, with its ``.onnx.json`` beside it. One speaker for each pitch; ``config`` replaces fields of
    the file. Unless it ``tells_times``, its graph has no name by which durations are known."""
    path = folder / f"{name}.onnx"
    onnx.save(_model(sample_rate, pitches_hz, symbols, loudness, tells_times), path)
    family = name.split("_")[0]
    content = {
        "audio": {"sample_rate": sample_rate, "quality": name.rpartition("-")[2]},
        "espeak": {"voice": "en-us" if family == "en" else family},
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_map": {},
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(symbols)},
        "num_symbols": 256,
        "num_speakers": len(pitches_hz),
        "speaker_id_map": {f"p{number}": number for number in range(len(pitches_hz))}
        if len(pitches_hz) > 1
        else {},
        "language": {"code": "_".join(name.split("-")[0].split("_")), "family": family},
        **config,
    }
    path.with_name(f"{path.name}.json").write_text(json.dumps(content))
    return path


def _tables(symbols: str, loudness: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames and loudness of each number."""
    frames = np.full(256, _PHONEME, np.float32)
    loud = loudness * (0.7 + 0.3 * np.sin(np.arange(256, dtype=np.float32)))
    for number, symbol in enumerate(symbols):
        if not symbol.isalnum() and symbol not in "ˈˌːˑ":
            frames[number] = _MARK if symbol in ".,:;!?" else _PAD
            loud[number] = loudness * 0.5 if symbol == "_" else 0.0
    return frames, loud.astype(np.float32)


def _model(
    sample_rate: int, pitches_hz: tuple[float, ...], symbols: str, loudness: float, tells_times: bool
) -> onnx.ModelProto:
    durations = "/Ceil_output_0" if tells_times else "whole_frames"
    frames, loud = _tables(symbols, loudness)
    constants = {
        "frames_of": frames,
        "loudness_of": loud,
        "turns_of": np.array([2 * np.pi * hz / sample_rate for hz in pitches_hz], np.float32),
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "two": np.array(2, np.int64),
        "hop": np.array(HOP, np.int64),
        "first_axis": np.array([0], np.int64),
        "last_axis": np.array([1], np.int64),
        "row_of_hops": np.array([1, HOP], np.int64),
        "flat": np.array([-1], np.int64),
        "sound_shape": np.array([1, 1, 1, -1], np.int64),
        "harmonics": np.arange(1, 9, dtype=np.float32)[:, None],
        "first_speaker": np.array([0], np.int64),
    }
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        # How long: as in VITS whole frames, and chance in the rhythm.
        ("Reshape", ["input", "flat"], "numbers", {}),
        ("Gather", ["scales", "zero"], "noise_scale", {}),
        ("Gather", ["scales", "one"], "length_scale", {}),
        ("Gather", ["scales", "two"], "noise_w", {}),
        ("Gather", ["frames_of", "numbers"], "usual_frames", {}),
        ("RandomNormalLike", ["usual_frames"], "rhythm_noise", {}),
        ("Mul", ["rhythm_noise", "noise_w"], "rhythm_noise_scaled", {}),
        ("Mul", ["rhythm_noise_scaled", "tenth"], "rhythm_exponent", {}),
        ("Exp", ["rhythm_exponent"], "rhythm", {}),
        ("Mul", ["usual_frames", "length_scale"], "wanted_frames", {}),
        ("Mul", ["wanted_frames", "rhythm"], "uneven_frames", {}),
        ("Ceil", ["uneven_frames"], durations, {}),
        ("CumSum", [durations, "zero"], "ends", {}),
        ("ReduceSum", [durations], "total", {"keepdims": 0}),
        ("Cast", ["total"], "num_frames", {"to": TensorProto.INT64}),
        # Which symbol each frame is of.
        ("Range", ["zero", "num_frames", "one"], "frame_numbers", {}),
        ("Cast", ["frame_numbers"], "frame_times", {"to": TensorProto.FLOAT}),
        ("Unsqueeze", ["frame_times", "last_axis"], "frame_column", {}),
        ("GreaterOrEqual", ["frame_column", "ends"], "is_over", {}),
        ("Cast", ["is_over"], "is_over_number", {"to": TensorProto.INT64}),
        ("ReduceSum", ["is_over_number", "last_axis"], "symbol_of_frame", {"keepdims": 0}),
        ("Gather", ["numbers", "symbol_of_frame"], "number_of_frame", {}),
        ("Gather", ["loudness_of", "number_of_frame"], "loudness_of_frame", {}),
        ("Unsqueeze", ["loudness_of_frame", "last_axis"], "loudness_column", {}),
        ("Expand", ["loudness_column", "row_of_hops"], "loudness_rows", {}),
        ("Reshape", ["loudness_rows", "flat"], "loudness", {}),
        # The buzz.
        ("Mul", ["num_frames", "hop"], "num_samples", {}),
        ("Range", ["zero", "num_samples", "one"], "sample_numbers", {}),
        ("Cast", ["sample_numbers"], "sample_times", {"to": TensorProto.FLOAT}),
        ("Gather", ["turns_of", "sid" if len(pitches_hz) > 1 else "first_speaker"], "turns", {}),
        ("Mul", ["sample_times", "turns"], "phase", {}),
        ("Mul", ["harmonics", "phase"], "phases", {}),
        ("Sin", ["phases"], "waves", {}),
        ("Div", ["waves", "harmonics"], "softer_waves", {}),
        ("ReduceSum", ["softer_waves", "first_axis"], "buzz", {"keepdims": 0}),
        ("RandomNormalLike", ["buzz"], "breath", {}),
        ("Mul", ["breath", "noise_scale"], "breath_scaled", {}),
        ("Mul", ["breath_scaled", "tenth"], "quiet_breath", {}),
        ("Add", ["buzz", "quiet_breath"], "voice", {}),
        ("Mul", ["voice", "loudness"], "sound", {}),
        ("Reshape", ["sound", "sound_shape"], "output", {}),
    ]
    constants["tenth"] = np.array(0.1, np.float32)
    nodes = [
        helper.make_node(kind, inputs, [output], **attributes) for kind, inputs, output, attributes in steps
    ]
    integers = [("input", ["batch_size", "phonemes"]), ("input_lengths", ["batch_size"])]
    inputs = [helper.make_tensor_value_info(each, TensorProto.INT64, shape) for each, shape in integers]
    inputs.append(helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]))
    if len(pitches_hz) > 1:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, ["batch_size"]))
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch_size", 1, 1, "time"])]
    initializers = [numpy_helper.from_array(value, each) for each, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny_piper", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    print(make_voice(Path(sys.argv[1])))
