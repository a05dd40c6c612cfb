from __future__ import annotations

import numpy as np

from saystream.engines.base import Recording
from saystream.voices.custom.recording import decoded, encoded


def test_a_recording_comes_back_as_it_was_to_sixteen_bits() -> None:
    samples = (0.5 * np.sin(np.arange(30_000) / 9)).astype(np.float32)
    file = encoded(Recording(samples, 22_050))
    audio = decoded(file)
    assert file.startswith(b"fLaC") and len(file) < 2 * len(samples)
    assert audio.sample_rate == 22_050
    np.testing.assert_allclose(audio.samples, samples, atol=1 / 32_000)
