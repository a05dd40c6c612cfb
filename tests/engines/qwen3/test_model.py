"""A checkpoint in memory as a whole: its caches, and the vectors that the loop adds up."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from saystream.engines.qwen3.checkpoint import load_checkpoint
from saystream.engines.qwen3.model import Qwen3Model

from .cases import random_codes
from .conftest import ModelOf


@pytest.fixture
def model(checkpoints: Path) -> Qwen3Model:
    """One of its own: these tests allocate."""
    return load_checkpoint(checkpoints / "custom_voice")


def test_the_scratch_slot_lies_behind_those_of_sessions(model: Qwen3Model) -> None:
    model.allocate(slots=3, max_positions=16)
    assert (model.slots, model.max_positions, model.scratch_slot) == (3, 16, 3)
    assert model.talker.model.keys.shape[1:4] == (4, 2, 16)
    assert model.codec.pre_transformer.keys.shape[1] == 4


def test_rows_of_the_scratch_slot_disturb_nobody(model: Qwen3Model) -> None:
    model.allocate(slots=2, max_positions=16)
    x = torch.randn(4, 1, 48, generator=torch.Generator().manual_seed(0))
    zeros = torch.zeros(4, dtype=torch.long)
    padded = model.talker(x, torch.tensor([0, 1, 2, 2]), zeros, 16)
    alone = model.talker(x[:2], torch.tensor([0, 1]), zeros[:2], 16)
    torch.testing.assert_close(padded[:2], alone)


def test_allocating_anew_forgets_every_session(model: Qwen3Model) -> None:
    codes = torch.as_tensor(random_codes(4))[None]
    slots, start = torch.tensor([0]), torch.tensor([0])
    model.allocate(slots=1, max_positions=16)
    first = model.codec.step(codes, slots, start)
    model.allocate(slots=1, max_positions=16)
    assert torch.equal(model.codec.step(codes, slots, start), first)


def test_the_vectors_of_padding_and_of_the_end_are_those_of_their_ids(model: Qwen3Model) -> None:
    vectors = model.text_vectors(torch.tensor([model.pad_id, model.eos_id]))
    torch.testing.assert_close(torch.stack((model.pad_vector, model.eos_vector)), vectors)


def test_vectors_of_text_do_not_depend_on_each_other(model: Qwen3Model) -> None:
    ids = torch.tensor(model.tokens.encode("hello world"))
    together = model.text_vectors(ids)
    apart = torch.cat([model.text_vectors(ids[at : at + 1]) for at in range(len(ids))])
    torch.testing.assert_close(together, apart)


def test_every_group_of_codes_has_vectors_of_its_own(model_of: ModelOf) -> None:
    predictor = model_of("custom_voice").predictor
    vectors = torch.stack([predictor.embedding(group, torch.tensor([5]))[0] for group in range(16)])
    assert len({tuple(vector.tolist()) for vector in vectors}) == 16


def test_no_weight_asks_for_a_gradient(model: Qwen3Model) -> None:
    assert not any(parameter.requires_grad for parameter in model.parameters())
