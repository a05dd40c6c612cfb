from __future__ import annotations

from pathlib import Path

import pytest

from saystream.engines.qwen3.memory import bytes_per_slot, slots_that_fit

from .speaking import loaded

GIB = 1 << 30


@pytest.mark.parametrize(
    ("free", "slot", "most", "expected"),
    [
        (100 * GIB, GIB, 64, 64),
        (12 * GIB, GIB, 64, 8),
        (3 * GIB, GIB, 64, 0),
        (0, GIB, 64, 0),
        (100 * GIB, GIB, 5, 5),
    ],
)
def test_slots_fill_what_is_free_and_leave_room_for_work(
    free: int, slot: int, most: int, expected: int
) -> None:
    assert slots_that_fit(free, slot, most) == expected


def test_a_slot_takes_what_its_caches_take(checkpoints: Path) -> None:
    model = loaded(checkpoints)
    stack = model.config.talker.stack
    row = 2 * stack.layers * stack.kv_heads * stack.head_size * 4
    short, long = bytes_per_slot(model, 256), bytes_per_slot(model, 512)
    assert long - short == 256 * row
    assert 256 * row < short < 256 * row + (1 << 20)
