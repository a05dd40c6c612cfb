"""The parts against the export that they are cut from, with the real weights."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from engines.pitches import spread_semitones
from saystream.engines.kokoro import windows
from saystream.engines.kokoro.compiled import Compiler
from saystream.engines.kokoro.constants import FRAME_SAMPLES, Constants
from saystream.engines.kokoro.cut.export import ASR, DECODER, ENERGY, F0, HARMONICS, Export
from saystream.engines.kokoro.model import WholeModel
from saystream.engines.kokoro.parts import CONSTANTS, folder_of_parts
from saystream.engines.kokoro.reading import Reader
from saystream.engines.kokoro.runtime import Interrupt, Interrupted
from saystream.engines.kokoro.source import HarmonicSource
from saystream.engines.kokoro.statistics import Statistics
from saystream.engines.kokoro.stream import Prosody, StreamingModel
from saystream.engines.kokoro.styles import Styles
from saystream.engines.kokoro.vocabulary import EDGE, numbers

from .stretches import HarmonicsOfTheExport, by_the_export

pytestmark = pytest.mark.slow

SHORT = "Why not?"
LONG = "The quick brown fox jumps over the lazy dog."
HEART = {"af_heart": 1.0}
DECODED = f"{DECODER}decode.3/Div_4_output_0"


class Spoken:
    """What the parts compute of ``LONG``, up to the generator."""

    def __init__(self, model: StreamingModel, styles: Styles, symbols: str) -> None:
        self.style = styles.mixed(HEART, len(symbols))
        self.prosody = model.prosody([EDGE, *numbers(symbols), EDGE], self.style, 1.0)
        self.decoded = model.decoded(self.prosody, self.style)


@pytest.fixture(scope="module")
def parts(parted_kokoro: Path) -> Path:
    folder = folder_of_parts(parted_kokoro)
    assert folder is not None
    return folder


@pytest.fixture(scope="module")
def constants(parts: Path) -> Constants:
    return Constants(parts / CONSTANTS)


@pytest.fixture(scope="module")
def styles(parted_kokoro: Path) -> Styles:
    return Styles(parted_kokoro / "voices")


@pytest.fixture(scope="module")
def stream(parts: Path, styles: Styles) -> Iterator[StreamingModel]:
    """By ONNX Runtime, which takes windows of any length."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_compiler", lambda *_: None)
        yield StreamingModel(parts, styles, Statistics.read())


@pytest.fixture(scope="module")
def symbols() -> dict[str, str]:
    reader = Reader()
    return {text: reader.read(text, "en", british=False).text for text in (SHORT, LONG)}


@pytest.fixture(scope="module")
def spoken(stream: StreamingModel, styles: Styles, symbols: dict[str, str]) -> Spoken:
    return Spoken(stream, styles, symbols[LONG])


@pytest.fixture(scope="module")
def export(parted_kokoro: Path) -> Export:
    return Export(parted_kokoro / "model.onnx")


def sound_of(
    model: StreamingModel | WholeModel, symbols: str, voice: dict[str, float] | None = None
) -> np.ndarray:
    return np.concatenate([step() for step in model.read(symbols, voice or HEART).steps])


def test_the_decoder_built_anew_equals_that_of_the_export(
    export: Export, spoken: Spoken, tmp_path: Path
) -> None:
    prosody = spoken.prosody
    values = {
        ASR: prosody.asr,
        F0: prosody.f0[np.newaxis],
        ENERGY: prosody.energy[np.newaxis],
        "style": spoken.style[np.newaxis],
    }
    expected = by_the_export(export, tmp_path, DECODED, **values)
    np.testing.assert_allclose(spoken.decoded, expected, atol=2e-3)


def test_the_generator_built_anew_equals_that_of_the_export(
    export: Export, stream: StreamingModel, spoken: Spoken, tmp_path: Path
) -> None:
    harmonics = by_the_export(export, tmp_path, HARMONICS, **{F0: spoken.prosody.f0[np.newaxis]})
    values = {DECODED: spoken.decoded, HARMONICS: harmonics, "style": spoken.style[np.newaxis]}
    expected = by_the_export(export, tmp_path, "waveform", **values).reshape(-1)
    sound = stream.in_one_piece(spoken.decoded, HarmonicsOfTheExport(harmonics), spoken.style)
    assert len(sound) == len(expected)
    np.testing.assert_allclose(sound, expected, atol=1e-3)


def test_the_source_is_that_of_the_export_but_for_its_rounding(
    export: Export, constants: Constants, spoken: Spoken, tmp_path: Path
) -> None:
    expected = by_the_export(export, tmp_path, HARMONICS, **{F0: spoken.prosody.f0[np.newaxis]})
    features = HarmonicSource(spoken.prosody.f0, constants).features(0, expected.shape[2])
    magnitudes, phases = expected[0, :11], expected[0, 11:]
    np.testing.assert_allclose(features[0, :11], magnitudes, atol=0.05)
    loud = magnitudes > 0.3
    turned = np.angle(np.exp(1j * (features[0, 11:] - phases)))
    assert np.abs(turned[loud]).max() < 0.1


def test_windows_are_the_same_sound_as_one_window(
    stream: StreamingModel, constants: Constants, spoken: Spoken
) -> None:
    source = HarmonicSource(spoken.prosody.f0, constants)
    mean, variance = Statistics.read().predicted(HEART, spoken.prosody.silent_share)
    affine = constants.of_statistics(spoken.style, mean, variance)
    count = spoken.prosody.num_frames
    whole = stream.window(spoken.decoded, source, 0, count, affine)
    edges = [0, 24, 120, 150, count]
    pieces = [
        stream.window(spoken.decoded, source, start, end - start, affine)
        for start, end in zip(edges, edges[1:], strict=False)
    ]
    distance = np.abs(np.concatenate(pieces) - whole)
    # The phase of a bin that is nearly real turns by 2 pi when it is rounded otherwise, and some samples hear that.
    assert np.mean(distance > 1e-4) < 0.05
    assert distance.max() < 5e-3


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_openvino_makes_the_same_sound_as_onnx_runtime(
    parts: Path, stream: StreamingModel, constants: Constants, spoken: Spoken, tmp_path: Path
) -> None:
    compiler = Compiler(tmp_path / "cache", streams=1, threads=1)
    by_openvino = windows._Compiled(compiler, parts / "window.onnx", "fp32")
    trial = stream._trial()
    expected, sound = (trial.sound_of(each.first(trial.inputs)) for each in (stream._windows, by_openvino))
    np.testing.assert_allclose(sound, expected, atol=2e-3)
    assert [by_openvino.size(wanted) for wanted in (1, 36, 37, 96)] == [36, 36, 96, 96]


@pytest.mark.parametrize("text", [SHORT, LONG])
def test_a_text_sounds_as_in_one_pass_of_the_export(
    parted_kokoro: Path, styles: Styles, stream: StreamingModel, symbols: dict[str, str], text: str
) -> None:
    expected = sound_of(WholeModel(parted_kokoro / "model.onnx", styles, threads=1), symbols[text])
    sound = sound_of(stream, symbols[text])
    assert len(sound) < len(expected)
    places = range(0, len(expected) - len(sound) + 1, FRAME_SAMPLES)
    assert max(np.corrcoef(expected[place : place + len(sound)], sound)[0, 1] for place in places) > 0.9


def test_silence_around_a_text_is_not_made() -> None:
    energy = np.full(100, -9.0, np.float32)
    energy[30:60] = 1.0
    prosody = Prosody(np.zeros((1, 512, 50), np.float32), np.zeros(100, np.float32), energy, np.zeros(3, int))
    assert prosody.audible == (26, 64)
    assert prosody.silent_share == pytest.approx(0.7)
    silent = Prosody(prosody.asr, prosody.f0, np.full(100, -9.0, np.float32), prosody.durations)
    assert silent.audible == (0, 0)


def test_symbols_are_heard_within_what_is_made() -> None:
    energy = np.full(100, -9.0, np.float32)
    energy[30:60] = 1.0
    frames = np.zeros((1, 512, 50), np.float32)
    prosody = Prosody(frames, np.zeros(100, np.float32), energy, np.array([10, 9, 8, 7, 16]))
    assert prosody.bounds_ms.tolist() == [0, 112.5, 312.5, 425.0]  # 26 of 80 frames a second are not made
    silent = Prosody(frames, prosody.f0, np.full(100, -9.0, np.float32), prosody.durations)
    assert silent.bounds_ms.tolist() == [0, 0, 0, 0]


def test_it_tells_when_each_symbol_is_heard(stream: StreamingModel, symbols: dict[str, str]) -> None:
    reading = stream.read(symbols[LONG], HEART)
    assert reading.bounds_ms is not None
    assert len(reading.bounds_ms) == len(symbols[LONG]) + 1
    assert reading.bounds_ms.tolist() == sorted(reading.bounds_ms.tolist())
    assert reading.bounds_ms[-1] <= sum(len(step()) for step in reading.steps) / 24


def test_the_first_windows_are_short_and_can_be_made_in_any_order(
    stream: StreamingModel, symbols: dict[str, str]
) -> None:
    steps = stream.read(symbols[LONG], HEART).steps
    backwards = [step() for step in reversed(steps)]
    sounds = [step() for step in steps]
    for sound, other in zip(sounds, reversed(backwards), strict=True):
        np.testing.assert_array_equal(sound, other)
    assert [len(sound) // FRAME_SAMPLES for sound in sounds[:-1]] == [36, 36, 36, 96][: len(sounds) - 1]


def test_an_interrupt_acts_before_the_next_window(stream: StreamingModel, symbols: dict[str, str]) -> None:
    interrupt = Interrupt()
    steps = stream.read(symbols[LONG], HEART, interrupt=interrupt).steps
    assert len(steps[0]()) == 36 * FRAME_SAMPLES
    interrupt()
    for step in steps:
        with pytest.raises(Interrupted):
            step()


def test_a_mix_of_four_voices_is_spoken(stream: StreamingModel, symbols: dict[str, str]) -> None:
    voice = {"af_heart": 0.4, "am_michael": 0.3, "zf_xiaoxiao": 0.2, "jf_alpha": 0.1}
    sound = sound_of(stream, symbols[LONG], voice)
    assert 0.05 < np.abs(sound).max() < 1.5


def test_a_voice_without_statistics_is_spoken_in_one_piece(
    parts: Path, styles: Styles, symbols: dict[str, str]
) -> None:
    stream = StreamingModel(parts, styles, Statistics({}))
    (step,) = stream.read(symbols[LONG], HEART).steps
    assert 2 < len(step()) / 24000 < 4


def test_intonation_makes_the_pitch_move_more_or_less(
    stream: StreamingModel, symbols: dict[str, str]
) -> None:
    def spread(intonation: float) -> float:
        steps = stream.read(symbols[LONG], HEART, intonation=intonation).steps
        return spread_semitones(np.concatenate([step() for step in steps]), 24000)

    flat, usual, lively = map(spread, (0.4, 1.0, 1.6))
    assert flat < 0.8 * usual < usual < lively
