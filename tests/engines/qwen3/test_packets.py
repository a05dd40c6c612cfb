from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.qwen3.packets import Packetizer


def frames(num_frames: int) -> list[np.ndarray]:
    return [np.full(3, number, np.float32) for number in range(num_frames)]


def sizes(packetizer: Packetizer, num_frames: int) -> list[int]:
    packets = [packetizer.push(frame) for frame in frames(num_frames)]
    return [len(packet) // 3 for packet in packets if packet is not None]


def test_the_first_frames_leave_alone_and_later_packets_double_up_to_the_bound() -> None:
    assert sizes(Packetizer(8), 40) == [1, 1, 2, 4, 8, 8, 8, 8]
    assert sizes(Packetizer(3), 13) == [1, 1, 2, 3, 3, 3]
    assert sizes(Packetizer(1), 3) == [1, 1, 1]


def test_a_flush_gives_what_is_there_once() -> None:
    packetizer = Packetizer(8)
    assert packetizer.flush() is None
    assert sizes(packetizer, 5) == [1, 1, 2]
    rest = packetizer.flush()
    assert rest is not None and rest.tolist() == [4.0] * 3
    assert packetizer.flush() is None


def test_a_packet_holds_at_least_one_frame() -> None:
    with pytest.raises(ValueError, match="max_frames is 0"):
        Packetizer(0)


@given(st.integers(1, 9), st.lists(st.booleans(), max_size=60))
def test_whatever_is_flushed_when_all_sound_comes_out_in_order(bound: int, flushes: list[bool]) -> None:
    packetizer = Packetizer(bound)
    packets = []
    numbers = count()
    for flushed in flushes:
        packets.append(packetizer.push(np.full(1, next(numbers), np.float32)))
        if flushed:
            packets.append(packetizer.flush())
    packets.append(packetizer.flush())
    given_out = [packet for packet in packets if packet is not None]
    assert all(len(packet) <= bound for packet in given_out)
    assert [sample for packet in given_out for sample in packet] == list(range(len(flushes)))
