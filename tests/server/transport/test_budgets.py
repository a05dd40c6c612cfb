from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.server.transport.budgets import BURST_S, Budget


def test_a_quiet_peer_may_spend_a_burst_at_once() -> None:
    budget = Budget(10, 0.0)
    assert budget.spend(10 * BURST_S, 0.0) == 0


def test_what_is_owed_is_paid_by_waiting() -> None:
    budget = Budget(10, 0.0)
    budget.spend(10 * BURST_S, 0.0)
    assert budget.spend(20, 0.0) == pytest.approx(2.0)
    assert budget.spend(0, 2.0) == pytest.approx(0.0)
    assert budget.spend(1, 2.0) == pytest.approx(0.1)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), max_size=50))
def test_one_who_waits_as_told_never_gets_more_than_the_rate_and_one_burst(
    steps: list[tuple[float, float]],
) -> None:
    budget, now_s, taken = Budget(10, 0.0), 0.0, 0.0
    for amount, idle_s in steps:
        now_s += idle_s
        owed_s = budget.spend(amount, now_s)
        taken += amount
        now_s += owed_s
        assert taken <= 10 * (now_s + BURST_S) + 1e-6
