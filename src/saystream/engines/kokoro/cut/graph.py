"""Writes an ONNX graph node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Graph", "tensor"]

_OPSET = 20
_IR_VERSION = 9


def tensor(name: str, shape: list[int | str] | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """An input or output; a string in ``shape`` is a length that may vary."""
    return helper.make_tensor_value_info(name, kind, shape)


class Graph:
    """Nodes and constants; every method that adds one returns the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._count = 0

    def constant(self, values: NDArray[np.generic]) -> str:
        name = self._name("constant")
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        return self.constant(np.array([value], np.float32))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = self._name(kind)
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def split(self, packed: str, sizes: list[int]) -> list[str]:
        """``packed`` along its channels."""
        outputs = [self._name("Split") for _ in sizes]
        self._nodes.append(
            helper.make_node(
                "Split", [packed, self.integers(*sizes)], outputs, axis=1, name=f"split_{packed}"
            )
        )
        return outputs

    def convolution(
        self,
        signal: str,
        weights: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        **attributes: Any,
    ) -> str:
        constants = [self.constant(weights)] + ([] if bias is None else [self.constant(bias)])
        return self.op("Conv", signal, *constants, **attributes)

    def model(
        self, name: str, inputs: list[onnx.ValueInfoProto], output: str, result: onnx.ValueInfoProto
    ) -> onnx.ModelProto:
        """The model whose ``result`` is the tensor ``output``."""
        self._nodes.append(helper.make_node("Identity", [output], [result.name], name=result.name))
        graph = helper.make_graph(self._nodes, name, inputs, [result], self._constants)
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
        )
        onnx.checker.check_model(made)
        return made

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"
