from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saystream.engines.kokoro import windows
from saystream.engines.kokoro.windows import Trial, Windows, distance_db, fastest
from saystream.errors import EngineUnavailable

CHANCE = np.random.default_rng(2)
SOUND = (0.1 * CHANCE.normal(size=24_000)).astype(np.float32)


class FakeWindows(Windows):
    """Takes ``cpu_s`` of a clock of its own for the same sound, ``noise`` apart."""

    now_s = 0.0

    def __init__(self, cpu_s: float, noise: float = 0.0) -> None:
        self.runtime = "none"
        self._cpu_s = cpu_s
        self._noise = noise

    def size(self, wanted: int) -> int:
        return wanted

    def first(self, inputs: Mapping[str, Any], interrupt: Any = None) -> np.ndarray:
        FakeWindows.now_s += self._cpu_s
        other = CHANCE.normal(size=len(SOUND)).astype(np.float32)
        return (1 - self._noise) * SOUND + self._noise * other


def chosen(**candidates: FakeWindows) -> str:
    name, _, measured = fastest(
        iter(candidates.items()), Trial({}, lambda spectrum: spectrum), clock=lambda: FakeWindows.now_s
    )
    assert list(measured) == list(candidates)
    return name


def test_the_fastest_is_chosen() -> None:
    assert chosen(one=FakeWindows(2.0), two=FakeWindows(1.0), three=FakeWindows(3.0)) == "two"


def test_one_that_sounds_otherwise_is_not_chosen_however_fast_it_is() -> None:
    assert chosen(one=FakeWindows(2.0), noisy=FakeWindows(0.1, noise=0.9)) == "one"
    assert chosen(one=FakeWindows(2.0), near=FakeWindows(0.1, noise=0.001)) == "near"


def test_the_distance_of_two_sounds_is_in_decibels() -> None:
    assert distance_db(SOUND, SOUND) == 0.0
    assert distance_db(SOUND, SOUND * np.float32(10**0.25)) == pytest.approx(5.0, abs=0.1)
    assert distance_db(SOUND * 0, SOUND * 0) == 0.0


def test_what_was_chosen_holds_as_long_as_nothing_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "choice.json"
    here = {"machine": "one", "versions": ["1"]}
    assert windows._kept(file, here) == ""
    file.write_text(json.dumps({**here, "chosen": "openvino fp32"}))
    assert windows._kept(file, here) == "openvino fp32"
    assert windows._kept(file, {**here, "machine": "two"}) == ""
    file.write_text("no JSON")
    assert windows._kept(file, here) == ""


def test_a_processor_has_a_name() -> None:
    assert windows._machine()


def test_bfloat16_without_openvino_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(windows, "_compiler", lambda *_: None)
    with pytest.raises(EngineUnavailable, match="bf16, which needs OpenVINO"):
        windows.load_windows(tmp_path, precision="bf16", streams=1, threads=1, trial=lambda: Trial({}, abs))
