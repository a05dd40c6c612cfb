from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from saystream.engines.kokoro.runtime import Interrupt, Interrupted, Session
from saystream.errors import EngineUnavailable


def inputs(length: int = 4) -> dict[str, np.ndarray]:
    return {
        "input_ids": np.zeros((1, length), np.int64),
        "style": np.full((1, 256), 2.0, np.float32),
        "speed": np.ones(1, np.float32),
    }


def test_a_model_tells_its_inputs_and_gives_its_outputs(tiny_kokoro: Path) -> None:
    session = Session(tiny_kokoro / "model.onnx", threads=1)
    assert set(session.inputs) == set(inputs())
    np.testing.assert_array_equal(session.first(inputs()), session.run(inputs(), outputs=["waveform"])[0])


def test_an_interrupt_ends_a_run(tiny_kokoro: Path) -> None:
    interrupt = Interrupt()
    interrupt()
    with pytest.raises(Interrupted):
        Session(tiny_kokoro / "model.onnx", threads=1).run(inputs(), interrupt)


def test_another_error_is_not_taken_for_an_interrupt(tiny_kokoro: Path) -> None:
    with pytest.raises(Exception, match="style"):
        Session(tiny_kokoro / "model.onnx", threads=1).run({"input_ids": inputs()["input_ids"]}, Interrupt())


def test_a_file_that_is_no_model_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(EngineUnavailable, match=r"model\.onnx is not a Kokoro model"):
        Session(tmp_path / "model.onnx", threads=1)
