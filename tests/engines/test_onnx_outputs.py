import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from saystream.engines.onnx_outputs import with_output


def test_a_value_inside_a_model_becomes_its_last_output() -> None:
    nodes = [helper.make_node("Neg", ["x"], ["inside"]), helper.make_node("Abs", ["inside"], ["y"])]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph(nodes, "small", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    both = with_output(model.SerializeToString(), "inside")
    session = onnxruntime.InferenceSession(both, providers=["CPUExecutionProvider"])
    outer, inner = session.run(None, {"x": np.array([1, -2], np.float32)})
    assert (outer.tolist(), inner.tolist()) == ([1, 2], [-1, 2])
