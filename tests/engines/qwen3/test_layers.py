"""Decoder layers over static caches."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from saystream.engines.qwen3.config import StackConfig
from saystream.engines.qwen3.layers import Stack, attention_mask, fuse, grouped_attention, unfuse

CONFIG = StackConfig(
    hidden=24,
    feed_forward=40,
    layers=2,
    heads=4,
    kv_heads=2,
    head_size=8,
    rope_theta=10_000.0,
    norm_epsilon=1e-6,
)
VECTORS = torch.randn(1, 30, 24, generator=torch.Generator().manual_seed(0))


def stack(*, window: int | None = None, places: int = 32) -> Stack:
    torch.manual_seed(1)
    made = Stack(dataclasses.replace(CONFIG, window=window)).requires_grad_(False)
    made.allocate(4, places)
    return made


def run(layers: Stack, x: Tensor, slot: int, *, start: int = 0, length: int = 32) -> Tensor:
    return layers(x, torch.tensor([slot]), torch.tensor([start]), length)[0]


def one_by_one(layers: Stack, slot: int, *, length: int = 32) -> Tensor:
    return torch.cat(
        [run(layers, VECTORS[:, at : at + 1], slot, start=at, length=length) for at in range(30)]
    )


def test_vectors_one_by_one_give_what_all_of_them_give() -> None:
    layers = stack()
    torch.testing.assert_close(one_by_one(layers, 1), run(layers, VECTORS, 0))


def test_the_length_attended_to_changes_nothing_once_it_is_long_enough() -> None:
    layers = stack()
    torch.testing.assert_close(run(layers, VECTORS[:, :5], 0, length=8), run(layers, VECTORS[:, :5], 1))


def test_what_pads_a_row_on_the_right_is_overwritten_before_it_is_seen() -> None:
    layers = stack()
    expected = run(layers, VECTORS[:, :12], 0)
    padded = torch.cat((VECTORS[:, :5], torch.full((1, 11, 24), 9.0)), 1)
    torch.testing.assert_close(run(layers, padded, 1)[:5], expected[:5])
    torch.testing.assert_close(run(layers, VECTORS[:, 5:12], 1, start=5), expected[5:])


def test_sessions_at_different_positions_share_a_step() -> None:
    layers = stack()
    expected = run(layers, VECTORS, 0)
    run(layers, VECTORS[:, :20], 1)
    run(layers, VECTORS[:, :3], 2)
    x = torch.cat((VECTORS[:, 20:21], VECTORS[:, 3:4]))
    both = layers(x, torch.tensor([1, 2]), torch.tensor([20, 3]), 32)
    torch.testing.assert_close(both[:, 0], torch.stack((expected[20], expected[3])))


@pytest.mark.parametrize("steps", [1, 3])
def test_a_ring_smaller_than_the_session_gives_what_a_window_over_all_of_it_gives(steps: int) -> None:
    """Thirty positions in twelve places; a window of ten and steps of three need that many."""
    expected = run(stack(window=10), VECTORS, 0)
    ring = stack(window=10, places=12)
    parts = [run(ring, VECTORS[:, at : at + steps], 2, start=at, length=12) for at in range(0, 30, steps)]
    torch.testing.assert_close(torch.cat(parts), expected)


def test_a_window_forgets_what_lies_before_it() -> None:
    """Two layers of a window of ten see eighteen positions back, and no more."""
    layers = stack(window=10)
    expected = run(layers, VECTORS, 0)
    other = torch.cat((-VECTORS[:, :11], VECTORS[:, 11:]), 1)
    torch.testing.assert_close(run(layers, other, 1)[29], expected[29])
    assert not torch.allclose(run(layers, other, 1)[28], expected[28], atol=1e-7)


def test_heads_that_share_keys_attend_as_if_the_keys_were_repeated() -> None:
    generator = torch.Generator().manual_seed(2)
    q, k, v = (torch.randn(2, heads, 5, 8, generator=generator) for heads in (4, 2, 2))
    seen = torch.ones(2, 5, 5, dtype=torch.bool).tril()
    repeated = functional.scaled_dot_product_attention(
        q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1), attn_mask=seen[:, None]
    )
    mask = attention_mask(seen, CONFIG, q.dtype)
    attended = grouped_attention(q.transpose(1, 2), k, v, mask)
    torch.testing.assert_close(attended, repeated.transpose(1, 2).flatten(2))


def test_fused_weights_come_apart_as_they_were() -> None:
    published = unfuse(stack().state_dict(), CONFIG)
    assert published["layers.0.self_attn.k_proj.weight"].shape == (16, 24)
    assert published["layers.1.mlp.up_proj.weight"].shape == (40, 24)
    together = fuse(published)
    assert together.keys() == stack().state_dict().keys()
    assert all(torch.equal(together[name], tensor) for name, tensor in stack().state_dict().items())


def test_angles_are_computed_in_float32_for_a_model_of_another_type() -> None:
    layers = stack().to(torch.bfloat16)
    layers.rotary.compute_frequencies(torch.device("cpu"))
    cos, _ = layers.rotary(torch.tensor([[1001]]), torch.float32)
    exact = torch.cos(torch.tensor(1001.0, dtype=torch.float64)).float()
    torch.testing.assert_close(cos[0, 0, 0, 0], exact, atol=1e-4, rtol=0)
