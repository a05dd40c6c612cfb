"""Which waiting job an engine runs next. Pure: the caller passes in the time, and the pool acts.

Listeners who hear something come first, as far as they need it. Among them the rule is least slack: the job whose
listener runs out of audio first goes first. The slack of all shrinks at the same pace, so they are ordered by the
absolute time at which each runs dry, which changes only when audio is sent. Silent listeners are ordered by the time
since which they wait, so that one session after the other gets all that it needs to begin. The first of them goes
before those who sound if these can wait that long: whether they can follows from the work that each job is, as far as
that is known.

Three rules take precedence: the jobs of one session start in the order in which they were added; while other sessions
wait, a session gets no more than its equal share of the slots; and because a started job is not interrupted, sessions
that have plenty of audio left use at most half of the slots, so that a session that is about to run dry, or has no
sound yet, finds a free one.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeAlias, TypeVar

from saystream.errors import Overloaded
from saystream.hosting.playback import Playback

__all__ = ["Scheduler"]

JobT = TypeVar("JobT", bound=Hashable)

_LEAST_SAFETY_MS = 1000.0
"""A job takes time: a listener with less than this left comes before one who has not heard anything yet."""
_PATIENCE_MS = 10_000.0
"""A silent listener who has waited this long goes first, whatever becomes of the others."""
_LOOKED_AHEAD = 32
"""Sessions that sound of which it is tested whether they can wait."""
_PLENTY_MS = 2000.0
"""Audio left beyond the safety above which a session can wait."""

_STALE_ALLOWANCE = 64
"""Outdated heap items beyond one for each session; above this the heap is rebuilt."""


class _Safety:
    """One number that all sessions of a scheduler share."""

    __slots__ = ("ms",)

    def __init__(self) -> None:
        self.ms = _LEAST_SAFETY_MS


class _Session(Generic[JobT]):
    __slots__ = ("playback", "running", "safety", "ticket", "waiting")

    def __init__(self, playback: Playback, safety: _Safety) -> None:
        self.playback = playback
        self.safety = safety
        self.waiting: deque[_Entry[JobT]] = deque()
        self.running = 0
        self.ticket = 0
        """Only the heap item with this number is valid."""


class _Entry(Generic[JobT]):
    __slots__ = ("began_at_ms", "can_wait", "job", "order", "ready_at_ms", "running", "session", "work_ms")

    def __init__(self, job: JobT, session: _Session[JobT], order: int) -> None:
        self.job = job
        self.session = session
        self.order = order
        self.ready_at_ms = math.inf
        self.began_at_ms = math.inf
        self.work_ms = 0.0
        self.running = False
        self.can_wait = False
        """It was started for a session with plenty of audio left."""

    @property
    def sounds(self) -> bool:
        """Whether its listener heard something when it became ready, or has since then."""
        return self.session.playback.sounds(self.ready_at_ms)

    @property
    def rank_ms(self) -> float:
        """The order among those who sound, and among those who are silent."""
        playback = self.session.playback
        if self.sounds:
            return playback.runs_dry_at_ms
        return self.ready_at_ms if playback.waits_since_ms is None else playback.waits_since_ms

    @property
    def latest_start_ms(self) -> float:
        """When it has to begin so that a listener who hears something does not run dry."""
        return self.session.playback.runs_dry_at_ms - max(self.work_ms, self.session.safety.ms)

    def work_left_ms(self, now_ms: float, pace: float) -> float:
        """Of a job that runs, and computes for ``pace`` of the time."""
        return max(0.0, self.work_ms - (now_ms - self.began_at_ms) * pace)


_Item: TypeAlias = tuple[float, int, int, _Session[JobT]]
"""Rank, order of the job, ticket of the session, and the session."""


class Scheduler(Generic[JobT]):
    """The waiting and the running jobs of one engine.

    A job is any hashable object. ``add`` it, call ``ready``, run what ``next`` returns, then call ``done``. A session
    is identified by its ``Playback``.
    """

    def __init__(self, *, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._entries: dict[JobT, _Entry[JobT]] = {}
        self._sessions: dict[Playback, _Session[JobT]] = {}
        self._sounding: list[_Item[JobT]] = []
        self._silent: list[_Item[JobT]] = []
        self._added = 0
        self._running = 0
        self._parallel = 1
        """Jobs that compute at once."""
        self._running_that_can_wait = 0
        self._safety = _Safety()

    def expect(self, notice_ms: float) -> None:
        """As far as is known now, a job has to begin ``notice_ms`` before its listener runs dry.

        Only an engine that needs more than a second needs an earlier start.
        """
        self._safety.ms = max(_LEAST_SAFETY_MS, notice_ms)

    @property
    def waiting(self) -> int:
        return len(self._entries) - self._running

    @property
    def running(self) -> int:
        return self._running

    def add(self, job: JobT, playback: Playback) -> None:
        """Let ``job`` wait. It holds its place in its session, but starts only after ``ready``.

        Raises Overloaded, and adds nothing, if ``max_waiting`` jobs are already waiting.
        """
        if self.waiting >= self._max_waiting:
            raise Overloaded(f"{self._max_waiting} segments are waiting for this engine, which is the limit.")
        session = self._sessions.get(playback)
        if session is None:
            session = self._sessions[playback] = _Session(playback, self._safety)
        self._added += 1
        entry = self._entries[job] = _Entry(job, session, self._added)
        session.waiting.append(entry)

    def ready(self, job: JobT, now_ms: float, *, work_ms: float = 0.0) -> None:
        """The job can start from now on, and holds a slot for about ``work_ms``. Calling it again does no harm."""
        entry = self._entries[job]
        if entry.ready_at_ms == math.inf:
            entry.ready_at_ms = now_ms
            entry.work_ms = work_ms
            entry.session.playback.begins_to_wait(now_ms)
            if entry.session.waiting[0] is entry:
                self._enqueue(entry.session)

    @property
    def crowded(self) -> bool:
        """More jobs run than can compute at once."""
        return self._running > self._parallel

    def next(
        self, free_slots: int, now_ms: float, *, parallel: int | None = None, side_by_side: bool = False
    ) -> list[JobT]:
        """At most ``free_slots`` jobs to start now, most urgent first; they count as running from here on.

        ``parallel`` of all that run compute at once; ``None`` is all. No session holds more slots than that; where one
        job uses them all ``side_by_side``, one whose listener is silent holds one.
        """
        started: list[JobT] = []
        slots = max(1, self._running + free_slots)
        self._parallel = slots if parallel is None else max(1, min(slots, parallel))
        while len(started) < free_slots:
            session = self._most_urgent(slots, now_ms, most_silent=1 if side_by_side else slots)
            if session is None:
                break
            entry = session.waiting[0]
            if session.running >= self._parallel:
                self._enqueue(session)
                break
            if entry.latest_start_ms > now_ms + _PLENTY_MS:
                if self._running_that_can_wait >= max(1, slots // 2):
                    self._enqueue(session)
                    break
                entry.can_wait = True
                self._running_that_can_wait += 1
            session.waiting.popleft()
            entry.running = True
            entry.began_at_ms = now_ms
            session.running += 1
            self._running += 1
            self._enqueue(session)
            started.append(entry.job)
        return started

    def starts_in_ms(self, job: JobT, now_ms: float) -> float:
        """How long a waiting job is likely to wait for a slot; 0 for one that runs."""
        entry = self._entries[job]
        if entry.running:
            return 0.0
        before = [other for other in entry.session.waiting if other.order < entry.order]
        return self._wait_ms(entry.session.playback, now_ms) + sum(each.work_ms for each in before)

    def next_starts_in_ms(self, playback: Playback, now_ms: float) -> float:
        """The same for a job that would be added to a session now."""
        session = self._sessions.get(playback)
        before = session.waiting if session is not None else ()
        return self._wait_ms(playback, now_ms) + sum(each.work_ms for each in before)

    def _wait_ms(self, playback: Playback, now_ms: float) -> float:
        """Until all that goes before any job of a session is done."""
        ahead_ms = self._running_work_ms(now_ms)
        heads = [
            session.waiting[0]
            for session in self._sessions.values()
            if session.waiting and session.playback is not playback
        ]
        if not playback.sounds(now_ms):
            since_ms = now_ms if playback.waits_since_ms is None else playback.waits_since_ms
            ahead_ms += sum(each.work_ms for each in heads if not each.sounds and each.rank_ms < since_ms)
        sounding = [each for each in heads if each.sounds]
        for each in sorted(sounding, key=lambda each: each.latest_start_ms):
            if each.latest_start_ms < now_ms + ahead_ms / self._parallel:
                ahead_ms += each.work_ms
        return ahead_ms / self._parallel

    def done(self, job: JobT) -> None:
        """A running job has ended, in whatever way."""
        entry = self._entries.pop(job)
        self._stop(entry)
        self._drop_if_empty(entry.session)

    def retry(self, job: JobT) -> None:
        """A running job has to run again: it waits at its old place, even if the queue is full."""
        entry = self._entries[job]
        self._stop(entry)
        session = entry.session
        place = sum(1 for other in session.waiting if other.order < entry.order)
        session.waiting.insert(place, entry)
        if place == 0:
            self._enqueue(session)

    def cancel(self, job: JobT) -> bool:
        """Forget a waiting job and return True. A running one keeps its slot until ``done``: False."""
        entry = self._entries[job]
        if entry.running:
            return False
        del self._entries[job]
        session = entry.session
        was_head = session.waiting[0] is entry
        session.waiting.remove(entry)
        if was_head:
            self._enqueue(session)
        self._drop_if_empty(session)
        return True

    def _stop(self, entry: _Entry[JobT]) -> None:
        entry.running = False
        self._running_that_can_wait -= entry.can_wait
        entry.can_wait = False
        entry.session.running -= 1
        self._running -= 1

    def _drop_if_empty(self, session: _Session[JobT]) -> None:
        if not session.waiting and not session.running:
            session.ticket += 1
            del self._sessions[session.playback]

    def _running_work_ms(self, now_ms: float) -> float:
        pace = min(1.0, self._parallel / max(1, self._running))
        return sum(entry.work_left_ms(now_ms, pace) for entry in self._entries.values() if entry.running)

    def _enqueue(self, session: _Session[JobT]) -> None:
        """Put the session into its heap under its first waiting job, and invalidate its earlier item."""
        session.ticket += 1
        head = session.waiting[0] if session.waiting else None
        if head is None or head.ready_at_ms == math.inf:
            return
        self._push(session)
        if len(self._sounding) + len(self._silent) > 2 * len(self._sessions) + _STALE_ALLOWANCE:
            for heap in (self._sounding, self._silent):
                heap[:] = [item for item in heap if item[2] == item[3].ticket]
                heapq.heapify(heap)

    def _push(self, session: _Session[JobT]) -> None:
        head = session.waiting[0]
        heap = self._sounding if head.sounds else self._silent
        heapq.heappush(heap, (head.rank_ms, head.order, session.ticket, session))

    def _most_urgent(self, slots: int, now_ms: float, *, most_silent: int) -> _Session[JobT] | None:
        """Take a session out of its heap: the most urgent within its share, else the most urgent of all; but no silent
        one that holds ``most_silent`` slots.

        Only sessions with running jobs can exceed their share, so no more than ``slots`` are passed over.
        """
        share = min(self._parallel, max(1, slots // max(1, len(self._sessions))))
        silent = self._first(self._silent, min(share, most_silent))
        sounding = self._first(self._sounding, share)
        if silent is not None and silent.running >= most_silent:
            self._push(silent)
            silent = None
        if silent is None or sounding is None:
            return silent or sounding
        if (silent.running < share) != (sounding.running < share):
            goes_first = silent.running < share
        else:
            goes_first = self._leaves_time(silent.waiting[0], sounding, now_ms)
        chosen, other = (silent, sounding) if goes_first else (sounding, silent)
        self._push(other)
        return chosen

    def _first(self, heap: list[_Item[JobT]], share: float) -> _Session[JobT] | None:
        """Take the first session within ``share`` out of ``heap``, else the first."""
        passed: list[_Item[JobT]] = []
        chosen: _Session[JobT] | None = None
        while heap and chosen is None:
            item = heapq.heappop(heap)
            rank_ms, _, ticket, session = item
            if ticket != session.ticket:
                continue
            head = session.waiting[0]
            is_elsewhere = head.sounds != (heap is self._sounding)
            if (
                is_elsewhere or head.rank_ms > rank_ms
            ):  # audio has been sent since: less urgent than the heap knew
                self._push(session)
            elif session.running < share:
                chosen = session
            else:
                passed.append(item)
        if chosen is None and passed:
            chosen = passed.pop(0)[3]
        for item in passed:
            heapq.heappush(heap, item)
        return chosen

    def _leaves_time(self, newcomer: _Entry[JobT], sounding: _Session[JobT], now_ms: float) -> bool:
        """Whether those who sound, ``sounding`` first, can wait until ``newcomer`` has run."""
        if now_ms - newcomer.rank_ms >= _PATIENCE_MS:
            return True
        before_ms = self._running_work_ms(now_ms) + newcomer.work_ms
        looked_at: list[_Session[JobT]] = []
        following: _Session[JobT] | None = sounding
        leaves_time = True
        while following is not None and leaves_time and len(looked_at) < _LOOKED_AHEAD:
            head = following.waiting[0]
            leaves_time = head.latest_start_ms >= now_ms + before_ms / self._parallel
            before_ms += head.work_ms
            looked_at.append(following)
            following = self._first(self._sounding, math.inf) if leaves_time else None
        for session in [*looked_at[1:], *([following] if following else [])]:
            self._push(session)
        return leaves_time
