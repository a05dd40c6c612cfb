from __future__ import annotations

from pathlib import Path

import pytest

from saystream.engines.kokoro.cut.export import Export
from saystream.errors import EngineUnavailable


def test_another_export_is_refused_by_what_it_lacks(tiny_kokoro: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"another export .* has no /encoder/bert/Where_2_output_0"):
        Export(tiny_kokoro / "model.onnx")


def test_a_file_that_is_no_model_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(EngineUnavailable, match=r"model\.onnx is no ONNX model"):
        Export(tmp_path / "model.onnx")
