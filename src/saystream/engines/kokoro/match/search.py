"""Finds how Kokoro speaks most like a speaker: by the data of its voices, then by what it hears of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from saystream.dsp.analysis.intonation import intonation_hz
from saystream.dsp.analysis.pace import syllables_per_s
from saystream.dsp.analysis.spectrum import BANDS_HZ, band_levels_db
from saystream.dsp.effects import Formant
from saystream.dsp.equaliser import Equaliser
from saystream.dsp.resample import Resampler
from saystream.dsp.stage import flush_all, push_all
from saystream.engines.kokoro.match.bases import Bases, Speaker
from saystream.engines.kokoro.match.encoder import RATE, SpeakerEncoder
from saystream.engines.kokoro.match.material import Match
from saystream.errors import AudioSilent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples
    from saystream.dsp.stage import Stage
    from saystream.engines.base import Recording

__all__ = ["LIMIT_S", "Matcher", "measured"]

LIMIT_S = 20.0
"""No further mix is tried after this time."""

_HEARD_S = 20.0
"""Of a recording: more says nothing new."""
_LEAST_VOICED_FRAMES = 50

_FORMANTS = (0.94, 1.0, 1.06)
_FINE_FORMANTS = (0.97, 1.03)
_ADDED_SHARE = 0.3
_TRIED_VOICES = 3
"""Each of which is added to the best mix."""

_MOST_GAIN_DB = 12.0
_SPREADS = (0.6, 1.5)
_SPEEDS = (0.85, 1.2)
_PACE_EXPONENT = 0.7
"""Of a single sentence, how many syllables are counted is uncertain."""
_LOUDNESS_DB = -25.0
"""Mean power while something is said: that of Kokoro's own voices after their gains, within 1."""
_LOUD_DB = -30.0


class Matcher:
    """For one engine."""

    def __init__(
        self,
        bases: Bases,
        encoder: SpeakerEncoder | None,
        *,
        sample_rate: int,
        say: Callable[[Match], Samples],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``say`` speaks a sentence as a match says, at ``sample_rate``."""
        self._bases = bases
        self._encoder = encoder
        self._sample_rate = sample_rate
        self._say = say
        self._clock = clock

    def match(self, recording: Recording) -> tuple[Match, float | None]:
        """How to speak like the speaker, and how like that is. Raises AudioSilent."""
        until = self._clock() + LIMIT_S
        speaker = measured(recording.samples, recording.sample_rate, self._encoder)
        first = Match(
            timbre=self._bases.mix(speaker, 8 if self._encoder else 3),
            rhythm=self._bases.rhythm(speaker),
            own_hz=speaker.hz,
            hz=speaker.hz,
        )
        tuned = self._tuned(first, speaker)
        if self._encoder is None or speaker.embedding is None:
            return self._coloured(tuned, speaker, self._say(tuned)), None
        best, heard, similarity = self._searched(tuned, speaker, self._encoder, until)
        return self._coloured(best, speaker, heard), min(max(similarity, 0.0), 1.0)

    def _tuned(self, match: Match, speaker: Speaker) -> Match:
        """With the pitch of the speaker, whatever that of the mix is."""
        own = measured(self._say(match), self._sample_rate, None)
        lowest, highest = _SPREADS
        return msgspec.structs.replace(
            match,
            own_hz=own.hz,
            spread=min(max(speaker.spread_semitones / max(own.spread_semitones, 1.0), lowest), highest),
            speed=self._pace(speaker, own),
        )

    @staticmethod
    def _pace(speaker: Speaker, own: Speaker) -> float:
        if not speaker.syllables_per_s or not own.syllables_per_s:
            return 1.0
        ratio: float = (speaker.syllables_per_s / own.syllables_per_s) ** _PACE_EXPONENT
        return min(max(ratio, _SPEEDS[0]), _SPEEDS[1])

    def _searched(
        self, start: Match, speaker: Speaker, encoder: SpeakerEncoder, until: float
    ) -> tuple[Match, Samples, float]:
        """The best of some mixes and vocal tracts, its sound, and the similarity."""
        assert speaker.embedding is not None
        wanted = speaker.embedding

        def tried(match: Match, formants: tuple[float, ...]) -> Iterator[tuple[float, Match, Samples]]:
            plain = self._say(msgspec.structs.replace(match, formant=1.0))
            for formant in formants:
                heard = _through([Formant(self._sample_rate, ratio=formant)], plain)
                embedding = encoder.embedding(_resampled(heard, self._sample_rate))
                yield float(embedding @ wanted), msgspec.structs.replace(match, formant=formant), heard

        def score(each: tuple[float, Match, Samples]) -> float:
            return each[0]

        similarity, best, heard = max(tried(start, _FORMANTS), key=score)
        for timbre in self._mixes(best.timbre, speaker):
            if self._clock() > until:
                break
            other = msgspec.structs.replace(best, timbre=timbre(best.timbre))
            found = max(tried(other, (best.formant,)), key=score)
            if found[0] > similarity:
                similarity, best, heard = found
        fine = tuple(best.formant * ratio for ratio in _FINE_FORMANTS)
        if self._clock() <= until:
            found = max(tried(best, fine), key=score)
            if found[0] > similarity:
                similarity, best, heard = found
        return best, heard, similarity

    def _mixes(
        self, first: Mapping[str, float], speaker: Speaker
    ) -> Iterator[Callable[[Mapping[str, float]], dict[str, float]]]:
        """What to make of the best mix so far."""
        likeliest = self._bases.likeliest(speaker, _TRIED_VOICES)
        for other in ({likeliest[0]: 1.0}, self._bases.mix(speaker, 4)):
            if other != first:
                yield lambda _, other=other: other  # type: ignore[misc]
        for name in likeliest:
            yield lambda best, name=name: _with_more(best, name)  # type: ignore[misc]

    def _coloured(self, match: Match, speaker: Speaker, heard: Samples) -> Match:
        """With the long-term spectrum and the median pitch of the speaker, and as loud as all voices."""
        gains = speaker.levels_db - band_levels_db(heard, self._sample_rate)
        gains = _smooth(np.where(np.isfinite(gains), gains, 0.0))
        equal = _through([Equaliser(self._sample_rate, gains.tolist())], heard)
        own = measured(equal, self._sample_rate, None)
        return msgspec.structs.replace(
            match,
            own_hz=match.own_hz * own.hz / speaker.hz,
            levels_db=tuple(round(float(gain), 1) for gain in gains),
            gain_db=min(max(_LOUDNESS_DB - _loudness_db(equal, self._sample_rate), -40.0), 40.0),
        )


def measured(samples: Samples, sample_rate: int, encoder: SpeakerEncoder | None) -> Speaker:
    """Raises AudioSilent if there is hardly a voice."""
    samples = samples[: round(_HEARD_S * sample_rate)]
    contour = intonation_hz(samples, sample_rate)
    voiced = contour[contour > 0]
    if len(voiced) < _LEAST_VOICED_FRAMES:
        raise AudioSilent(
            "There is hardly a voice in the recording. Record somebody who speaks, near the microphone."
        )
    low, median, high = np.percentile(voiced, (10, 50, 90))
    return Speaker(
        float(median),
        float(12 * np.log2(high / low)),
        syllables_per_s(samples, sample_rate, contour),
        band_levels_db(samples, sample_rate),
        None if encoder is None else encoder.embedding(_resampled(samples, sample_rate)),
    )


def _with_more(mix: Mapping[str, float], name: str) -> dict[str, float]:
    more = {each: share * (1 - _ADDED_SHARE) for each, share in mix.items()}
    more[name] = more.get(name, 0.0) + _ADDED_SHARE
    return {each: min(1.0, round(share, 4)) for each, share in more.items()}


def _smooth(gains_db: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(gains_db, 1, mode="edge")
    smooth: NDArray[np.float64] = np.clip(
        np.convolve(padded, (0.25, 0.5, 0.25), mode="valid"), -_MOST_GAIN_DB, _MOST_GAIN_DB
    )
    assert len(smooth) == len(BANDS_HZ)
    return smooth


def _loudness_db(samples: Samples, sample_rate: int) -> float:
    hop = sample_rate // 100
    power = (samples[: len(samples) // hop * hop].reshape(-1, hop).astype(np.float64) ** 2).mean(axis=1)
    heard = power[power > power.max() * 10 ** (_LOUD_DB / 10)]
    return float(10 * np.log10(heard.mean() + 1e-12)) if len(heard) else _LOUDNESS_DB


def _resampled(samples: Samples, sample_rate: int) -> Samples:
    return (
        samples
        if sample_rate == RATE
        else _through([Resampler(source_rate=sample_rate, target_rate=RATE)], samples)
    )


def _through(stages: list[Stage], samples: Samples) -> Samples:
    return np.concatenate([*push_all(stages, [samples]), *flush_all(stages), np.zeros(0, np.float32)])
