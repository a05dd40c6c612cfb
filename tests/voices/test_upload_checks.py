from __future__ import annotations

import numpy as np
import pytest

from hums import RATE, hum, syllables
from saystream.audio import AudioChunk
from saystream.errors import AudioRefused, AudioTooShort, AudioUnfit
from saystream.voices.upload_checks import judged, look_at, prepared
from saystream.voices.upload_report import CheckReport, SpeakerLimits

LIMITS = SpeakerLimits(min_speech_s=3.0)
SPEECH = syllables(48, 4.0) / np.float32(0.5)


def pause(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def noisy(sound: np.ndarray, level: float) -> np.ndarray:
    return sound + np.random.default_rng(1).normal(0, level, len(sound)).astype(np.float32)


def report(*parts: np.ndarray, rate: int = RATE) -> CheckReport:
    return judged(look_at(AudioChunk(np.concatenate(parts), rate)), LIMITS)


def test_a_clean_recording_passes_without_a_word() -> None:
    found = report(pause(0.5), SPEECH, pause(0.5))
    assert found.warnings == ()
    assert found.speech_s == found.longest_s == pytest.approx(12, abs=0.3)
    assert found.snr_db > 60 and found.clipped < 0.05


@pytest.mark.parametrize("times", [2, 12])
def test_the_rate_of_a_recording_makes_no_difference(times: int) -> None:
    found = report(np.repeat(SPEECH[: 5 * RATE], times), rate=times * RATE)
    assert found.speech_s == pytest.approx(5, abs=0.2)


@pytest.mark.parametrize(
    "parts, error, http_code, message",
    [
        ([noisy(pause(5), 0.1)], AudioUnfit, "Audio.PreprocessError", "No speech was found.* Record one"),
        ([hum(200, 5.0)], AudioUnfit, "Audio.PreprocessError", "No speech was found"),
        (
            [pause(2), SPEECH[: 2 * RATE], pause(2)],
            AudioTooShort,
            "Audio.AudioShortError",
            r"^valid audio too short! 2\.\d s of speech; at least 3 s are needed\. Record one person",
        ),
        (
            [SPEECH[: 2 * RATE], pause(1), SPEECH[: 2 * RATE], pause(1)],
            AudioUnfit,
            "Audio.PreprocessError",
            r"^No segments meet minimum duration requirement\. .* has 2\.\d s; .* without long pauses",
        ),
        (
            [noisy(np.concatenate([SPEECH, pause(1)]), 0.15)],
            AudioUnfit,
            "Audio.PreprocessError",
            r"The noise is too loud: the voice is only \d dB above it",
        ),
        ([np.clip(SPEECH * 5, -0.9, 0.9)], AudioUnfit, "Audio.PreprocessError", "Turn the microphone down"),
    ],
)
def test_a_refusal_has_its_code_and_says_what_to_record(
    parts: list[np.ndarray], error: type[AudioRefused], http_code: str, message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        report(*parts)
    assert caught.value.http_code == http_code


def test_what_could_be_better_is_a_warning() -> None:
    short = report(SPEECH[: 5 * RATE])
    assert short.warnings == ("There is little speech. 10 to 20 seconds give a better voice.",)
    found = report(noisy(np.concatenate([SPEECH, pause(1)]), 0.04))
    assert [warning[:14] for warning in found.warnings] == ["There is noise"]
    cut_off = report(np.clip(SPEECH, -0.48, 0.48))
    assert [warning[:27] for warning in cut_off.warnings] == ["The recording is cut off he"]


def test_two_speakers_are_a_warning() -> None:
    other = hum(230, 8.0, tilt=-14) * (0.02 + np.sin(np.pi * 4 * np.arange(8 * RATE) / RATE) ** 2)
    found = report(SPEECH[: 8 * RATE], pause(0.3), other.astype(np.float32))
    assert found.warnings[0] == "More than one person seems to speak. Record one person alone."
    assert found.speaker_distance > report(SPEECH).speaker_distance


# --- what is used of it ----------------------------------------------------------------------------------------------


def used(*parts: np.ndarray, most: float | None = None) -> AudioChunk:
    audio = AudioChunk(np.concatenate(parts), RATE)
    limits = SpeakerLimits(min_speech_s=3.0, max_speech_s=most)
    return prepared(audio, look_at(audio).activity, limits)


def test_silence_at_the_ends_is_cut_off_and_pauses_stay() -> None:
    audio = used(pause(2), SPEECH, pause(0.8), SPEECH, pause(3))
    assert audio.duration_ms / 1000 == pytest.approx(12 + 0.8 + 12 + 0.4, abs=0.3)


def test_no_more_is_used_than_asked_for_and_no_word_is_cut() -> None:
    three_s = SPEECH[: 3 * RATE]
    audio = used(three_s, pause(1), SPEECH[: 6 * RATE], pause(1), three_s, most=8.0)
    assert audio.duration_ms / 1000 == pytest.approx(6.4, abs=0.3)
    whole = used(SPEECH, most=8.0)
    assert whole.duration_ms / 1000 == pytest.approx(8.2, abs=0.2)
    assert used(SPEECH, most=20.0).duration_ms == pytest.approx(12_000, abs=200)


def test_a_recording_is_cleaned_as_asked_for() -> None:
    audio = AudioChunk(noisy(np.concatenate([pause(1), SPEECH * 0.2, pause(1)]), 0.003), RATE)
    activity = look_at(audio).activity
    plain = prepared(audio, activity, LIMITS)
    loud = prepared(audio, activity, SpeakerLimits(min_speech_s=3.0, even_volume=True))
    assert loud.samples.std() == pytest.approx(0.1, rel=0.1) and plain.samples.std() < 0.07
    clean = prepared(audio, activity, SpeakerLimits(min_speech_s=3.0, reduce_noise=True))
    edge = RATE // 20
    assert clean.samples[:edge].std() < 0.5 * plain.samples[:edge].std()
