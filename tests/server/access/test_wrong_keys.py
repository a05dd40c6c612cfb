from __future__ import annotations

import pytest

from clock import Clock
from saystream.server.access import wrong_keys
from saystream.server.access.wrong_keys import WrongKeys


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wrong(clock: Clock) -> WrongKeys:
    return WrongKeys(per_minute=60, clock=clock)


def test_after_a_burst_an_address_waits_and_others_do_not(wrong: WrongKeys, clock: Clock) -> None:
    for _ in range(20):
        assert wrong.wait_s("10.0.0.1") == 0
        wrong.count("10.0.0.1")
    assert wrong.wait_s("10.0.0.1") == pytest.approx(1)
    assert wrong.wait_s("10.0.0.2") == 0
    clock.now_s += 1
    assert wrong.wait_s("10.0.0.1") == 0
    wrong.count("10.0.0.1")
    assert wrong.wait_s("10.0.0.1") == pytest.approx(1)


def test_a_quiet_minute_makes_up_for_a_burst(wrong: WrongKeys, clock: Clock) -> None:
    for _ in range(20):
        wrong.count("10.0.0.1")
    clock.now_s += 60
    for _ in range(20):
        assert wrong.wait_s("10.0.0.1") == 0
        wrong.count("10.0.0.1")


def test_the_addresses_of_one_ipv6_network_count_together(wrong: WrongKeys) -> None:
    for number in range(20):
        wrong.count(f"2001:db8::{number:x}")
    assert wrong.wait_s("2001:db8::ffff") > 0
    assert wrong.wait_s("2001:db8:0:1::1") == 0


def test_no_more_addresses_are_remembered_than_there_is_room_for(
    wrong: WrongKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrong_keys, "_MOST_ADDRESSES", 2)
    for _ in range(20):
        wrong.count("unix")
    for peer in ("10.0.0.1", "10.0.0.2"):
        wrong.count(peer)
    assert wrong.wait_s("unix") == 0
