"""What is measured of a recording of somebody who is to be spoken like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saystream.dsp.analysis.intonation import intonation_hz
from saystream.dsp.analysis.pace import syllables_per_s
from saystream.dsp.analysis.spectrum import band_levels_db, tilt_db
from saystream.errors import AudioSilent

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["Measures", "measure"]

_LEAST_VOICED = 20
"""Frames of 10 ms: in less there is no voice to be measured."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Of a speaker, as heard in one recording."""

    median_hz: float
    """Fundamental frequency."""
    spread_semitones: float
    """Of the fundamental frequency: from the lowest tenth to the highest."""
    syllables_per_s: float
    """Without pauses."""
    tilt: float
    """Of the long-term spectrum, in decibels for each octave; the more below 0, the softer the voice."""


def measure(samples: Samples, sample_rate: int) -> Measures:
    """Of mono samples. Raises AudioSilent if there is no voice in them."""
    contour = intonation_hz(samples, sample_rate)
    voiced = contour[contour > 0]
    if len(voiced) < _LEAST_VOICED:
        raise AudioSilent(
            "There is no voice in the recording. Record somebody who speaks, near the microphone and without music."
        )
    lowest, median, highest = np.percentile(voiced, (10, 50, 90))
    return Measures(
        median_hz=float(median),
        spread_semitones=float(12 * np.log2(highest / lowest)),
        syllables_per_s=syllables_per_s(samples, sample_rate, contour),
        tilt=tilt_db(band_levels_db(samples, sample_rate)),
    )
