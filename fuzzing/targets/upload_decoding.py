"""A file that a stranger uploads, decoded in this very process: audio or a documented refusal.

The library that decodes is not instrumented, so only its answers guide the fuzzer.
"""

from __future__ import annotations

import numpy as np

from saystream.dsp.decode import MAX_SAMPLE_RATE, check, decode
from saystream.errors import AudioRefused

MAX_BYTES = 4096
DICTIONARY = "audio"

_MAX_DURATION_S = 2.0


def one(data: bytes) -> None:
    try:
        audio = decode(data, max_duration_s=_MAX_DURATION_S)
        assert 0 < audio.sample_rate <= MAX_SAMPLE_RATE
        assert 0 < len(audio.samples) <= _MAX_DURATION_S * audio.sample_rate
        assert np.isfinite(audio.samples).all()
        check(audio, min_duration_s=0.01, min_sample_rate=8000)
    except AudioRefused:
        return
