"""A crowd on one engine, simulated with the costs of Piper: nobody runs dry, and the last to begin is not late."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from saystream.hosting.admission import AdmissionQueue
from saystream.hosting.front import Forecast
from saystream.hosting.playback import Playback
from saystream.hosting.scheduler import Scheduler
from saystream.speech.startup import hold_ms

Job = tuple[int, int]

LETTER_MS = 60.0
TEXT = (7, 68, 70, 19, 62, 40)
"""Letters of each segment: "Right?", then sentences; 16 s of sound."""
WORDS_PER_S, LETTERS_PER_WORD = 20, 6
MAX_WAIT_MS = 600.0
LOOK_AGAIN_MS = 50.0
ON_THE_WAY_MS = 2.0


@dataclass(slots=True)
class Listener:
    playback: Playback
    came_ms: float
    known_ms: list[float]
    """When each segment was cut."""
    asked: int = 0
    made: int = 0
    held_ms: float = 0.0
    first_ms: float | None = None
    late_ms: float = 0.0


@dataclass(slots=True)
class Crowd:
    """Listeners of an engine with ``slots``, each ``speed`` times as fast as speech; a segment sounds at its end."""

    slots: int
    speed: float
    overhead_ms: float = 15.0
    now_ms: float = 0.0
    listeners: list[Listener] = field(default_factory=list)
    began_ms: dict[Job, float] = field(default_factory=dict)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _added: int = 0
    _scheduler: Scheduler[Job] = field(default_factory=lambda: Scheduler(max_waiting=10_000))
    _admission: AdmissionQueue[Job] = field(default_factory=lambda: AdmissionQueue(max_held=10_000))

    def run(self, arrivals_ms: list[float], *, dripped: bool, warm: bool = True) -> None:
        if warm:
            for letters in TEXT:
                self._measure(letters)
        for number, at_ms in enumerate(arrivals_ms):
            self.listeners.append(Listener(Playback(at_ms), at_ms, list(_cut_ms(at_ms, dripped))))
            self._at(at_ms, partial(self._ask, number))
        while self._events:
            self.now_ms, _, event = heapq.heappop(self._events)
            event()
            self._ready(self._admission.admit(self.slots))
            for job in self._scheduler.next(self.slots - self._scheduler.running, self.now_ms):
                self.began_ms[job] = self.now_ms
                self._at(self.now_ms + self._cost_ms(TEXT[job[1]]), partial(self._made, job))

    def _at(self, when_ms: float, event: Callable[[], None]) -> None:
        self._added += 1
        heapq.heappush(self._events, (when_ms, self._added, event))

    def _cost_ms(self, letters: int) -> float:
        return self.overhead_ms + letters * LETTER_MS / self.speed

    def _measure(self, letters: int) -> None:
        speed = self._admission.speed
        speed.measured(letters * LETTER_MS, self._cost_ms(letters) + ON_THE_WAY_MS, size=letters)
        self._scheduler.expect(speed.notice_ms)

    def _ready(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._scheduler.ready(job, self.now_ms, work_ms=self._admission.speed.work_ms(TEXT[job[1]]))

    def _ask(self, number: int) -> None:
        """The next segment is given to the engine, once it is known: one ahead of the one that sounds."""
        listener = self.listeners[number]
        if listener.asked == len(TEXT) or listener.asked > listener.made:
            return
        if (known_ms := listener.known_ms[listener.asked]) > self.now_ms:
            self._at(known_ms, lambda: self._ask(number))
            return
        job = (number, listener.asked)
        listener.asked += 1
        self._admission.add(job, listener.playback, self.now_ms)
        self._scheduler.add(job, listener.playback)
        self._ready(self._admission.ready(job, self.now_ms))

    def _made(self, job: Job) -> None:
        number, segment = job
        listener = self.listeners[number]
        self._measure(TEXT[segment])
        self._scheduler.done(job)
        listener.made += 1
        self._ask(number)
        self._admission.done(job)
        listener.held_ms += TEXT[segment] * LETTER_MS
        self._release(number)

    def _release(self, number: int) -> None:
        listener = self.listeners[number]
        if not listener.held_ms:
            return
        if listener.first_ms is None:
            wait_ms = hold_ms(listener.held_ms, self._coming(number))
            if wait_ms > 0:
                self._at(self.now_ms + min(wait_ms, LOOK_AGAIN_MS), lambda: self._release(number))
                return
            listener.first_ms = self.now_ms
        else:
            listener.late_ms = max(listener.late_ms, -listener.playback.lead_ms(self.now_ms))
        listener.playback.audio_sent(listener.held_ms, self.now_ms)
        listener.held_ms = 0.0

    def _coming(self, number: int) -> Iterator[Forecast]:
        listener = self.listeners[number]
        speed = self._admission.speed
        for segment in range(listener.made, listener.asked):
            job = (number, segment)
            first_ms = speed.first_sound_ms(TEXT[segment])
            if job in self.began_ms:
                left_ms = self.began_ms[job] + first_ms - self.now_ms
            else:
                left_ms = self._scheduler.starts_in_ms(job, self.now_ms) + first_ms
            yield Forecast(max(0.0, left_ms), speed.sound_ms(TEXT[segment]))
        if listener.asked == listener.made < len(TEXT):
            until_cut_ms = max(0.0, MAX_WAIT_MS - (self.now_ms - listener.known_ms[listener.made - 1]))
            size = (MAX_WAIT_MS / 1000 * WORDS_PER_S) * LETTERS_PER_WORD
            wait_ms = self._scheduler.next_starts_in_ms(listener.playback, self.now_ms)
            yield Forecast(until_cut_ms + wait_ms + speed.first_sound_ms(size), speed.sound_ms(size))

    @property
    def latest_first_ms(self) -> float:
        return max((each.first_ms or math.inf) - each.came_ms for each in self.listeners)

    @property
    def latest_ms(self) -> float:
        return max(each.late_ms for each in self.listeners)


def _cut_ms(came_ms: float, dripped: bool) -> Iterator[float]:
    letters = 0
    for each in TEXT:
        letters += each
        words = letters / LETTERS_PER_WORD + 1
        yield came_ms + (words / WORDS_PER_S * 1000 if dripped else 0.0)


def ideal_ms(crowd: Crowd, sessions: int) -> float:
    """When the last could begin at best: if all work but that of the first two segments of each came later."""
    two = sum(crowd._cost_ms(letters) for letters in TEXT[:2])
    return max(crowd._cost_ms(TEXT[0]), sessions * two / crowd.slots - TEXT[0] * LETTER_MS)


@pytest.mark.parametrize("dripped", [False, True])
@pytest.mark.parametrize("spread_ms", [0.0, 200.0])
@pytest.mark.parametrize(("slots", "sessions"), [(2, 1), (2, 4), (2, 8), (2, 12), (1, 4), (1, 6)])
def test_nobody_runs_dry_while_the_engine_has_a_fifth_of_its_speed_left(
    slots: int, sessions: int, spread_ms: float, dripped: bool
) -> None:
    crowd = Crowd(slots=slots, speed=9.0)
    crowd.run([number * spread_ms for number in range(sessions)], dripped=dripped)
    assert crowd.latest_ms <= 20
    until_second_is_known_ms = 750 if dripped else 0
    assert crowd.latest_first_ms <= 1.2 * ideal_ms(crowd, sessions) + 250 + until_second_is_known_ms


def test_beyond_its_speed_those_who_sound_go_on_and_the_others_wait() -> None:
    crowd = Crowd(slots=2, speed=9.0)
    crowd.run([0.0] * 30, dripped=False)
    assert crowd.latest_ms <= 20
    assert all(each.made == len(TEXT) for each in crowd.listeners)


def test_before_anything_was_measured_it_is_as_safe() -> None:
    crowd = Crowd(slots=2, speed=9.0)
    crowd.run([0.0] * 8, dripped=False, warm=False)
    assert crowd.latest_ms <= 100
