from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from saystream.engines.kokoro import cores

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot do it")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[set[int]]]:
    """What processes with four cores were kept to, in turn."""
    calls: list[set[int]] = []
    held: list[int] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, wanted: calls.append(set(wanted)))
    monkeypatch.setattr(cores, "_held", held)
    yield calls
    for lock in held:
        os.close(lock)


def test_two_processes_keep_to_different_cores(kept: list[set[int]], tmp_path: Path) -> None:
    assert cores.claim_cores(2, folder=tmp_path)
    assert cores.claim_cores(1, folder=tmp_path)
    assert kept == [{2, 3}, {1}]


def test_a_process_that_does_not_find_enough_may_use_all(kept: list[set[int]], tmp_path: Path) -> None:
    assert cores.claim_cores(3, folder=tmp_path)
    assert not cores.claim_cores(2, folder=tmp_path)
    assert cores.claim_cores(1, folder=tmp_path), "what was not enough has been given back"
    assert kept == [{1, 2, 3}, {0}]


@pytest.mark.parametrize("count", [4, 5])
def test_a_process_that_wants_all_cores_claims_none(kept: list[set[int]], tmp_path: Path, count: int) -> None:
    assert not cores.claim_cores(count, folder=tmp_path)
    assert kept == []


def test_a_system_that_cannot_bind_a_process_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "sched_setaffinity")
    assert not cores.claim_cores(1, folder=tmp_path)


def test_there_is_at_least_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores.num_cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores.num_cores() >= 1
