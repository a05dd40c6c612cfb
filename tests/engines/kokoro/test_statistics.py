from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from saystream.engines.kokoro.norms import NUM_STATISTICS
from saystream.engines.kokoro.statistics import Statistics
from saystream.engines.kokoro.voices import _LOUDNESS


@pytest.fixture(scope="module")
def lines() -> dict[str, np.ndarray]:
    chance = np.random.default_rng(7)
    return {
        name: chance.normal(size=(2, 2 * NUM_STATISTICS)).astype(np.float32)
        for name in ("one", "two", "three")
    }


def test_a_line_goes_over_the_share_of_silence(lines: dict[str, np.ndarray]) -> None:
    mean, variance = Statistics(lines).predicted({"one": 1.0}, 0.25)
    values = lines["one"][0] + 0.25 * lines["one"][1]
    np.testing.assert_allclose(mean, values[:NUM_STATISTICS], atol=1e-6)
    np.testing.assert_allclose(np.log(variance), values[NUM_STATISTICS:], atol=1e-5)


def test_beyond_what_was_measured_a_line_is_level(lines: dict[str, np.ndarray]) -> None:
    statistics = Statistics(lines)
    np.testing.assert_array_equal(
        statistics.predicted({"one": 1.0}, 0.7), statistics.predicted({"one": 1.0}, 0.99)
    )


def test_a_mix_has_the_weighted_mean_of_the_lines(lines: dict[str, np.ndarray]) -> None:
    mean, _ = Statistics(lines).predicted({"one": 3.0, "two": 1.0}, 0.02)
    expected = sum(
        share * (lines[name][0] + 0.02 * lines[name][1]) for name, share in (("one", 0.75), ("two", 0.25))
    )
    np.testing.assert_allclose(mean, expected[:NUM_STATISTICS], atol=1e-5)


def test_what_is_written_is_read_to_a_byte_of_its_range(tmp_path: Path, lines: dict[str, np.ndarray]) -> None:
    Statistics.write(tmp_path / "statistics.npz", lines)
    read = Statistics.read(tmp_path / "statistics.npz")
    every = np.stack(list(lines.values()))
    for name, own in lines.items():
        mean, _ = read.predicted({name: 1.0}, 0.02)
        error = np.abs(mean - (own[0] + 0.02 * own[1])[:NUM_STATISTICS])
        assert error.max() < (every.max() - every.min()) / 255


def test_the_lines_of_every_voice_of_kokoro_are_there() -> None:
    statistics = Statistics.read()
    assert all(voice in statistics for voice in _LOUDNESS)
    assert "nobody" not in statistics
