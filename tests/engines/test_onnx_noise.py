"""A model that draws random numbers, and the same model that is given them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from saystream.engines.onnx_noise import with_noise_inputs


def drawing(*attributes: dict[str, Any]) -> bytes:
    """A model that adds what it draws to its input; a node for each of ``attributes``."""
    nodes, value = [], "x"
    for number, each in enumerate(attributes):
        nodes.append(helper.make_node("RandomNormalLike", ["x"], [f"drawn{number}"], **each))
        nodes.append(helper.make_node("Add", [value, f"drawn{number}"], [f"sum{number}"]))
        value = f"sum{number}"
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["a", "b"])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["a", "b"])],
        [helper.make_tensor("unused", TensorProto.DOUBLE, [], [1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return bytes(model.SerializeToString())


def run(model: bytes, **inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0])


def test_each_node_that_draws_takes_its_own_numbers() -> None:
    model, names = with_noise_inputs(drawing({}, {"dtype": 1}))
    onnx.checker.check_model(onnx.load_from_string(model))
    assert names == ("saystream/noise/0", "saystream/noise/1")
    first, second = np.arange(9, dtype=np.float32), np.full(6, 100, np.float32)
    given = run(model, x=np.zeros((2, 3), np.float32), **{names[0]: first, names[1]: second})
    assert given.tolist() == [[100, 101, 102], [103, 104, 105]]


def test_too_few_numbers_are_taken_again() -> None:
    model, (name,) = with_noise_inputs(drawing({}))
    few = np.array([1, 2, 3, 4], np.float32)
    assert run(model, x=np.zeros((2, 3), np.float32), **{name: few}).tolist() == [[1, 2, 3], [4, 1, 2]]


@pytest.mark.parametrize("attributes", [{"mean": 1.0}, {"scale": 2.0}])
def test_another_distribution_stays(attributes: dict[str, Any]) -> None:
    model = drawing(attributes)
    assert with_noise_inputs(model) == (model, ())
    _, names = with_noise_inputs(drawing({}, attributes))
    assert names == ("saystream/noise/0",)


def test_a_model_that_draws_nothing_stays() -> None:
    assert with_noise_inputs(b"") == (b"", ())
    model = drawing({}).replace(b"RandomNormalLike", b"RandomNormalLoud")
    assert with_noise_inputs(model) == (model, ())


def test_fields_of_every_kind_are_kept() -> None:
    # A varint, eight bytes, four bytes and a name, of which a model has none.
    extra = b"\xa0\x06\x96\x01\xa1\x06" + bytes(8) + b"\xa5\x06" + bytes(4) + b"\xa2\x06\x01x"
    model, names = with_noise_inputs(extra + drawing({}))
    assert names and model.startswith(extra)


@pytest.mark.parametrize("damaged", [b"\x3a\x05abc", b"\x3b", b"\x08\x80", b"\x08", b"\x3d\x00"])
def test_what_is_no_message_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="protobuf"):
        with_noise_inputs(damaged)


def test_an_attribute_without_a_name_does_not_count() -> None:
    node = b"\x22\x10RandomNormalLike\x2a\x02\xa0\x01"
    with pytest.raises(ValueError, match="cut off"):
        with_noise_inputs(b"\x3a\x18\x0a\x16" + node)
    node = b"\x22\x10RandomNormalLike\x2a\x03\xa0\x01\x01"
    _, names = with_noise_inputs(bytes([0x3A, len(node) + 2, 0x0A, len(node)]) + node)
    assert len(names) == 1
