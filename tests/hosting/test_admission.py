from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from saystream.errors import Overloaded
from saystream.hosting.admission import AdmissionQueue, Speed
from saystream.hosting.playback import Playback
from saystream.hosting.scheduler import Scheduler

FAST = 1e9


def admission_for(sessions: float, *, max_held: int = 100) -> AdmissionQueue[str]:
    """Of an engine with one slot that is just fast enough for so many sessions."""
    admission: AdmissionQueue[str] = AdmissionQueue(max_held=max_held)
    admission.speed.measured(sessions / 0.8 * 1000 + 1, 1000)
    return admission


def come(
    admission: AdmissionQueue[str], job: str, playback: Playback | None = None, now_ms: float = 0
) -> list[str]:
    admission.add(job, playback or Playback(now_ms), now_ms)
    return admission.ready(job, now_ms) + admission.admit(1)


def sounding(now_ms: float = 0) -> Playback:
    playback = Playback(now_ms)
    playback.audio_sent(2000, now_ms)
    return playback


# --- speed


def test_before_anything_was_measured_each_slot_is_good_for_one_session() -> None:
    assert [Speed().sessions(slots) for slots in (0, 1, 4)] == [0, 1, 4]


@pytest.mark.parametrize(
    ("audio_ms", "slots", "sessions"),
    [(4000, 1, 3), (2000, 2, 3), (100, 1, 1), (100, 0, 0), (400_000, 2, 640)],
)
def test_an_engine_keeps_as_many_sessions_in_sound_as_it_is_faster_than_they(
    audio_ms: float, slots: int, sessions: int
) -> None:
    speed = Speed()
    speed.measured(audio_ms, 1000)
    assert speed.sessions(slots) == sessions


def test_a_machine_that_has_become_slower_is_noticed_within_a_few_segments() -> None:
    speed = Speed()
    for _ in range(20):
        speed.measured(4000, 1000)
    for _ in range(8):
        speed.measured(4000, 4000)
    assert speed.sessions(1) == 1


def test_a_job_should_begin_before_the_one_that_runs_now_has_ended() -> None:
    speed = Speed()
    speed.measured(5000, 2000)
    assert speed.notice_ms == 4000
    for _ in range(30):
        speed.measured(5000, 1000)
    assert speed.notice_ms == pytest.approx(2000, rel=0.01)


def test_the_work_of_a_text_follows_from_those_before_it() -> None:
    speed = Speed()
    assert (speed.work_ms(100), speed.sound_ms(100)) == (0, 6500)
    speed.announced(0.1, lag_ms=0)
    assert speed.work_ms(100) == pytest.approx(650)
    assert speed.sessions(2) == 16
    speed.measured(4000, 1000, size=50, first_ms=200)
    assert (speed.sound_ms(100), speed.work_ms(100)) == (8000, 2000)
    assert speed.first_sound_ms(100) == pytest.approx(400)
    assert speed.sessions(2) == 6


def test_a_job_without_a_slot_says_nothing_of_its_first_sound() -> None:
    speed = Speed()
    speed.measured(0, 0)
    assert speed.first_sound_ms(100) == 0


def test_a_longer_lag_counts_at_once_and_is_forgotten_slowly() -> None:
    speed = Speed()
    for lag_ms, counts_ms in (
        (300, 300),
        (100, 200),
        (0, 133),
        (0, 100),
        (0, 80),
        (0, 64),
        (500, 500),
        (0, 400),
    ):
        speed.measured(1000, 100, lag_ms=lag_ms)
        assert speed.lag_ms == pytest.approx(counts_ms, abs=1)
    speed.measured(1000, 100)
    assert speed.lag_ms == pytest.approx(400)


def test_the_lag_that_is_expected_counts_until_one_was_measured() -> None:
    speed = Speed()
    speed.announced(0.5, lag_ms=600)
    assert (speed.lag_ms, speed.work_of_sound_ms(100)) == (600, 50)
    speed.measured(1000, 100)
    speed.announced(0.5, lag_ms=900)
    assert speed.lag_ms == 900
    speed.measured(1000, 100, lag_ms=90)
    speed.announced(0.5, lag_ms=900)
    assert speed.lag_ms == 90


# --- who is held


def test_a_job_that_is_ready_again_waits_once() -> None:
    admission = admission_for(1)
    come(admission, "first")
    assert come(admission, "second") == []
    assert admission.ready("second", 10) == []
    assert admission.held == 1


def test_sessions_are_let_in_until_the_speed_is_given_away() -> None:
    admission = admission_for(2)
    assert [come(admission, job) for job in "abc"] == [["a"], ["b"], []]
    assert (admission.admitted, admission.held) == (2, 1)


def test_a_session_that_sounds_is_never_held() -> None:
    admission = admission_for(1)
    come(admission, "a")
    assert come(admission, "b", sounding()) == ["b"]
    assert admission.admitted == 2


def test_a_session_that_has_been_silent_for_a_while_waits_like_a_new_one() -> None:
    admission = admission_for(1)
    come(admission, "a", now_ms=4000)
    assert come(admission, "b", sounding(now_ms=0), now_ms=4000) == []


def test_every_job_of_a_session_that_was_let_in_goes_through() -> None:
    admission, playback = admission_for(1), Playback(0)
    assert come(admission, "a1", playback) == ["a1"]
    assert come(admission, "a2", playback) == ["a2"]
    assert come(admission, "b") == []


def test_a_session_whose_first_sound_is_held_back_for_its_second_job_does_not_wait_for_another_place() -> (
    None
):
    admission, playback = admission_for(1), Playback(0)
    assert come(admission, "a1", playback) == ["a1"]
    come(admission, "b")
    playback.audio_made()
    admission.done("a1")
    assert admission.admit(1) == ["b"]
    assert come(admission, "a2", playback) == ["a2"]


def test_the_line_is_first_come_first_served() -> None:
    admission = admission_for(1)
    for job in "abcd":
        come(admission, job)
    order = []
    for job in "abc":
        admission.done(job)
        order += admission.admit(1)
    assert order == ["b", "c", "d"]


def test_a_held_session_is_let_in_with_all_that_it_has_to_say() -> None:
    admission, playback = admission_for(1), Playback(0)
    come(admission, "a")
    come(admission, "b1", playback)
    come(admission, "b2", playback)
    admission.done("a")
    assert admission.admit(1) == ["b1", "b2"]


def test_one_that_gives_up_frees_its_place_in_the_line() -> None:
    admission = admission_for(1, max_held=1)
    for job in "ab":
        come(admission, job)
    admission.done("b")
    assert admission.held == 0
    assert come(admission, "c") == []


def test_a_full_line_refuses_and_changes_nothing() -> None:
    admission = admission_for(1, max_held=1)
    for job in "ab":
        come(admission, job)
    with pytest.raises(Overloaded, match="1 sessions are already waiting"):
        come(admission, "c")
    assert (admission.admitted, admission.held) == (1, 1)
    assert come(admission, "d", sounding()) == ["d"]


def test_those_who_wait_too_long_are_told_apart() -> None:
    admission = admission_for(1)
    playback = Playback(100)
    for job, now_ms in (("a", 0.0), ("b", 100.0), ("c", 200.0)):
        come(admission, job, playback if job == "b" else None, now_ms=now_ms)
    come(admission, "b2", playback, now_ms=300)
    assert admission.waits_since_ms() == 100
    assert sorted(admission.overdue(150)) == ["b", "b2"]
    assert admission.overdue(99) == []


def test_a_job_that_cannot_start_yet_holds_no_place_in_the_line() -> None:
    admission = admission_for(1)
    come(admission, "a")
    admission.add("not yet", Playback(0), 0)
    assert come(admission, "c") == []
    admission.ready("not yet", 10)
    admission.done("a")
    assert admission.admit(1) == ["c"]


def test_without_a_slot_nobody_is_let_in_and_with_the_first_one_they_are() -> None:
    admission: AdmissionQueue[str] = AdmissionQueue(max_held=10)
    admission.add("a", Playback(0), 0)
    assert admission.ready("a", 0) + admission.admit(0) == []
    assert admission.admit(1) == ["a"]


class AdmissionMachine(RuleBasedStateMachine):
    """Any sequence of calls: nothing is lost or doubled, and nobody who sounds waits."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0.0
        self.admission: AdmissionQueue[int] = AdmissionQueue(max_held=3)
        self.playbacks = [Playback(0) for _ in range(6)]
        self.playback_of: dict[int, Playback] = {}
        self.released: set[int] = set()
        self.ready: set[int] = set()
        self.added = 0

    def let_through(self, jobs: list[int]) -> None:
        assert not self.released & set(jobs) and self.ready >= set(jobs)
        self.released |= set(jobs)

    @rule(target=jobs, number=st.integers(0, 5))
    def a_job_comes(self, number: int) -> int:
        playback = self.playbacks[number]
        sounds = playback.sounds(self.now_ms)
        job = self.added = self.added + 1
        try:
            self.admission.add(job, playback, self.now_ms)
        except Overloaded:
            assert not sounds and self.admission.held >= 3
            return 0
        self.playback_of[job] = playback
        self.ready.add(job)
        self.let_through(self.admission.ready(job, self.now_ms))
        known = [other for other in self.playback_of if self.playback_of[other] is playback]
        if sounds and known == [job]:
            assert job in self.released
        return job

    @rule(audio_ms=st.integers(0, 10_000), busy_ms=st.integers(1, 5000))
    def a_job_is_measured(self, audio_ms: float, busy_ms: float) -> None:
        self.admission.speed.measured(audio_ms, busy_ms)

    @rule(slots=st.integers(0, 3))
    def the_line_moves(self, slots: int) -> None:
        before = self.admission.admitted
        jobs = self.admission.admit(slots)
        self.let_through(jobs)
        limit = self.admission.speed.sessions(slots)
        assert self.admission.admitted <= max(before, limit)
        assert self.admission.held == 0 or self.admission.admitted >= limit

    @rule(passed_ms=st.integers(0, 1500), number=st.integers(0, 5), audio_ms=st.integers(0, 500))
    def time_passes_and_one_sounds(self, passed_ms: float, number: int, audio_ms: float) -> None:
        self.now_ms += passed_ms
        self.playbacks[number].audio_sent(audio_ms, self.now_ms)

    @rule(job=consumes(jobs))
    def a_job_ends(self, job: Any) -> None:
        if job in self.playback_of:
            self.admission.done(job)
            del self.playback_of[job]
            self.released.discard(job)
            self.ready.discard(job)

    @invariant()
    def each_session_is_in_one_place(self) -> None:
        sessions = {id(playback) for playback in self.playback_of.values()}
        assert self.admission.admitted + self.admission.held <= len(sessions)
        assert all(job in self.playback_of for job in self.admission.overdue(FAST))

    def teardown(self) -> None:
        """Nobody waits for ever: once the others have ended, every one is let in."""
        for _ in range(len(self.playback_of)):
            self.let_through(self.admission.admit(1))
            for job in sorted(self.released):
                self.a_job_ends(job)
        assert not self.playback_of
        assert not self.admission._sessions and not self.admission._line and not self.admission._admitted


AdmissionMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestAnySequenceOfCalls = AdmissionMachine.TestCase


# --- a simulated engine


@dataclass(slots=True)
class Listener:
    """Plays segments, each of them passes of the engine; the next is asked for when one begins to sound."""

    segments: list[list[float]]
    playback: Playback
    came_ms: float = 0.0
    first_ms: float | None = None
    late_ms: float = 0.0
    asked: int = 0
    done: int = 0

    @property
    def waited_ms(self) -> float:
        assert self.first_ms is not None
        return self.first_ms - self.came_ms


@dataclass(slots=True)
class Simulation:
    """An engine with ``slots``, each of which makes ``speed`` seconds of sound a second; a pass sounds at its end."""

    slots: int
    speed: float
    admits: bool = True
    now_ms: float = 0.0
    listeners: list[Listener] = field(default_factory=list)
    _events: list[tuple[float, int, int, int, int]] = field(default_factory=list)
    _running: int = 0
    _scheduler: Scheduler[tuple[int, int]] = field(default_factory=lambda: Scheduler(max_waiting=10_000))
    _admission: AdmissionQueue[tuple[int, int]] = field(
        default_factory=lambda: AdmissionQueue(max_held=10_000)
    )

    def run(self, arrivals: list[tuple[float, list[list[float]]]]) -> None:
        self.listeners = [Listener(segments, Playback(at_ms), at_ms) for at_ms, segments in arrivals]
        for number, listener in enumerate(self.listeners):
            self._at(listener.came_ms, number, -1, 0)
        while self._events:
            self.now_ms, _, number, segment, sounded = heapq.heappop(self._events)
            if segment < 0:
                self._ask(number)
            else:
                self._pass_ends(number, segment, sounded)
            if self.admits:
                for each in self._admission.admit(self.slots):
                    self._scheduler.ready(each, self.now_ms)
            for number, segment in self._scheduler.next(self.slots - self._running, self.now_ms):
                self._running += 1
                self._next_pass(number, segment, 0)

    def _at(self, when_ms: float, number: int, segment: int, sounded: int) -> None:
        heapq.heappush(self._events, (when_ms, len(self._events), number, segment, sounded))

    def _ask(self, number: int) -> None:
        listener = self.listeners[number]
        if listener.asked == len(listener.segments):
            return
        job = (number, listener.asked)
        listener.asked += 1
        self._admission.add(job, listener.playback, self.now_ms)
        self._scheduler.add(job, listener.playback)
        for each in self._admission.ready(job, self.now_ms) if self.admits else [job]:
            self._scheduler.ready(each, self.now_ms)

    def _next_pass(self, number: int, segment: int, sounded: int) -> None:
        takes_ms = self.listeners[number].segments[segment][sounded] / self.speed
        self._at(self.now_ms + takes_ms, number, segment, sounded)

    def _pass_ends(self, number: int, segment: int, sounded: int) -> None:
        listener = self.listeners[number]
        passes = listener.segments[segment]
        if listener.first_ms is None:
            listener.first_ms = self.now_ms
        else:
            listener.late_ms = max(listener.late_ms, -listener.playback.lead_ms(self.now_ms))
        listener.playback.audio_sent(passes[sounded], self.now_ms)
        if sounded == 0:
            self._ask(number)
        if sounded + 1 < len(passes):
            self._next_pass(number, segment, sounded + 1)
            return
        self._running -= 1
        listener.done += 1
        self._admission.speed.measured(sum(passes), sum(passes) / self.speed)
        self._scheduler.expect(self._admission.speed.notice_ms)
        self._scheduler.done((number, segment))
        self._admission.done((number, segment))

    @property
    def stuttering(self) -> int:
        return sum(listener.late_ms > 100 for listener in self.listeners)


SESSIONS = [[2000.0], *([[1500.0, 1500.0]] * 6)]
"""20 s of sound: a short first segment, then sentences."""


def test_within_the_speed_of_the_engine_nobody_stutters_and_nobody_waits_long() -> None:
    simulation = Simulation(slots=2, speed=2.0)
    simulation.run([(n * 700.0, SESSIONS) for n in range(3)])
    assert simulation.stuttering == 0
    assert max(each.waited_ms for each in simulation.listeners) < 2500


def test_beyond_it_those_who_sound_go_on_and_the_others_wait_their_turn() -> None:
    simulation = Simulation(slots=2, speed=2.0)
    simulation.run([(n * 700.0, SESSIONS) for n in range(10)])
    assert simulation.stuttering == 0
    firsts = [each.came_ms + each.waited_ms for each in simulation.listeners]
    assert firsts == sorted(firsts)
    assert firsts[-1] > 20_000


def test_without_admission_the_same_crowd_starves_together() -> None:
    simulation = Simulation(slots=2, speed=2.0, admits=False)
    simulation.run([(n * 700.0, SESSIONS) for n in range(10)])
    assert simulation.stuttering >= 8


@settings(max_examples=60, deadline=None)
@given(
    slots=st.integers(1, 4),
    speed=st.floats(1.2, 8.0),
    crowd=st.lists(
        st.tuples(
            st.floats(0, 20_000),
            st.lists(st.lists(st.floats(500, 4000), min_size=1, max_size=3), min_size=1, max_size=6),
        ),
        min_size=1,
        max_size=20,
    ),
)
def test_everybody_is_heard_to_the_end_whatever_the_crowd(
    slots: int, speed: float, crowd: list[tuple[float, list[list[float]]]]
) -> None:
    simulation = Simulation(slots=slots, speed=speed)
    simulation.run(sorted(crowd))
    assert all(each.done == len(each.segments) for each in simulation.listeners)
