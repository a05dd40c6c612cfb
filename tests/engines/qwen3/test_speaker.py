"""The mel spectrogram under a voice's vector. That both are the package's is in ``test_parity.py``."""

from __future__ import annotations

import pytest
import torch

from saystream.engines.qwen3.speaker import mel_spectrogram


def tone(hertz: float) -> torch.Tensor:
    return 0.5 * torch.sin(2 * torch.pi * hertz * torch.arange(24_000) / 24_000)


def test_there_is_a_frame_for_every_256_samples() -> None:
    assert mel_spectrogram(tone(440), 128).shape == (24_000 // 256, 128)


@pytest.mark.parametrize(("hertz", "band"), [(200, 7), (1000, 38), (4000, 87)])
def test_a_tone_is_loudest_in_the_band_around_it(hertz: float, band: int) -> None:
    """Bands of equal width to 1 kHz, of equal ratio above: 128 of them to 12 kHz."""
    middle = mel_spectrogram(tone(hertz), 128)[20:70]
    assert {int(frame.argmax()) for frame in middle} <= {band - 1, band, band + 1}


def test_silence_is_as_quiet_as_it_gets() -> None:
    assert torch.equal(mel_spectrogram(torch.zeros(4000), 128).unique(), torch.tensor([1e-5]).log())
