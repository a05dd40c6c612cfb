"""The parts against the export that they are cut from, with weights of chance; ``test_stream.py`` has the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest

from saystream.engines.kokoro import windows
from saystream.engines.kokoro.compiled import Compiler
from saystream.engines.kokoro.constants import FRAME_SAMPLES, Constants
from saystream.engines.kokoro.cut.export import ASR, ENERGY, F0, HARMONICS, Export
from saystream.engines.kokoro.cut.generator import whole_model
from saystream.engines.kokoro.cut.make import make_parts
from saystream.engines.kokoro.model import WholeModel
from saystream.engines.kokoro.norms import NUM_STATISTICS
from saystream.engines.kokoro.parts import CONSTANTS, folder_of_parts
from saystream.engines.kokoro.runtime import Session
from saystream.engines.kokoro.statistics import Statistics
from saystream.engines.kokoro.stream import Prosody, StreamingModel, whole_inputs
from saystream.engines.kokoro.styles import Styles
from saystream.engines.kokoro.vocabulary import EDGE, numbers

from .small_export import DECODED, FRAMES_OF_SYMBOL, VOICE, write_small_export
from .stretches import HarmonicsOfTheExport, by_the_export

SAID = "ə dˈɔɡ ɹˈʌnz."
EDGES = (0, 24, 60, 96, 120)
"""Frames at which windows begin and end."""


class Spoken:
    """What the parts compute of ``SAID``, up to the generator."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        parts = folder_of_parts(folder)
        assert parts is not None
        self.parts = parts
        self.export = Export(folder / "model.onnx")
        self.styles = Styles(folder / "voices")
        self.constants = Constants(parts / CONSTANTS)
        self.style = self.styles.mixed({VOICE: 1.0}, len(SAID))
        self.stream = StreamingModel(parts, self.styles, Statistics({}))
        self.prosody: Prosody = self.stream.prosody([EDGE, *numbers(SAID), EDGE], self.style, 1.0)
        self.decoded = self.stream.decoded(self.prosody, self.style)
        harmonics = by_the_export(self.export, scratch, HARMONICS, **{F0: self.prosody.f0[np.newaxis]})
        self.source = HarmonicsOfTheExport(harmonics)
        """Of chance, as all of it: phases that a stretch rounds otherwise would be other sounds."""
        inputs = whole_inputs(self.decoded, self.source, self.constants.of_style(self.style))
        onnx.save(whole_model(self.export, degree=4, measured=True), scratch / "measured.onnx")
        measured = Session(scratch / "measured.onnx", threads=1).first(inputs).reshape(-1)
        self.affine = self.constants.of_statistics(
            self.style, measured[:NUM_STATISTICS], measured[NUM_STATISTICS:]
        )
        """As the whole sound has them."""

    def window(self, start: int, end: int) -> np.ndarray:
        return self.stream.window(self.decoded, self.source, start, end - start, self.affine)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoken]:
    """By ONNX Runtime, which takes windows of any length."""
    folder = write_small_export(tmp_path_factory.mktemp("small") / "kokoro")
    make_parts(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_compiler", lambda *_: None)
        yield Spoken(folder, tmp_path_factory.mktemp("scratch"))


def test_text_and_prosody_are_cut_out_of_the_export(spoken: Spoken) -> None:
    assert spoken.prosody.durations.tolist() == [FRAMES_OF_SYMBOL // 2] * (len(SAID) + 2)
    assert spoken.prosody.num_frames == FRAMES_OF_SYMBOL * (len(SAID) + 2) == EDGES[-1]
    assert np.ptp(spoken.prosody.f0) > 1


def test_the_decoder_built_anew_equals_that_of_the_export(spoken: Spoken, tmp_path: Path) -> None:
    prosody = spoken.prosody
    values = {
        ASR: prosody.asr,
        F0: prosody.f0[np.newaxis],
        ENERGY: prosody.energy[np.newaxis],
        "style": spoken.style[np.newaxis],
    }
    expected = by_the_export(spoken.export, tmp_path, DECODED, **values)
    np.testing.assert_allclose(spoken.decoded, expected, atol=1e-4)


def test_the_parts_in_one_piece_are_the_sound_of_the_export(spoken: Spoken) -> None:
    whole = WholeModel(spoken.parts.parent / "model.onnx", spoken.styles, threads=1)
    (step,) = whole.read(SAID, {VOICE: 1.0}).steps
    expected = step()
    sound = spoken.stream.in_one_piece(spoken.decoded, spoken.source, spoken.style)
    assert len(sound) == len(expected) == FRAME_SAMPLES * EDGES[-1]
    np.testing.assert_allclose(sound, expected, atol=2e-3 * np.abs(expected).max())


def test_windows_are_the_same_sound_as_one_window(spoken: Spoken) -> None:
    whole = spoken.window(0, EDGES[-1])
    pieces = [spoken.window(start, end) for start, end in zip(EDGES, EDGES[1:], strict=False)]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-4 * np.abs(whole).max())


def test_windows_with_the_statistics_of_a_sound_are_that_sound(spoken: Spoken) -> None:
    whole = spoken.stream.in_one_piece(spoken.decoded, spoken.source, spoken.style)
    # At its ends the sound in one piece has nothing beside it, and windows have the last value repeated.
    start, end = EDGES[1], EDGES[-2]
    inside = slice(start * FRAME_SAMPLES, end * FRAME_SAMPLES)
    np.testing.assert_allclose(spoken.window(start, end), whole[inside], atol=1e-3 * np.abs(whole).max())


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_openvino_makes_the_same_windows(
    spoken: Spoken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = spoken.window(0, EDGES[-1])
    monkeypatch.setattr(windows, "SIZES", (48,))  # one is compiled sooner
    compiler = Compiler(tmp_path / "cache", streams=1, threads=1)
    by_openvino = windows._Compiled(compiler, spoken.parts / "window.onnx", "fp32")
    monkeypatch.setattr(spoken.stream, "_windows", by_openvino)
    pieces = [spoken.window(start, end) for start, end in zip(EDGES, EDGES[1:], strict=False)]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=2e-4 * np.abs(whole).max())
