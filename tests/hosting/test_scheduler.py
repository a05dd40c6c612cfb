from __future__ import annotations

from time import process_time
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from saystream.errors import Overloaded
from saystream.hosting.playback import Playback
from saystream.hosting.scheduler import Scheduler


def scheduler_of(*jobs: tuple[str, Playback], now_ms: float = 0) -> Scheduler[str]:
    scheduler: Scheduler[str] = Scheduler(max_waiting=100)
    for job, playback in jobs:
        scheduler.add(job, playback)
        scheduler.ready(job, now_ms)
    return scheduler


def sounding(until_ms: float) -> Playback:
    playback = Playback(0)
    playback.audio_sent(until_ms, 0)
    return playback


# --- order


def test_the_session_that_runs_dry_first_goes_first() -> None:
    scheduler = scheduler_of(("far", sounding(3000)), ("near", sounding(1000)), ("between", sounding(2000)))
    assert scheduler.next(3, 0) == ["near", "between", "far"]


def test_a_session_that_does_not_sound_yet_goes_before_one_that_has_audio_left() -> None:
    scheduler = scheduler_of(("sounding", sounding(1500)), ("silent", Playback(0)))
    assert scheduler.next(1, 0) == ["silent"]


def test_a_session_that_is_about_to_run_dry_goes_before_one_that_has_just_come() -> None:
    scheduler = scheduler_of(("dry soon", sounding(900)))
    scheduler.add("new", Playback(10))
    scheduler.ready("new", 10)
    assert scheduler.next(1, 10) == ["dry soon"]


def test_sessions_with_plenty_of_audio_leave_half_of_the_slots_to_the_others() -> None:
    scheduler = scheduler_of(*((f"far {n}", sounding(9000)) for n in range(4)))
    assert scheduler.next(4, 0) == ["far 0", "far 1"]
    scheduler.add("new", Playback(10))
    scheduler.ready("new", 10)
    assert scheduler.next(2, 10) == ["new"]
    scheduler.done("far 0")
    assert scheduler.next(2, 10) == ["far 2"]


def test_a_session_whose_audio_has_been_heard_may_use_any_slot() -> None:
    scheduler = scheduler_of(*((f"far {n}", sounding(9000)) for n in range(4)))
    assert scheduler.next(4, 0) == ["far 0", "far 1"]
    assert scheduler.next(2, 7000) == ["far 2", "far 3"]


def test_a_session_holds_no_more_slots_than_can_compute_at_once() -> None:
    one, other = Playback(0), Playback(0)
    scheduler = scheduler_of(("a", one), ("b", one), ("c", one))
    assert scheduler.next(8, 0, parallel=2) == ["a", "b"]
    assert not scheduler.crowded
    scheduler.add("new", other)
    scheduler.ready("new", 10)
    assert scheduler.next(6, 10, parallel=2) == ["new"]
    assert scheduler.crowded
    scheduler.done("a")
    assert scheduler.next(6, 20, parallel=2) == ["c"]


def test_where_one_job_uses_every_core_a_silent_session_holds_one_slot() -> None:
    mine, other = Playback(0), Playback(10)
    scheduler = scheduler_of(("mine 1", mine), ("mine 2", mine), ("other 1", other), ("other 2", other))
    assert scheduler.next(4, 0, side_by_side=True) == ["mine 1", "other 1"]
    mine.audio_sent(500, 20)
    assert scheduler.next(2, 20, side_by_side=True) == ["mine 2"]
    scheduler.done("other 1")
    assert scheduler.next(2, 20, side_by_side=True) == ["other 2"]


def test_what_takes_turns_with_others_takes_longer() -> None:
    scheduler: Scheduler[str] = Scheduler(max_waiting=100)
    for job in ("a", "b", "c"):
        scheduler.add(job, Playback(0))
        scheduler.ready(job, 0, work_ms=400)
    assert scheduler.next(2, 0, parallel=1) == ["a", "b"]
    assert scheduler.starts_in_ms("c", 400) == 400


def test_one_slot_is_never_kept_free() -> None:
    scheduler = scheduler_of(("far", sounding(9000)))
    assert scheduler.next(1, 0) == ["far"]


def test_among_sessions_that_do_not_sound_yet_the_older_goes_first() -> None:
    scheduler = scheduler_of()
    for name, now_ms in (("late", 30), ("early", 10), ("middle", 20)):
        scheduler.add(name, Playback(now_ms))
        scheduler.ready(name, now_ms)
    assert scheduler.next(3, 0) == ["early", "middle", "late"]


def test_equal_sessions_go_in_order_of_arrival() -> None:
    scheduler = scheduler_of(*((str(n), Playback(0)) for n in range(10)))
    assert scheduler.next(10, 0) == [str(n) for n in range(10)]


def test_audio_sent_while_a_job_waits_makes_it_less_urgent() -> None:
    one, two = sounding(1000), sounding(2000)
    scheduler = scheduler_of(("one", one), ("two", two))
    one.audio_sent(5000, now_ms=0)
    assert scheduler.next(2, 0) == ["two", "one"]


def test_a_session_that_was_silent_on_purpose_is_not_ahead_of_one_that_waits_longer() -> None:
    idle, waiting = sounding(100), Playback(50_000)
    scheduler = scheduler_of(("waiting", waiting), now_ms=50_000)
    scheduler.add("idle", idle)
    scheduler.ready("idle", 60_000)
    assert scheduler.next(1, 0) == ["waiting"]


def test_jobs_of_one_session_start_in_their_order() -> None:
    session = Playback(0)
    scheduler = scheduler_of(("a", session), ("b", session), ("c", session))
    assert scheduler.next(2, 0) == ["a", "b"]
    assert scheduler.next(1, 0) == ["c"]


def test_a_job_is_not_started_before_it_is_ready_and_holds_up_only_its_own_session() -> None:
    session, other = Playback(0), Playback(0)
    scheduler = scheduler_of()
    scheduler.add("a", session)
    scheduler.add("b", session)
    scheduler.ready("b", 1)
    scheduler.add("c", other)
    scheduler.ready("c", 2)
    assert scheduler.next(9, 0) == ["c"]
    scheduler.ready("a", 3)
    scheduler.ready("a", 4)
    assert scheduler.next(9, 0) == ["a", "b"]


# --- who can wait


def with_work(*jobs: tuple[str, Playback, float], now_ms: float = 0) -> Scheduler[str]:
    scheduler: Scheduler[str] = Scheduler(max_waiting=200)
    for job, playback, work_ms in jobs:
        scheduler.add(job, playback)
        scheduler.ready(job, now_ms, work_ms=work_ms)
    return scheduler


def test_a_new_session_goes_first_if_those_who_sound_can_wait_for_it() -> None:
    scheduler = with_work(("sounding", sounding(2000), 500), ("new", Playback(0), 900))
    assert scheduler.next(1, 0) == ["new"]


def test_a_new_session_waits_if_it_would_make_one_of_them_late() -> None:
    scheduler = with_work(("sounding", sounding(2000), 500), ("new", Playback(0), 1100))
    assert scheduler.next(1, 0) == ["sounding"]


def test_the_work_of_all_who_sound_counts() -> None:
    jobs = [(f"sounding {n}", sounding(4000), 800.0) for n in range(4)]
    assert with_work(*jobs, ("new", Playback(0), 500)).next(1, 0) == ["new"]
    assert with_work(*jobs, ("new", Playback(0), 700)).next(1, 0) == ["sounding 0"]


def test_the_work_that_is_left_of_running_jobs_counts() -> None:
    scheduler = with_work(("running", Playback(0), 1500))
    assert scheduler.next(1, 0) == ["running"]
    for job, playback in (("sounding", sounding(1900)), ("new", Playback(0))):
        scheduler.add(job, playback)
        scheduler.ready(job, 100, work_ms=300)
    assert scheduler.next(0, 100) == []
    assert scheduler.next(1, 100) == ["sounding"]


def test_a_session_that_waits_for_ten_seconds_goes_first_whatever_becomes_of_the_others() -> None:
    scheduler = with_work(("sounding", sounding(9000), 500), ("new", Playback(0), 100_000))
    assert scheduler.next(1, 9999) == ["sounding"]
    scheduler.done("sounding")
    scheduler.add("again", sounding(10_000))
    scheduler.ready("again", 9999, work_ms=500)
    assert scheduler.next(1, 10_000) == ["new"]


def test_a_session_that_began_to_wait_first_gets_all_that_it_needs_to_begin() -> None:
    first, second = Playback(0), Playback(0)
    scheduler = with_work(("first 0", first, 10), now_ms=0)
    scheduler.add("second 0", second)
    scheduler.ready("second 0", 5)
    assert scheduler.next(1, 10) == ["first 0"]
    scheduler.add("first 1", first)
    scheduler.ready("first 1", 20)
    scheduler.done("first 0")
    assert scheduler.next(1, 20) == ["first 1"]


def test_looking_at_those_who_sound_loses_none_of_them() -> None:
    jobs = [(f"sounding {n}", sounding(90_000 + n), 1.0) for n in range(100)]
    scheduler = with_work(*jobs, ("new", Playback(0), 1))
    assert scheduler.next(1, 0) == ["new"]
    scheduler.done("new")
    assert len(scheduler.next(200, 0)) == 100


# --- forecasts


def test_a_job_starts_when_what_goes_before_it_is_done() -> None:
    scheduler = with_work(("running", Playback(0), 600))
    scheduler.next(1, 0)
    asker, older, far = Playback(0), Playback(0), sounding(9000)
    for job, playback, work_ms, now_ms in (
        ("older", older, 100, 10),
        ("mine", asker, 70, 20),
        ("mine too", asker, 30, 30),
        ("soon dry", sounding(1000), 200, 30),
        ("far", far, 5000, 30),
        ("younger", Playback(0), 5000, 40),
    ):
        scheduler.add(job, playback)
        scheduler.ready(job, now_ms, work_ms=work_ms)
    assert scheduler.starts_in_ms("running", 200) == 0
    assert scheduler.starts_in_ms("mine", 200) == 400 + 100 + 200
    assert scheduler.starts_in_ms("mine too", 200) == 400 + 100 + 200 + 70
    assert scheduler.next_starts_in_ms(asker, 200) == 400 + 100 + 200 + 70 + 30
    assert scheduler.next_starts_in_ms(Playback(0), 200) == 400 + 100 + 200 + 70 + 5000 + 5000
    assert scheduler.next_starts_in_ms(sounding(3000), 200) == 400 + 200


def test_with_nothing_to_do_a_job_starts_at_once() -> None:
    assert scheduler_of().next_starts_in_ms(Playback(0), 0) == 0


# --- fairness


def test_a_session_gets_no_more_than_its_share_while_others_wait() -> None:
    greedy = Playback(0)
    scheduler = scheduler_of(*((f"greedy {n}", greedy) for n in range(8)))
    for n in range(3):
        scheduler.add(f"other {n}", Playback(10))
        scheduler.ready(f"other {n}", 10)
    assert set(scheduler.next(4, 0)) == {"greedy 0", "other 0", "other 1", "other 2"}


def test_a_session_alone_may_use_every_slot() -> None:
    greedy = Playback(0)
    scheduler = scheduler_of(*((f"greedy {n}", greedy) for n in range(8)))
    assert len(scheduler.next(4, 0)) == 4


def test_slots_that_shares_leave_over_go_to_the_most_urgent() -> None:
    urgent, calm = sounding(100), sounding(9000)
    jobs = [(f"{name} {n}", playback) for n in range(3) for name, playback in (("u", urgent), ("c", calm))]
    scheduler = scheduler_of(*jobs)
    assert scheduler.next(3, 0) == ["u 0", "c 0", "u 1"]


def test_a_slot_that_a_greedy_session_frees_goes_to_the_one_that_waits() -> None:
    greedy = Playback(0)
    scheduler = scheduler_of(*((f"greedy {n}", greedy) for n in range(8)))
    assert len(scheduler.next(2, 0)) == 2
    scheduler.add("other", Playback(100))
    scheduler.ready("other", 100)
    scheduler.done("greedy 0")
    assert scheduler.next(1, 0) == ["other"]


# --- end, cancel, retry, bounds


def test_a_full_queue_refuses_and_changes_nothing() -> None:
    scheduler: Scheduler[int] = Scheduler(max_waiting=2)
    playback = Playback(0)
    scheduler.add(1, playback)
    scheduler.add(2, playback)
    with pytest.raises(Overloaded, match="2 segments"):
        scheduler.add(3, playback)
    assert (scheduler.waiting, scheduler.running) == (2, 0)


def test_a_cancelled_waiting_job_is_forgotten_and_frees_its_session() -> None:
    session = Playback(0)
    scheduler = scheduler_of(("a", session), ("b", session))
    assert scheduler.cancel("a")
    assert scheduler.next(9, 0) == ["b"]
    assert scheduler.waiting == 0


def test_a_cancelled_job_in_the_middle_of_its_session_leaves_the_others_in_order() -> None:
    session = Playback(0)
    scheduler = scheduler_of(("a", session), ("b", session), ("c", session))
    assert scheduler.cancel("b")
    assert scheduler.next(9, 0) == ["a", "c"]


def test_a_cancelled_running_job_keeps_its_slot_until_it_is_done() -> None:
    scheduler = scheduler_of(("a", Playback(0)))
    scheduler.next(1, 0)
    assert not scheduler.cancel("a")
    assert scheduler.running == 1
    scheduler.done("a")
    assert scheduler.running == 0


@pytest.mark.parametrize("first_lost", ["a", "b"])
def test_a_job_that_runs_again_goes_before_the_later_ones_of_its_session(first_lost: str) -> None:
    session = Playback(0)
    scheduler = scheduler_of(("a", session), ("b", session), ("c", session))
    assert scheduler.next(2, 0) == ["a", "b"]
    scheduler.retry(first_lost)
    scheduler.retry("b" if first_lost == "a" else "a")
    assert scheduler.next(9, 0) == ["a", "b", "c"]


def test_a_job_runs_again_also_when_the_queue_is_full() -> None:
    scheduler: Scheduler[str] = Scheduler(max_waiting=1)
    scheduler.add("a", Playback(0))
    scheduler.ready("a", 0)
    scheduler.next(1, 0)
    scheduler.add("b", Playback(0))
    scheduler.retry("a")
    assert scheduler.waiting == 2


def test_changing_heads_over_and_over_does_not_grow_the_heap() -> None:
    session = Playback(0)
    scheduler = scheduler_of(("first", session))
    for n in range(1000):
        scheduler.add(str(n), session)
        scheduler.ready(str(n), n)
        scheduler.cancel("first" if n == 0 else str(n - 1))
    assert len(scheduler._silent) < 100


def test_two_thousand_waiting_jobs_cost_microseconds_each() -> None:
    scheduler: Scheduler[int] = Scheduler(max_waiting=2000)
    playbacks = [Playback(n) for n in range(500)]
    began = process_time()
    for job in range(2000):
        scheduler.add(job, playbacks[job % 500])
        scheduler.ready(job, job)
    while started := scheduler.next(1, 0):
        playback = playbacks[started[0] % 500]
        playback.audio_sent(2000, now_ms=started[0])
        scheduler.done(started[0])
    elapsed_s = process_time() - began
    print(f"{elapsed_s / 2000 * 1e6:.1f} µs a job")
    assert elapsed_s < 2


class SchedulerMachine(RuleBasedStateMachine):
    """Any sequence of calls: slots are kept, nothing is lost, doubled or overtaken within a session."""

    jobs = Bundle("jobs")
    max_waiting = 12

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0.0
        self.slots = 3
        self.scheduler: Scheduler[int] = Scheduler(max_waiting=self.max_waiting)
        self.playbacks = [Playback(0) for _ in range(4)]
        self.session_of: dict[int, int] = {}
        self.waiting: set[int] = set()
        self.ready: set[int] = set()
        self.running: set[int] = set()
        self.added = 0

    def start(self, free_slots: int) -> list[int]:
        started = self.scheduler.next(free_slots, self.now_ms)
        for job in started:
            assert job in self.waiting and job in self.ready
            earlier = [
                other
                for other in self.waiting
                if other < job and self.session_of[other] == self.session_of[job]
            ]
            assert not earlier
            self.waiting.remove(job)
            self.running.add(job)
        assert len(started) <= free_slots
        if len(started) < free_slots:
            heads = {min(self.in_session(n)) for n in range(4) if self.in_session(n)}
            assert not heads & self.ready, "a slot stays free although a job could start"
        return started

    def in_session(self, number: int) -> list[int]:
        return [job for job in self.waiting if self.session_of[job] == number]

    @rule(target=jobs, session=st.integers(0, 3), ready=st.booleans())
    def add(self, session: int, ready: bool) -> Any:
        job = self.added
        try:
            self.scheduler.add(job, self.playbacks[session])
        except Overloaded:
            assert len(self.waiting) >= self.max_waiting
            return multiple()
        assert len(self.waiting) < self.max_waiting
        self.added += 1
        self.session_of[job] = session
        self.waiting.add(job)
        if ready:
            self.make_ready(job)
        return job

    @rule(job=jobs)
    def make_ready(self, job: Any) -> None:
        if job in self.waiting:
            self.scheduler.ready(job, self.now_ms)
            self.ready.add(job)

    @rule(passed_ms=st.integers(0, 500))
    def time_passes(self, passed_ms: float) -> None:
        self.now_ms += passed_ms

    @rule(session=st.integers(0, 3), duration_ms=st.integers(0, 1000))
    def audio_is_sent(self, session: Any, duration_ms: float) -> None:
        self.playbacks[session].audio_sent(duration_ms, self.now_ms)

    @rule(session=st.integers(0, 3))
    def a_listener_is_interrupted(self, session: Any) -> None:
        self.playbacks[session].interrupted(self.now_ms)

    @rule()
    def slots_are_filled(self) -> None:
        self.start(self.slots - len(self.running))

    @rule(job=consumes(jobs))
    def a_job_ends_or_is_cancelled(self, job: Any) -> None:
        if job in self.running:
            self.running.remove(job)
            self.scheduler.done(job)
        elif job in self.waiting:
            assert self.scheduler.cancel(job)
            self.waiting.remove(job)

    @rule(job=jobs)
    def a_process_is_lost(self, job: Any) -> None:
        if job in self.running:
            self.running.remove(job)
            self.waiting.add(job)
            self.scheduler.retry(job)

    @invariant()
    def the_counts_agree(self) -> None:
        assert self.scheduler.waiting == len(self.waiting)
        assert self.scheduler.running == len(self.running) <= self.slots

    def teardown(self) -> None:
        """Nobody starves: with no new work, everything that waits starts and ends."""
        for job in sorted(self.waiting):
            self.make_ready(job)
        while self.waiting or self.running:
            self.start(self.slots - len(self.running))
            assert self.running
            job = min(self.running)
            self.running.remove(job)
            self.scheduler.done(job)
        assert not self.scheduler._sessions and not self.scheduler._entries


SchedulerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnySequenceOfCalls = SchedulerMachine.TestCase


def test_a_waiting_job_is_served_although_new_sessions_never_stop_coming() -> None:
    scheduler = scheduler_of(("patient", sounding(2000)))
    now_ms, started = 0.0, []
    while "patient" not in started:
        assert now_ms < 5000
        now_ms += 100
        for n in range(2):  # twice as much as the one slot can do
            scheduler.add(f"{now_ms} {n}", Playback(now_ms))
            scheduler.ready(f"{now_ms} {n}", now_ms)
        started = scheduler.next(1, now_ms)
        scheduler.done(started[0])
