"""The targets of ``fuzzing/``, without the fuzzer: seeds, among them what it has found, and a few more inputs."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzzing.run import HERE, RESULTS, TARGETS

_MAX_SEED_BYTES = 200_000


def target_named(name: str) -> ModuleType:
    return importlib.import_module(f"fuzzing.targets.{name}")


def seeds_of(name: str) -> list[Path]:
    return sorted((HERE / "seeds" / name).iterdir())


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_accepted_or_refused_as_documented(name: str) -> None:
    target = target_named(name)
    seeds = seeds_of(name)
    assert seeds
    for seed in seeds:
        target.one(seed.read_bytes())  # raises what is not documented


@pytest.mark.parametrize("name", TARGETS)
def test_so_are_any_bytes(name: str) -> None:
    target = target_named(name)

    # The same ones each time: the search for others is the fuzzer's.
    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.binary(max_size=target.MAX_BYTES))
    def try_one(data: bytes) -> None:
        target.one(data)

    try_one()


def test_every_target_has_a_dictionary_and_a_place_in_the_readme() -> None:
    readme = (HERE / "README.md").read_text("utf-8")
    for name in TARGETS:
        assert (HERE / "dictionaries" / f"{target_named(name).DICTIONARY}.dict").is_file()
        assert f"| `{name}` |" in readme


def test_seeds_are_few_and_belong_to_a_target() -> None:
    folders = sorted((HERE / "seeds").iterdir())
    assert [folder.name for folder in folders] == TARGETS
    assert sum(seed.stat().st_size for name in TARGETS for seed in seeds_of(name)) < _MAX_SEED_BYTES


def test_no_target_needs_the_fuzzer() -> None:
    for name in TARGETS:
        target_named(name)
    assert "atheris" not in sys.modules


def test_the_results_on_record_are_of_these_targets() -> None:
    record = json.loads(RESULTS.read_text("utf-8"))
    assert set(record["targets"]) <= set(TARGETS)
    assert record["inputs"] == sum(target["inputs"] for target in record["targets"].values())
