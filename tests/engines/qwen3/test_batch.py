from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from saystream.engines.qwen3.batch import Batch, Plan, Take
from saystream.engines.qwen3.text_queue import TextQueue

EOS, PAD = 1, 2
MAX_POSITIONS = 40


def new_take(*ids: int, closed: bool = False, **fields: object) -> Take:
    queue = TextQueue(eos_id=EOS, pad_id=PAD, is_speakable=lambda one: True)
    queue.push(ids, len(ids))
    if closed:
        queue.close()
    wanted = {"prompt_rows": 4, "text_rows": 1, "frame_limit": lambda num_ids: max(8, 3 * num_ids)}
    return Take(**{**wanted, **fields}, text=queue)  # type: ignore[arg-type]


def new_batch(num_slots: int = 2, max_start_rows: int = 10) -> Batch:
    return Batch(num_slots=num_slots, max_positions=MAX_POSITIONS, max_start_rows=max_start_rows)


def do(batch: Batch, plan: Plan, *, ended: frozenset[Take] = frozenset()) -> None:
    for take in plan.starts:
        take.take_ids(take.text_rows)
        batch.started(take)
    for take in plan.steps:
        take.take_ids(1)
        batch.stepped(take, ended=take in ended)


def test_a_take_starts_with_its_first_text_and_steps_from_then_on() -> None:
    batch, take = new_batch(), new_take()
    batch.join(take)
    assert not batch.plan()
    take.text.push([10, 11], 2)
    plan = batch.plan()
    assert (plan.starts, plan.steps) == ([take], [])
    do(batch, plan)
    plan = batch.plan()
    assert (plan.starts, plan.steps) == ([], [take])
    do(batch, plan)
    assert not batch.plan(), "it is held: its next text is not known"
    assert take.slot is not None
    take.text.close()
    assert batch.plan().steps == [take]


def test_nothing_is_begun_of_which_nothing_can_be_heard() -> None:
    batch, take = new_batch(), new_take()
    take.text.close()
    batch.join(take)
    assert not batch.plan()


def test_a_whole_text_starts_although_its_queue_is_empty() -> None:
    batch, take = new_batch(), new_take(closed=True, text_rows=0, ids_in_prompt=5)
    batch.join(take)
    assert batch.plan().starts == [take]


def test_the_text_of_a_reference_comes_before_the_users() -> None:
    take = new_take(10, text_rows=3, lead_ids=(7, 8))
    assert take.can_start
    assert take.take_ids(3) == [7, 8, 10]
    assert not take.can_step
    with pytest.raises(RuntimeError):
        take.take_ids(1)
    long = new_take(text_rows=1, lead_ids=(7, 8))
    assert not long.can_start, "the reference alone is nothing to say"
    assert long.take_ids(2) == [7, 8]


def test_who_comes_first_starts_first_and_others_wait_for_a_slot() -> None:
    batch = new_batch(num_slots=2, max_start_rows=100)
    takes = [new_take(10, closed=True) for _ in range(3)]
    for take in takes:
        batch.join(take)
    plan = batch.plan()
    assert plan.starts == takes[:2]
    assert (batch.speaking, batch.waiting) == (2, 1)
    do(batch, plan)
    batch.leave(takes[0])
    assert batch.plan().starts == [takes[2]]


def test_prompts_of_a_step_are_bounded_but_a_long_one_comes_alone() -> None:
    batch = new_batch(num_slots=4, max_start_rows=10)
    takes = [new_take(10, prompt_rows=rows) for rows in (20, 4, 4, 4)]
    for take in takes:
        batch.join(take)
    assert [batch.plan().starts for _ in range(3)] == [takes[:1], takes[1:3], takes[3:]]


def test_a_slot_is_free_at_once_when_its_take_leaves() -> None:
    batch = new_batch(num_slots=1)
    first, second = new_take(10), new_take(10)
    batch.join(first)
    do(batch, batch.plan())
    batch.join(second)
    batch.leave(first)
    batch.leave(first)
    assert (first.ending, first.slot) == ("cancelled", None)
    assert batch.plan().starts == [second]


def test_a_listener_who_has_enough_is_not_given_more() -> None:
    batch, take = new_batch(), new_take(10, 11, 12)
    take.paused = True
    batch.join(take)
    assert not batch.plan()
    take.paused = False
    do(batch, batch.plan())
    take.paused = True
    assert not batch.plan()
    take.paused = False
    assert batch.plan().steps == [take]


def test_a_runaway_is_cut_off_by_the_length_of_its_text() -> None:
    for num_ids, expected in ((1, 8), (6, 18)):
        batch, take = new_batch(), new_take(*[10] * num_ids, closed=True)
        batch.join(take)
        while take.ending is None:
            do(batch, batch.plan())
        assert (take.ending, take.frames) == ("cut off", expected)


def test_a_take_whose_positions_are_used_up_ends() -> None:
    batch, take = new_batch(), new_take(10, closed=True, frame_limit=lambda num_ids: 1000)
    batch.join(take)
    while take.ending is None:
        do(batch, batch.plan())
    assert (take.ending, take.position, take.frames) == ("full", MAX_POSITIONS, MAX_POSITIONS - 5)


def test_a_prompt_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="40 rows leaves no room in 40"):
        new_batch().join(new_take(prompt_rows=39))


class Sessions(RuleBasedStateMachine):
    """Takes that come, are fed, starve, pause, end and are cancelled in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.batch = new_batch(num_slots=3)
        self.takes: list[Take] = []

    @rule(num_ids=st.integers(0, 3), closed=st.booleans(), rows=st.integers(1, 12))
    def join(self, num_ids: int, closed: bool, rows: int) -> None:
        take = new_take(*[10] * num_ids, closed=closed, prompt_rows=rows)
        self.batch.join(take)
        self.takes.append(take)

    @precondition(lambda self: self.takes)
    @rule(data=st.data(), num_ids=st.integers(0, 5), closes=st.booleans())
    def feed(self, data: st.DataObject, num_ids: int, closes: bool) -> None:
        take = data.draw(st.sampled_from(self.takes))
        if not take.text.closed:
            take.text.push([10] * num_ids, num_ids)
            if closes:
                take.text.close()

    @precondition(lambda self: self.takes)
    @rule(data=st.data())
    def pause_or_go_on(self, data: st.DataObject) -> None:
        take = data.draw(st.sampled_from(self.takes))
        take.paused = not take.paused

    @precondition(lambda self: self.takes)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.batch.leave(data.draw(st.sampled_from(self.takes)))

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        plan = self.batch.plan()
        slots = [take.slot for take in [*plan.starts, *plan.steps]]
        assert len(slots) == len(set(slots)) and None not in slots
        assert len(plan.starts) <= 1 or sum(take.rows for take in plan.starts) <= 10
        for take in plan.steps:
            assert not take.paused and take.position < MAX_POSITIONS
        ended = frozenset(take for take in plan.steps if data.draw(st.booleans()))
        do(self.batch, plan, ended=ended)
        for take in ended:
            assert take.ending == "spoken"

    @invariant()
    def slots_belong_to_those_who_speak(self) -> None:
        held = [take.slot for take in self.takes if take.slot is not None]
        assert len(held) == len(set(held)) == self.batch.speaking <= 3
        assert self.batch.speaking + self.batch.waiting == sum(take.ending is None for take in self.takes)
        assert all(take.slot is None for take in self.takes if take.ending is not None)

    def teardown(self) -> None:
        """Whatever happened, everybody who is given all of their text comes to an end."""
        for take in self.takes:
            take.paused = False
            if not take.text.closed:
                take.text.push([10], 1)
                take.text.close()
        for _ in range(10_000):
            if not (plan := self.batch.plan()):
                break
            do(self.batch, plan)
        assert all(take.ending is not None or take.text.spoken for take in self.takes)
        assert self.batch.speaking == 0


Sessions.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSessions = Sessions.TestCase
