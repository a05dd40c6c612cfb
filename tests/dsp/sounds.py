"""Sounds that the tests push through stages, and what they measure of what comes out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from saystream.dsp.stage import Stage

SAMPLE_RATE = 24000
FORMANTS_HZ = (500, 1500, 2500)


def run(stage: Stage, *pieces: np.ndarray) -> np.ndarray:
    output = [samples for piece in pieces for samples in stage.push(piece)] + stage.flush()
    assert all(len(samples) and samples.dtype == np.float32 and samples.ndim == 1 for samples in output)
    return np.concatenate([*output, np.zeros(0, np.float32)])


def tone(frequency_hz: float, num_samples: int, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    phase = 2 * np.pi * frequency_hz * np.arange(num_samples) / sample_rate
    return (0.5 * np.sin(phase)).astype(np.float32)


def vowel(pitch_hz: float, num_samples: int = SAMPLE_RATE) -> np.ndarray:
    """Pulses through three resonances."""
    spectrum = np.fft.rfft(np.diff(np.floor(np.arange(num_samples + 1) * pitch_hz / SAMPLE_RATE)))
    z = np.exp(2j * np.pi * np.arange(len(spectrum)) / num_samples)
    radius = math.exp(-math.pi * 80 / SAMPLE_RATE)
    for formant_hz in FORMANTS_HZ:
        angle = 2 * math.pi * formant_hz / SAMPLE_RATE
        spectrum /= 1 - 2 * radius * math.cos(angle) / z + (radius / z) ** 2
    sound = np.fft.irfft(spectrum, num_samples)
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def noise(num_samples: int) -> np.ndarray:
    return (0.2 * np.random.default_rng(7).standard_normal(num_samples)).astype(np.float32)


def strongest_hz(samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> float:
    """Frequency of the highest peak of the spectrum, interpolated between bins."""
    magnitude = np.log(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) + 1e-12)
    peak = int(magnitude.argmax())
    left, top, right = magnitude[peak - 1 : peak + 2]
    return (peak + 0.5 * (left - right) / (left - 2 * top + right)) * sample_rate / len(samples)


def cents(heard_hz: float, wanted_hz: float) -> float:
    return 1200 * math.log2(heard_hz / wanted_hz)


def check_pieces_of_any_size(make: Callable[[], Stage], samples: np.ndarray) -> None:
    whole = run(make(), samples)
    for size in (1, 7, 333, 1024):
        pieces = [samples[start : start + size] for start in range(0, len(samples), size)]
        np.testing.assert_array_equal(run(make(), *pieces), whole)


def check_every_single_cut(make: Callable[[], Stage], samples: np.ndarray) -> None:
    whole = run(make(), samples)
    for cut in range(0, len(samples) + 1, 50):
        np.testing.assert_array_equal(run(make(), samples[:cut], samples[cut:]), whole)
