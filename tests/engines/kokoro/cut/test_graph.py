from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from saystream.engines.kokoro.cut.graph import Graph, tensor


def test_nodes_and_constants_become_a_model_that_runs() -> None:
    graph = Graph()
    first, second = graph.split("packed", [1, 2])
    doubled = graph.op("Mul", second, graph.number(2.0))
    total = graph.op("ReduceSum", doubled, graph.integers(1), keepdims=1)
    model = graph.model(
        "sum", [tensor("packed", [1, 3, "n"])], graph.op("Add", first, total), tensor("sum", [1, 1, "n"])
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    packed = np.arange(6, dtype=np.float32).reshape(1, 3, 2)
    np.testing.assert_array_equal(session.run(None, {"packed": packed})[0].reshape(-1), [12.0, 17.0])


def test_a_convolution_may_be_without_bias() -> None:
    weights = np.ones((1, 1, 3), np.float32)
    for bias, expected in ((None, 3.0), (np.ones(1, np.float32), 4.0)):
        graph = Graph()
        convolved = graph.convolution("x", weights, bias, pads=[0, 0])
        model = graph.model("convolution", [tensor("x", [1, 1, 3])], convolved, tensor("y", [1, 1, 1]))
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        assert session.run(None, {"x": np.ones((1, 1, 3), np.float32)})[0].item() == expected


def test_a_graph_that_cannot_be_is_refused_when_it_is_made() -> None:
    graph = Graph()
    with pytest.raises(onnx.checker.ValidationError):
        graph.model("broken", [], graph.op("Nonsense"), tensor("y", [1]))
