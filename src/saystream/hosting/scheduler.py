"""Which waiting job an engine runs next. Pure: the caller passes in the time, and the pool acts.

The rule is least slack: the job whose listener runs out of audio first goes first, so that many sessions on one engine
play without gaps. The slack of all listeners shrinks at the same pace, so jobs are ordered by the absolute time at
which each listener runs dry, which changes only when audio is sent.

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
from typing import Generic, TypeVar

from saystream.errors import Overloaded
from saystream.hosting.playback import Playback

__all__ = ["Scheduler"]

JobT = TypeVar("JobT", bound=Hashable)

_LEAST_SAFETY_MS = 1000.0
"""A job takes time: a listener with less than this left comes before one who has not heard anything yet."""
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
    __slots__ = ("can_wait", "job", "order", "ready_at_ms", "running", "session")

    def __init__(self, job: JobT, session: _Session[JobT], order: int) -> None:
        self.job = job
        self.session = session
        self.order = order
        self.ready_at_ms = math.inf
        self.running = False
        self.can_wait = False
        """It was started for a session with plenty of audio left."""

    @property
    def due_at_ms(self) -> float:
        """A session that was silent on purpose is urgent from when it had something to say, not from when it fell
        silent."""
        return max(self.session.playback.runs_dry_at_ms - self.session.safety.ms, self.ready_at_ms)


class Scheduler(Generic[JobT]):
    """The waiting and the running jobs of one engine.

    A job is any hashable object. ``add`` it, call ``ready``, run what ``next`` returns, then call ``done``. A session
    is identified by its ``Playback``.
    """

    def __init__(self, *, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._entries: dict[JobT, _Entry[JobT]] = {}
        self._sessions: dict[Playback, _Session[JobT]] = {}
        self._heap: list[tuple[float, int, int, _Session[JobT]]] = []
        self._added = 0
        self._running = 0
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

    def ready(self, job: JobT, now_ms: float) -> None:
        """The job can start from now on. Calling it again does no harm."""
        entry = self._entries[job]
        if entry.ready_at_ms == math.inf:
            entry.ready_at_ms = now_ms
            if entry.session.waiting[0] is entry:
                self._enqueue(entry.session)

    def next(self, free_slots: int, now_ms: float) -> list[JobT]:
        """At most ``free_slots`` jobs to start now, most urgent first; they count as running from here on."""
        started: list[JobT] = []
        slots = self._running + free_slots
        while len(started) < free_slots:
            session = self._most_urgent(slots)
            if session is None:
                break
            entry = session.waiting[0]
            if entry.due_at_ms > now_ms + _PLENTY_MS:
                if self._running_that_can_wait >= max(1, slots // 2):
                    self._enqueue(session)
                    break
                entry.can_wait = True
                self._running_that_can_wait += 1
            session.waiting.popleft()
            entry.running = True
            session.running += 1
            self._running += 1
            self._enqueue(session)
            started.append(entry.job)
        return started

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

    def _enqueue(self, session: _Session[JobT]) -> None:
        """Put the session into the heap under its first waiting job, and invalidate its earlier item."""
        session.ticket += 1
        head = session.waiting[0] if session.waiting else None
        if head is None or head.ready_at_ms == math.inf:
            return
        heapq.heappush(self._heap, (head.due_at_ms, head.order, session.ticket, session))
        if len(self._heap) > 2 * len(self._sessions) + _STALE_ALLOWANCE:
            self._heap = [item for item in self._heap if item[2] == item[3].ticket]
            heapq.heapify(self._heap)

    def _most_urgent(self, slots: int) -> _Session[JobT] | None:
        """Take a session out of the heap: the most urgent within its share, else the most urgent of all.

        Only sessions with running jobs can exceed their share, so no more than ``slots`` are passed over.
        """
        share = max(1, slots // max(1, len(self._sessions)))
        passed: list[tuple[float, int, int, _Session[JobT]]] = []
        chosen: _Session[JobT] | None = None
        while self._heap and chosen is None:
            item = heapq.heappop(self._heap)
            due_at_ms, order, ticket, session = item
            if ticket != session.ticket:
                continue
            now_due_at_ms = session.waiting[0].due_at_ms
            if now_due_at_ms > due_at_ms:  # audio has been sent since: less urgent than the heap knew
                heapq.heappush(self._heap, (now_due_at_ms, order, ticket, session))
            elif session.running < share:
                chosen = session
            else:
                passed.append(item)
        if chosen is None and passed:
            chosen = passed.pop(0)[3]
        for item in passed:
            heapq.heappush(self._heap, item)
        return chosen
