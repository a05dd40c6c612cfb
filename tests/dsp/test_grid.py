"""Every format, rate and effect, heard as a player hears it: a tone in segments and chunks of random length must come
out as one tone, of the right length, pitch and loudness."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import numpy as np
import pytest

from listening import Heard, decoded
from saystream.audio import SAMPLE_RATES, AudioChunk, AudioFormat, Container, Effects
from saystream.dsp.chain import Chain
from saystream.dsp.loudness import PEAK_LIMIT, gain
from saystream.dsp.mp3 import MP3_DELAY_SAMPLES
from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.tone import ToneEngine

ENGINE_RATE = 24000
FREQUENCY_HZ = 220
AMPLITUDE = 0.3
LOUD = 2.5
"""What the tone is multiplied by where the limiter has to work: at volume 100 it then asks for 3.5 dB too much."""

EFFECTS = (
    Effects(),
    Effects(speech_rate=0.5),
    Effects(speech_rate=2.0, volume=100),
    Effects(pitch_rate=0.5, volume=20),
    Effects(pitch_rate=2.0),
    Effects(speech_rate=1.3, pitch_rate=0.8, volume=70),
    Effects(speech_rate=0.75, pitch_rate=1.25, volume=100),
)
GRID = list(itertools.product(("pcm", "wav", "mp3", "opus"), SAMPLE_RATES, EFFECTS))

EDGE_S = 0.025
"""At the very ends of a response a filter or a codec rings: a tone that begins out of nothing has every frequency."""

LATE_END_S = 0.03
"""A change of tempo or pitch may lag behind, and speaks to the end."""

STEP_TOLERANCE = 0.001
"""Measured: rounding and codecs add at most 0.0003 to a step of the tone."""

LAME_SCALE = 0.95
"""LAME makes everything 0.4 dB quieter, so that what it adds to a peak does not clip."""


def segment(num_stretches: int) -> np.ndarray:
    """What the engine `tone` says for a text that lasts so many times 50 ms."""
    stream = ToneEngine(ms_per_character=50).open(SynthesisRequest(voice="tone", language="en"))
    stream.push(Span("x" * num_stretches))
    stream.end_input()
    return np.concatenate([chunk.samples for chunk in stream.chunks()])


def chunks(samples: np.ndarray, chance: random.Random) -> list[np.ndarray]:
    """Cut at random places: single samples, odd numbers, nearly a second."""
    sizes: list[int] = []
    while sum(sizes) < len(samples):
        sizes.append(chance.choice((1, 1, 3, 7, 240, 959, 2400, 23_999)))
    return np.split(samples, np.cumsum(sizes)[:-1])


def spoken(
    audio_format: AudioFormat, effects: Effects, seed: str, loudness: float = 1.0
) -> tuple[bytes, float]:
    """The stream, and how many seconds of sound went in."""
    chance = random.Random(seed)
    chain = Chain(audio_format, effects=effects, first_delta_ms=40, delta_ms=100)
    lengths = [chance.randint(1, 12) for _ in range(5)]
    lengths.append(max(1, 40 - sum(lengths)))
    stream = bytearray()
    for length in lengths:
        for piece in chunks(segment(length) * np.float32(loudness), chance):
            stream += b"".join(delta.encoded for delta in chain.push(AudioChunk(piece, ENGINE_RATE)))
        chain.end_segment(0)
    stream += b"".join(delta.encoded for delta in chain.flush())
    return bytes(stream), sum(lengths) * 0.05


def heard(stream: bytes, audio_format: AudioFormat) -> Heard:
    if audio_format.container == "pcm":
        return Heard(np.frombuffer(stream, "<i2") / 32768, audio_format.sample_rate, [])
    return decoded(stream, audio_format.container)


def pitch_hz(samples: np.ndarray, sample_rate: int) -> float:
    spectrum = np.log(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) + 1e-12)
    peak = int(spectrum.argmax())
    before, top, after = spectrum[peak - 1 : peak + 2]
    return (peak + 0.5 * (before - after) / (before - 2 * top + after)) * sample_rate / len(samples)


def named(value: object) -> str | None:
    if isinstance(value, Effects):
        return f"speed{value.speech_rate}-pitch{value.pitch_rate}-volume{value.volume}"
    return None


def test_the_grid_is_large() -> None:
    assert len(GRID) >= 150


@pytest.mark.parametrize(("container", "sample_rate", "effects"), GRID, ids=named)
def test_a_tone_stays_one_tone(container: Container, sample_rate: int, effects: Any) -> None:
    audio_format = AudioFormat(container, sample_rate)
    stream, seconds = spoken(audio_format, effects, f"{container}{sample_rate}{effects}")
    sound = heard(stream, audio_format)
    assert sound.warnings == []

    samples, extra_s = sound.samples, 0.0
    if container == "mp3":
        samples = samples[MP3_DELAY_SAMPLES:]
        extra_s = (1152 if sample_rate > 32000 else 576) / sample_rate  # the last frame is full
    if (effects.speech_rate, effects.pitch_rate) != (1.0, 1.0):
        extra_s += LATE_END_S
    expected_s = seconds / effects.speech_rate
    num_expected = round(expected_s * sound.sample_rate)
    duration_s = len(samples) / sound.sample_rate
    assert -0.001 <= duration_s - expected_s <= max(0.001, extra_s)
    samples = samples[:num_expected]

    frequency_hz = FREQUENCY_HZ * effects.pitch_rate
    edge = round(EDGE_S * sound.sample_rate)
    inner = samples[edge:-edge]
    assert abs(1200 * math.log2(pitch_hz(inner, sound.sample_rate) / frequency_hz)) <= 10

    amplitude = AMPLITUDE * gain(effects.volume)
    own_step = amplitude * 2 * math.pi * frequency_hz / sound.sample_rate
    assert np.abs(np.diff(inner)).max() <= own_step + STEP_TOLERANCE
    scale = LAME_SCALE if container == "mp3" else 1.0
    assert np.abs(inner).max() == pytest.approx(amplitude * scale, rel=0.03)


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
@pytest.mark.parametrize("container", ["pcm", "wav", "mp3", "opus"])
def test_the_loudest_volume_never_clips(container: Container, sample_rate: int) -> None:
    audio_format = AudioFormat(container, sample_rate)
    stream, _ = spoken(audio_format, Effects(volume=100), f"{container}{sample_rate}", loudness=LOUD)
    samples = heard(stream, audio_format).samples
    assert np.abs(samples).max() < 1.0
    assert np.abs(samples).max() > PEAK_LIMIT * 0.94
