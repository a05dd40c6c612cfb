"""Where OpenVINO is installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest

from saystream.engines.kokoro.compiled import Compiler
from saystream.engines.kokoro.cut.graph import Graph, tensor
from saystream.engines.kokoro.runtime import Interrupt, Interrupted

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph = Graph()
    model = graph.model("double", [tensor("x", [1, "n"])], graph.op("Add", "x", "x"), tensor("y", [1, "n"]))
    path = tmp_path_factory.mktemp("model") / "double.onnx"
    onnx.save(model, path)
    return path


def test_a_model_is_compiled_for_a_shape(doubling: Path, tmp_path: Path) -> None:
    compiler = Compiler(tmp_path / "cache", streams=2, threads=1)
    model = compiler.compile(doubling, "fp32", {"x": (1, 3)})
    for value in (1.0, 2.0):
        given = np.full((1, 3), value, np.float32)
        np.testing.assert_array_equal(model.first({"x": given}), 2 * given)
    assert compiler.version[0].isdigit()


def test_an_interrupt_ends_it_before_it_begins(doubling: Path, tmp_path: Path) -> None:
    compiler = Compiler(tmp_path / "cache", streams=1, threads=1)
    model = compiler.compile(doubling, "fp32", {"x": (1, 3)})
    interrupt = Interrupt()
    interrupt()
    with pytest.raises(Interrupted):
        model.first({"x": np.ones((1, 3), np.float32)}, interrupt)


def test_nothing_is_told_to_its_makers(tmp_path: Path) -> None:
    Compiler(tmp_path / "cache", streams=1, threads=1)
    assert sys.modules["openvino_telemetry"] is None
