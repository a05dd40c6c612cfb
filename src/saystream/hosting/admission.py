"""Which sessions may begin to speak while an engine is busy. Pure: the caller passes in the time, and the pool acts.

An engine that makes three seconds of sound in a second can keep three listeners in sound. Admitting a fourth would make
all four stutter. So the speed of the engine is measured while it works, and a session that has no sound yet waits in
line while the sessions that have sound, or were admitted before it, need all of that speed. A session with sound is
never held back: its next segment goes straight to the scheduler.

The line is first come, first served, and bounded: a session that finds it full, or waits in it too long, is refused.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Generic, TypeVar

from saystream.errors import Overloaded
from saystream.hosting.playback import Playback

__all__ = ["AdmissionQueue", "Speed"]

JobT = TypeVar("JobT", bound=Hashable)

_MEMORY_MS = 10_000.0
"""After this much work of a slot a measurement counts only a third: a few segments of a slow engine."""

_TYPICAL_SOUND_MS = 65.0
"""Sound of a letter, before anything was measured."""

_WEIGHT = 0.2
"""Weight of one job in the mean, after the first few."""
_NOTICE_JOBS = 2
"""All of the job that holds the slot, and the next one up to its first sound: in the worst case all of it."""

_HEADROOM = 0.8
"""Share of the speed that is given away: segments differ in length, and one cannot be interrupted for another. In a
simulation of sentences of 2 to 7 s, 3 sessions in 100 stutter with this share and 60 with all of the speed."""


class Speed:
    """How fast an engine has been recently, from the times of its jobs."""

    def __init__(self) -> None:
        self._audio_ms = 0.0
        self._busy_ms = 0.0
        self._size = 0.0
        self._jobs = 0
        self._first_share = 1.0
        self._realtime_factor: float | None = None
        self._lags = 0
        self.lag_ms = 0.0
        """How much later than its first sound a job has to be heard, so that its listener never runs dry: a mean that
        follows a longer one at once."""
        self.notice_ms = 0.0
        """How long before its sound is needed a job should begin: it may have to wait until another job ends, and then
        needs some time until its first sound."""

    def announced(self, realtime_factor: float | None, *, lag_ms: float) -> None:
        """What the engine says of itself, or is expected of it; it counts until something was measured."""
        self._realtime_factor = realtime_factor
        if not self._lags:
            self.lag_ms = lag_ms

    def measured(
        self,
        audio_ms: float,
        busy_ms: float,
        *,
        size: float = 0.0,
        first_ms: float = math.inf,
        lag_ms: float | None = None,
    ) -> None:
        """A job has computed for ``busy_ms`` and made ``audio_ms`` of sound: the first after ``first_ms``, and with
        this lag if it was the first of its session and in several pieces.

        ``size`` is the length of its text in bytes of UTF-8: a Chinese character takes three, and lasts about as long
        as three letters.
        """
        kept = math.exp(-busy_ms / _MEMORY_MS)
        self._audio_ms = self._audio_ms * kept + audio_ms
        self._busy_ms = self._busy_ms * kept + busy_ms
        self._size = self._size * kept + size
        self._jobs += 1
        share = min(1.0, first_ms / busy_ms) if busy_ms > 0 else 1.0
        self._first_share += max(_WEIGHT, 1 / self._jobs) * (share - self._first_share)
        if lag_ms is not None:
            self._lags += 1
            weight = max(_WEIGHT, 1 / self._lags)
            before_ms = self.lag_ms if self._lags > 1 else lag_ms
            self.lag_ms = max(lag_ms, before_ms + weight * (lag_ms - before_ms))
        self.notice_ms += max(_WEIGHT, 1 / self._jobs) * (_NOTICE_JOBS * busy_ms - self.notice_ms)

    def sound_ms(self, size: float) -> float:
        """How long the speech of a text is likely to be."""
        return size * (self._audio_ms / self._size if self._size else _TYPICAL_SOUND_MS)

    def work_ms(self, size: float) -> float:
        """How long a slot is likely to need for it; 0 if nothing is known."""
        return self.work_of_sound_ms(self.sound_ms(size))

    def work_of_sound_ms(self, sound_ms: float) -> float:
        """How long a slot is likely to need for so much sound; 0 if nothing is known."""
        return sound_ms / self._factor if self._factor else 0.0

    def first_sound_ms(self, size: float) -> float:
        """How long it is likely to take until its first sound."""
        return self.work_ms(size) * self._first_share

    def sessions(self, slots: int) -> int:
        """How many sessions ``slots`` keep in sound: at least one; one for each slot if nothing is known."""
        if not self._factor:
            return slots
        return max(min(slots, 1), int(slots * _HEADROOM * self._factor))

    @property
    def _factor(self) -> float:
        """Sound of one slot for each unit of time; 0 if nothing is known."""
        if self._busy_ms > 0:
            return self._audio_ms / self._busy_ms
        return 1 / self._realtime_factor if self._realtime_factor else 0.0


class _Session(Generic[JobT]):
    __slots__ = ("admitted", "held", "jobs", "playback", "since_ms")

    def __init__(self, playback: Playback, *, admitted: bool) -> None:
        self.playback = playback
        self.admitted = admitted
        self.jobs: set[JobT] = set()
        self.held: list[JobT] = []
        """Jobs that can start, in the order in which they became able to."""
        self.since_ms = math.inf
        """When the first of them became able to start."""


class AdmissionQueue(Generic[JobT]):
    """The sessions that one engine speaks for, and the line of sessions that wait to begin.

    ``add`` every job, call ``ready`` when it can start and ``done`` when it has ended or is no longer wanted; give the
    scheduler what ``ready`` and ``admit`` return.
    """

    def __init__(self, *, max_held: int) -> None:
        self.speed = Speed()
        self._max_held = max_held
        self._sessions: dict[Playback, _Session[JobT]] = {}
        self._session_of: dict[JobT, _Session[JobT]] = {}
        self._line: dict[_Session[JobT], None] = {}
        """In the order of arrival."""
        self._admitted = 0

    @property
    def held(self) -> int:
        """Sessions in the line."""
        return len(self._line)

    @property
    def admitted(self) -> int:
        """Sessions outside the line that have something to say."""
        return self._admitted

    def add(self, job: JobT, playback: Playback, now_ms: float) -> None:
        """Raises Overloaded, and adds nothing, if its session would be one too many in the line."""
        session = self._sessions.get(playback)
        if session is None:
            admitted = playback.has_begun(now_ms)
            if not admitted and self.held >= self._max_held:
                raise Overloaded(f"{self._max_held} sessions are already waiting, which is the limit.")
            session = self._sessions[playback] = _Session(playback, admitted=admitted)
            self._admitted += admitted
        session.jobs.add(job)
        self._session_of[job] = session

    def ready(self, job: JobT, now_ms: float) -> list[JobT]:
        """The job can start; it is returned unless its session has to wait."""
        session = self._session_of[job]
        if session.admitted:
            return [job]
        if job not in session.held:
            session.held.append(job)
        if session not in self._line:
            self._line[session] = None
            session.since_ms = now_ms
        return []

    def admit(self, slots: int) -> list[JobT]:
        """The jobs of the sessions that no longer have to wait, in the order of the line."""
        jobs: list[JobT] = []
        limit = self.speed.sessions(slots)
        while self._line and self._admitted < limit:
            session = next(iter(self._line))
            del self._line[session]
            session.admitted = True
            self._admitted += 1
            jobs += session.held
            session.held.clear()
        return jobs

    def done(self, job: JobT) -> None:
        """A job has ended, in whatever way."""
        session = self._session_of.pop(job)
        session.jobs.discard(job)
        if job in session.held:
            session.held.remove(job)
        if not session.held:
            self._line.pop(session, None)
        if not session.jobs:
            self._admitted -= session.admitted
            del self._sessions[session.playback]

    def overdue(self, since_ms: float) -> list[JobT]:
        """All jobs of the sessions that have waited since ``since_ms`` or longer."""
        late = [session for session in self._line if session.since_ms <= since_ms]
        return [job for session in late for job in session.jobs]

    def waits_since_ms(self) -> float | None:
        """When the first in the line joined it."""
        return next((session.since_ms for session in self._line), None)
