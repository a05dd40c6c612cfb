"""The published ONNX export of Kokoro: its weights by name, and stretches of its graph as models of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
from onnx import helper, numpy_helper

from saystream.errors import EngineUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "ASR",
    "DECODER",
    "DURATIONS",
    "ENERGY",
    "F0",
    "GENERATOR",
    "HARMONICS",
    "HIDDEN",
    "MASK",
    "Export",
]

DECODER = "/decoder/decoder/"
GENERATOR = f"{DECODER}generator/"

MASK = "/encoder/bert/Where_2_output_0"
HIDDEN = "/encoder/bert_encoder/Add_output_0"
ASR = "/encoder/MatMul_1_output_0"
F0 = "/encoder/Reshape_output_0"
ENERGY = "/encoder/Reshape_1_output_0"
DURATIONS = "/encoder/Gather_output_0"
HARMONICS = f"{GENERATOR}Concat_3_output_0"
"""Tensors of the export at which it is cut."""

_CONVOLUTION_ATTRIBUTES = ("dilations", "pads", "strides", "kernel_shape", "group")


class Export:
    """The export in ``path``. Raises EngineUnavailable where it is not the one whose parts are known."""

    def __init__(self, path: Path) -> None:
        try:
            model = onnx.load(path)
        except Exception as error:  # protobuf's own errors have no common base
            raise EngineUnavailable(f"{path} is no ONNX model: {type(error).__name__}.") from error
        self._opset_imports, self._ir_version = model.opset_import, model.ir_version
        self._graph_nodes = list(model.graph.node)
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._nodes = {node.name: node for node in self._graph_nodes}
        self._producers = {output: node for node in self._graph_nodes for output in node.output}
        missing = [
            name
            for name in (MASK, HIDDEN, ASR, F0, ENERGY, DURATIONS, HARMONICS)
            if name not in self._producers
        ]
        if missing:
            raise EngineUnavailable(
                f"{path} is another export of Kokoro than the one that can be streamed: it has no {missing[0]}."
            )

    def weight(self, name: str) -> NDArray[np.float32]:
        return numpy_helper.to_array(self._weights[name])

    def has_node(self, name: str) -> bool:
        return name in self._nodes

    def input_of(self, node: str, index: int) -> NDArray[np.float32]:
        """The constant that is an input of the node that makes ``node``."""
        return self.weight(self._producers[f"{node}_output_0"].input[index])

    def convolution(
        self, name: str
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, dict[str, Any]]:
        """Weights, bias and attributes of a convolution."""
        node = self._nodes[name]
        bias = self.weight(node.input[2]) if len(node.input) > 2 else None
        attributes = {
            attribute.name: helper.get_attribute_value(attribute)
            for attribute in node.attribute
            if attribute.name in _CONVOLUTION_ATTRIBUTES
        }
        return self.weight(node.input[1]), bias, attributes

    def linear(self, prefix: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights of shape (outputs, inputs) and bias of the linear layer of an adaptive norm."""
        node = next(node for name, node in self._nodes.items() if name.startswith(f"{prefix}/fc/Gemm"))
        weights = self.weight(node.input[1])
        transposed = any(each.name == "transB" and each.i for each in node.attribute)
        return (weights if transposed else weights.T), self.weight(node.input[2])

    def stretch(
        self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """What lies between two rows of tensors, as a model."""
        nodes, weights = self._between({each.name for each in inputs}, [each.name for each in outputs])
        graph = helper.make_graph(
            [node for node in self._graph_nodes if id(node) in nodes],
            "stretch",
            list(inputs),
            list(outputs),
            [self._weights[name] for name in sorted(weights)],
        )
        return helper.make_model(graph, opset_imports=self._opset_imports, ir_version=self._ir_version)

    def _between(self, inputs: set[str], outputs: Iterable[str]) -> tuple[set[int], set[str]]:
        pending, seen = list(outputs), set(inputs)
        nodes: set[int] = set()
        weights: set[str] = set()
        while pending:
            name = pending.pop()
            if not name or name in seen:
                continue
            seen.add(name)
            if name in self._weights:
                weights.add(name)
            else:
                node = self._producers[name]
                nodes.add(id(node))
                pending.extend(node.input)
        return nodes, weights
