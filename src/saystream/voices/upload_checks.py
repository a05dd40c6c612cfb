"""Whether a recording can be the reference of a voice, and what would be better in another one.

All of it is measured on the decoded audio, in the process that decoded it. Each refusal has the code that is documented
for it (protocol reference, http §5), and says what to record instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saystream.audio import AudioChunk
from saystream.dsp.analysis.activity import ANALYSIS_RATE, speech_activity
from saystream.dsp.analysis.clipping import clipped_share
from saystream.dsp.analysis.intonation import FRAME_S
from saystream.dsp.analysis.speakers import speaker_distance
from saystream.dsp.cleaning import evened, with_less_noise
from saystream.dsp.resample import Resampler
from saystream.errors import AudioTooShort, AudioUnfit
from saystream.voices.upload_report import CheckReport

if TYPE_CHECKING:
    from saystream.audio import Samples
    from saystream.dsp.analysis.activity import Activity
    from saystream.voices.upload_report import SpeakerLimits

__all__ = ["Findings", "judged", "look_at", "prepared"]

_MARGIN_S = 0.1
"""Left of the silence before and after the speech."""

_NOISY_DB, _NOT_CLEAN_DB = 10.0, 20.0
"""Below the first the noise would be cloned too; below the second the voice suffers."""

_CLIPPED, _SLIGHTLY_CLIPPED = 0.15, 0.05
"""As shares of the loud samples: about 6 and 3 dB too loud."""

_CLIPPING_RATE = 24_000
"""Hz; every sample of a faster recording would cost memory and say no more."""

_TWO_SPEAKERS = 5.0
"""Measured on voices of four engines: none of 34 recordings of one speaker reached it; 95 % of those with a woman and a
man did, and 70 % of those with two women or two men."""

_ADVISED_S = 10.0

_HOW = "Record one person who reads aloud in a quiet room, close to the microphone"


@dataclass(frozen=True, slots=True)
class Findings:
    """What was measured in a recording."""

    activity: Activity
    clipped: float
    speaker_distance: float


def look_at(audio: AudioChunk) -> Findings:
    """Measure ``audio``, of any rate and length."""
    samples = _at_analysis_rate(audio)
    activity = speech_activity(samples)
    some = audio.samples[:: max(1, audio.sample_rate // _CLIPPING_RATE)]
    return Findings(activity, clipped_share(some), speaker_distance(samples, activity))


def judged(findings: Findings, limits: SpeakerLimits) -> CheckReport:
    """Raises AudioTooShort for too little speech, and AudioUnfit for none, none without pauses, noise and clipping."""
    activity = findings.activity
    speech_s, longest_s = activity.speech_s, activity.longest_s
    if not activity.stretches:
        raise AudioUnfit(f"Audio preprocess error. No speech was found in the recording. {_HOW}.")
    if speech_s < limits.min_speech_s:
        raise AudioTooShort(
            f"valid audio too short! {speech_s:.1f} s of speech; at least {limits.min_speech_s:g} s are needed. {_HOW},"
            f" for {_ADVISED_S:g} to 20 seconds."
        )
    if longest_s < limits.min_speech_s:
        raise AudioUnfit(
            f"No segments meet minimum duration requirement. The longest speech without a pause has {longest_s:.1f} s;"
            f" at least {limits.min_speech_s:g} s are needed. {_HOW}, without long pauses."
        )
    if activity.snr_db < _NOISY_DB:
        raise AudioUnfit(
            f"Audio preprocess error. The noise is too loud: the voice is only {activity.snr_db:.0f} dB above it; at"
            f" least {_NOISY_DB:g} dB are needed. {_HOW}, without music."
        )
    if findings.clipped > _CLIPPED:
        raise AudioUnfit(
            "Audio preprocess error. The recording is cut off at its loudest. Turn the microphone down, or move away"
            " from it, and record again."
        )
    return CheckReport(
        speech_s=round(speech_s, 2),
        longest_s=round(longest_s, 2),
        snr_db=round(activity.snr_db, 1),
        clipped=round(findings.clipped, 3),
        speaker_distance=round(findings.speaker_distance, 2),
        warnings=tuple(_warnings(findings)),
    )


def _warnings(findings: Findings) -> list[str]:
    warnings = []
    if findings.speaker_distance > _TWO_SPEAKERS:
        warnings.append("More than one person seems to speak. Record one person alone.")
    if findings.activity.snr_db < _NOT_CLEAN_DB:
        warnings.append("There is noise behind the voice. A quieter room gives a better voice.")
    if findings.clipped > _SLIGHTLY_CLIPPED:
        warnings.append("The recording is cut off here and there at its loudest. Turn the microphone down.")
    if findings.activity.speech_s < _ADVISED_S:
        warnings.append(f"There is little speech. {_ADVISED_S:g} to 20 seconds give a better voice.")
    return warnings


def prepared(audio: AudioChunk, activity: Activity, limits: SpeakerLimits) -> AudioChunk:
    """What is used of ``audio``: without the silence at its ends, no more than asked for, and cleaned as asked for.
    There must be speech."""
    stretches = [(start * FRAME_S, end * FRAME_S) for start, end in activity.stretches]
    samples, rate = audio.samples, audio.sample_rate
    if limits.reduce_noise:
        samples = with_less_noise(samples, rate, stretches)
    if limits.even_volume:
        samples = evened(samples, rate, stretches)
    first, last = stretches[0][0], stretches[-1][1]
    if limits.max_speech_s is not None and last - first > limits.max_speech_s:
        first, last = _best_part(stretches, limits.max_speech_s)
    begin = max(0, round((first - _MARGIN_S) * rate))
    end = min(len(samples), round((last + _MARGIN_S) * rate))
    return AudioChunk(samples[begin:end], rate)


def _best_part(stretches: list[tuple[float, float]], max_s: float) -> tuple[float, float]:
    """The part with the most speech of those that begin and end with a stretch, if one of them has at least half of
    ``max_s``; else the beginning of the longest stretch."""
    parts = [
        (start, end)
        for start, _ in stretches
        for _, end in stretches
        if start + max_s / 2 < end <= start + max_s
    ]
    if not parts:
        start, _ = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
        return start, start + max_s
    return max(
        parts, key=lambda part: sum(end - start for start, end in stretches if part[0] <= start < part[1])
    )


def _at_analysis_rate(audio: AudioChunk) -> Samples:
    if audio.sample_rate == ANALYSIS_RATE:
        return audio.samples
    resampler = Resampler(source_rate=audio.sample_rate, target_rate=ANALYSIS_RATE)
    pieces = [np.zeros(0, np.float32)]
    for start in range(0, len(audio.samples), audio.sample_rate):
        pieces += resampler.push(audio.samples[start : start + audio.sample_rate])
    samples: Samples = np.concatenate([*pieces, *resampler.flush()])
    return samples
