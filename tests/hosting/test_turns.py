from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from saystream.hosting.turns import Turn, Turns


def taken(turns: dict[str, Turn]) -> set[str]:
    return {name for name, turn in turns.items() if turn.taken}


def test_no_more_turns_than_there_are_are_taken_and_one_that_is_left_goes_to_the_next() -> None:
    turns = Turns(2)
    streams = {name: Turn(0) for name in "abc"}
    for turn in streams.values():
        turns.ask(turn, 0)
    assert taken(streams) == {"a", "b"}
    turns.leave(streams["a"], 10)
    assert taken(streams) == {"b", "c"}


def test_the_stream_whose_listener_has_the_least_sound_left_goes_first() -> None:
    turns = Turns(1)
    streams = {"first": Turn(0, 0), "far": Turn(0, 9000), "near": Turn(0, 3000), "dry": Turn(0, -500)}
    for turn in streams.values():
        turns.ask(turn, 0)
    order = []
    for now_ms in (10, 20, 30):
        (running,) = taken(streams)
        turns.leave(streams[running], now_ms)
        order.append(running)
    assert [*order, *taken(streams)] == ["first", "dry", "near", "far"]


def test_a_stream_keeps_its_turn_while_no_other_is_more_urgent() -> None:
    turns = Turns(1)
    near, far = Turn(0, 1000), Turn(0, 5000)
    turns.ask(near, 0)
    turns.ask(far, 0)
    near.playback.audio_sent(1000, 100)
    turns.ask(near, 100)
    assert near.taken
    near.playback.audio_sent(4000, 200)
    turns.ask(near, 200)
    assert far.taken
    assert not near.taken


def newcomer_goes_first(lead_ms: float, *, window_ms: float, now_ms: float = 1000) -> bool:
    turns = Turns(1)
    first, sounding, newcomer = Turn(0), Turn(now_ms, lead_ms), Turn(0)
    turns.ask(first, now_ms - window_ms)
    turns.ask(sounding, now_ms)
    turns.ask(newcomer, now_ms)
    turns.leave(first, now_ms)
    return newcomer.taken


def test_a_silent_listener_goes_first_if_those_who_sound_can_wait_for_one_window() -> None:
    assert newcomer_goes_first(1001, window_ms=500)
    assert not newcomer_goes_first(999, window_ms=500)


def test_a_silent_listener_who_has_waited_long_goes_first_in_any_case() -> None:
    assert newcomer_goes_first(0, window_ms=500, now_ms=10_000)


def test_a_stream_that_waits_can_leave() -> None:
    turns = Turns(1)
    first, second, third = Turn(0), Turn(0), Turn(0)
    for turn in (first, second, third):
        turns.ask(turn, 0)
    turns.leave(second, 1)
    turns.leave(first, 2)
    assert (second.taken, third.taken) == (False, True)
    turns.leave(third, 3)
    turns.leave(third, 4)
    turns.ask(second, 5)
    assert second.taken


def test_a_stream_has_further_turns_while_its_listener_has_little_sound_left() -> None:
    turns = Turns(2)
    turn = Turn(0)
    first, second = turn.further(), turn.further()
    turns.ask(turn, 0)
    assert not turns.ask_further(first, 0), "how long a turn takes is not known yet"
    turns.ask(turn, 100)
    assert turns.ask_further(first, 100)
    assert (turn.taken, first.taken, turn.stream_taken) == (True, True, 2)
    turns.leave(first, 200)
    turn.playback.audio_sent(399, 200)
    assert turns.ask_further(second, 200)
    turns.leave(second, 200)
    turn.playback.audio_sent(2, 200)
    assert not turns.ask_further(second, 200)
    turns.leave(turn, 300)
    assert turn.stream_used_ms == 100 + 200 + 100


def test_what_a_stream_makes_already_counts_for_it_when_it_asks_for_more() -> None:
    """A turn takes 100 ms. A stream with 150 ms of sound left that makes another turn's has as much as one with 250."""
    for lead_ms, other_first in ((240, True), (260, False)):
        turns = Turns(2)
        before, mine, other = Turn(0, 1000), Turn(0, 250), Turn(0, 100 + lead_ms)
        turns.ask(before, 0)
        turns.ask(mine, 0)
        further = mine.further()
        turns.ask(before, 100)
        turns.ask(other, 100)
        assert turns.ask_further(further, 100)
        turns.leave(before, 100)
        assert (other.taken, further.taken) == (other_first, not other_first)


@given(
    count=st.integers(1, 3),
    leads_ms=st.lists(st.none() | st.floats(0, 20_000), min_size=4, max_size=12),
    window_ms=st.floats(1, 400),
)
def test_everyone_gets_turns_until_done(count: int, leads_ms: list[float | None], window_ms: float) -> None:
    """Each stream makes ten windows of a second; all that have a turn finish a window at once."""
    turns = Turns(count)
    left = {Turn(0, lead_ms): 10 for lead_ms in leads_ms}
    for turn in left:
        turns.ask(turn, 0)
    now_ms = 0.0
    for _ in range(10 * len(leads_ms)):
        now_ms += window_ms
        running = [turn for turn in left if turn.taken]
        assert len(running) == min(count, len(left))
        for turn in running:
            turn.playback.audio_sent(1000, now_ms)
            left[turn] -= 1
            if left[turn]:
                turns.ask(turn, now_ms)
            else:
                turns.leave(turn, now_ms)
                del left[turn]
        if not left:
            break
    assert not left


@given(leads_ms=st.lists(st.floats(1000, 3000), min_size=1, max_size=4))
def test_those_who_sound_do_not_run_dry_for_newcomers_while_the_engine_is_fast_enough(
    leads_ms: list[float],
) -> None:
    """A window of a second takes 100 ms; eight newcomers come at once to at most four who sound."""
    turns = Turns(1)
    sounding = [Turn(0, lead_ms) for lead_ms in leads_ms]
    streams = [*sounding, *(Turn(0) for _ in range(8 - len(sounding)))]
    for turn in streams:
        turns.ask(turn, 0)
    for step in range(1, 100):
        now_ms = step * 100.0
        assert all(turn.playback.lead_ms(now_ms) >= 0 for turn in sounding)
        (running,) = (turn for turn in streams if turn.taken)
        running.playback.audio_sent(1000, now_ms)
        turns.ask(running, now_ms)
