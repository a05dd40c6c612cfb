"""Tiny checkpoints and the models in them, shared by the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import torch

from saystream.engines.qwen3.checkpoint import load_checkpoint
from saystream.engines.qwen3.model import Qwen3Model

from .random_checkpoint import make_checkpoint

# Steps of tiny networks are shorter than it takes to wake a second thread.
torch.set_num_threads(1)

SLOTS, POSITIONS = 4, 384

ModelOf: TypeAlias = Callable[[str], Qwen3Model]


def write_checkpoints(folder: Path, *, mean_frames: int) -> Path:
    """``custom_voice``, ``voice_design``, ``base`` and ``custom_voice_small``, which drops instructions.

    Speech that is sampled from them is ``mean_frames`` long on average.
    """
    make_checkpoint(folder / "custom_voice", "custom_voice", mean_frames=mean_frames)
    make_checkpoint(folder / "custom_voice_small", "custom_voice", mean_frames=mean_frames, model_size="0b6")
    make_checkpoint(folder / "voice_design", "voice_design", mean_frames=mean_frames)
    make_checkpoint(folder / "base", "base", mean_frames=mean_frames)
    return folder


def models_in(checkpoints: Path) -> ModelOf:
    """A checkpoint's model, loaded once, with caches for ``SLOTS`` sessions of ``POSITIONS``."""
    loaded: dict[str, Qwen3Model] = {}

    def model(name: str) -> Qwen3Model:
        if name not in loaded:
            loaded[name] = load_checkpoint(checkpoints / name)
            loaded[name].allocate(SLOTS, POSITIONS)
        return loaded[name]

    return model


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints whose speech is short: every frame takes a hundredth of a second."""
    return write_checkpoints(tmp_path_factory.mktemp("checkpoints"), mean_frames=24)


@pytest.fixture(scope="session")
def model_of(checkpoints: Path) -> ModelOf:
    return models_in(checkpoints)
