"""Silence at the edges of segments: an engine's silence is cut to a bound, missing silence is added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["LEADING_MS", "QUIETEST", "TRAILING_MS", "SegmentEdges", "sounding_from", "trimmed"]

QUIETEST = 2.0**-10
"""Amplitude (-60 dBFS) up to which a sample counts as silence. Speech of our engines begins and ends far above it,
their noise stays below."""

LEADING_MS = 60
"""Silence kept before a segment: a soft consonant may begin below ``QUIETEST``."""

TRAILING_MS = 40
"""Silence kept after a segment, more if a pause is due: a voice fades out below ``QUIETEST``. No longer than the pause
between two words, so that a sentence cut there stays one sentence."""

_HELD_MS = 10_000
"""Most silence inside a segment that is held back, because it may prove to be the end of the segment. Longer than any
break that a text may ask for."""


_SOFT_BEGINNING_MS = 20
"""Kept by ``trimmed`` before the first sound: room for the part of a soft consonant that is below ``QUIETEST``."""


def trimmed(sound: Samples, sample_rate: int, *, pause_ms: float) -> Samples:
    """A whole sound with at most 20 ms of the silence before it and ``pause_ms`` of the silence after it; empty if all
    of it is silence.

    For an engine whose model leaves much silence at both ends of what it speaks in one go.
    """
    start = sounding_from(sound, sample_rate)
    audible = np.flatnonzero(np.abs(sound) > QUIETEST)
    if not len(audible):
        return sound[:0]
    return sound[start : int(audible[-1]) + 1 + sample_rate * round(pause_ms) // 1000]


def sounding_from(sound: Samples, sample_rate: int) -> int:
    """The first sample that ``trimmed`` keeps."""
    audible = np.abs(sound) > QUIETEST
    first = int(audible.argmax()) if audible.any() else 0
    return max(0, first - sample_rate * _SOFT_BEGINNING_MS // 1000)


class SegmentEdges:
    """Passes sound at once and unchanged; holds back silence only.

    The silence before a segment is cut to ``LEADING_MS``, the silence after it to ``TRAILING_MS``, or to the pause that
    is due there. Silence inside a segment stays as it is.
    """

    delay_ms = 0.0

    def __init__(self, sample_rate: int, *, owed_ms: float = 0.0, exact: bool = False) -> None:
        """``owed_ms`` of silence are due before the first segment: what another stage, of another rate, still owed.
        ``exact``: no more than that, however long the silence before the segment is."""
        self._leading, self._trailing, self._held = (
            ms * sample_rate // 1000 for ms in (LEADING_MS, TRAILING_MS, _HELD_MS)
        )
        self.sample_rate = sample_rate
        self._begun = False
        """The segment has had sound."""
        self._quiet = np.zeros(0, np.float32)
        """Held back: before sound, the newest of the leading silence; after it, what exceeds ``_trailing``."""
        self._num_quiet = 0
        """Silent samples returned since the last sound."""
        self._kept = np.zeros(0, np.float32)
        """What the engine itself left for the pause before the next segment…"""
        self._num_owed = round(owed_ms * sample_rate / 1000)
        """…and how long that pause must be at least, counted from the samples that were returned."""
        self._exact = exact
        self._num_in = 0
        """Samples of this segment taken before it has sound."""
        self._num_out = 0
        """Samples returned, of all segments."""
        self._first_in = 0
        """The sample of this segment that was the first to be returned…"""
        self._first_out = 0
        """…and its place among the samples returned."""

    @property
    def owed_ms(self) -> float:
        """Silence that is due before the next sound."""
        return self._num_owed * 1000 / self.sample_rate

    @property
    def quiet_ms(self) -> float:
        """Silence returned since the last sound."""
        return self._num_quiet * 1000 / self.sample_rate

    @property
    def begun(self) -> bool:
        """This segment has had sound, so it is known where its samples come out."""
        return self._begun

    @property
    def num_out(self) -> int:
        """Samples returned, of all segments."""
        return self._num_out

    @property
    def num_held(self) -> int:
        """Samples of silence after sound that were taken but not returned: they come out only if more sound follows."""
        return len(self._quiet) if self._begun else 0

    def place(self, num_samples: float) -> float:
        """Samples returned before sample ``num_samples`` of this segment, once it has ``begun``.

        Samples that were cut away before the sound count as the beginning of what was left.
        """
        return max(0, num_samples - self._first_in) + self._first_out

    def push(self, samples: Samples) -> list[Samples]:
        if not len(samples):
            return []
        if self._begun:
            return self._inside(samples)
        loud = np.abs(samples) > QUIETEST
        first = int(loud.argmax())
        if not loud[first]:
            self._quiet = np.concatenate((self._quiet, samples))[-self._leading :]
            self._num_in += len(samples)
            return []
        lead = np.concatenate((self._quiet, samples[:first]))[-self._leading :]
        if self._exact:
            lead = lead[max(0, len(lead) - self._num_owed) :]
        missing = np.zeros(max(0, self._num_owed - len(self._kept) - len(lead)), np.float32)
        gap = [part for part in (self._kept, missing, lead) if len(part)]
        self._begun = True
        self._num_out += sum(map(len, gap))
        self._first_in = self._num_in + first - len(lead)
        self._first_out = self._num_out - len(lead)
        self._quiet = self._kept = samples[:0]
        self._num_owed = 0
        self._exact = False
        return [*gap, *self._inside(samples[first:])]

    def end_segment(self, pause_ms: float) -> None:
        """The next samples begin another segment, after a pause of at least ``pause_ms``.

        Nothing is returned for the pause until that segment sounds: after the last one there is none.
        """
        if self._begun:
            self._num_owed = max(0, round(pause_ms * self.sample_rate / 1000) - self._num_quiet)
            self._kept = self._quiet[: self._num_owed]
        self._begun = False
        self._num_in = 0
        self._quiet = self._quiet[:0]

    def flush(self) -> list[Samples]:
        """Nothing: what was held back is silence after the last sound."""
        return []

    def _inside(self, samples: Samples) -> list[Samples]:
        num_sound = len(samples) - _num_trailing_quiet(samples)
        ready: list[Samples] = []
        if num_sound:
            ready = [self._quiet, samples[:num_sound]]
            self._num_out += len(self._quiet) + num_sound
            self._quiet = samples[:0]
            self._num_quiet = 0
        quiet = np.concatenate((self._quiet, samples[num_sound:]))
        at_once = max(0, self._trailing - self._num_quiet, len(quiet) - self._held)
        ready.append(quiet[:at_once])
        self._num_quiet += len(ready[-1])
        self._num_out += len(ready[-1])
        self._quiet = quiet[at_once:]
        return [part for part in ready if len(part)]


def _num_trailing_quiet(samples: Samples) -> int:
    """How many samples at the end are silence."""
    # Nearly always a handful, so look at the last ones first.
    for looked_at in (64, len(samples)):
        loud = np.abs(samples[-looked_at:][::-1]) > QUIETEST
        quiet = int(loud.argmax())
        if loud[quiet]:
            return quiet
    return len(samples)
