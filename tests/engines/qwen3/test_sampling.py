from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from saystream.engines.qwen3.sampling import Sampling, SamplingRows, gumbel, penalize, pick, session_key

CPU = torch.device("cpu")


def rows_of(*samplings: Sampling, max_top_k: int = 64, filters_top_p: bool = True) -> SamplingRows:
    rows = SamplingRows(len(samplings), CPU, max_top_k=max_top_k, filters_top_p=filters_top_p)
    for slot, sampling in enumerate(samplings):
        rows.put(slot, sampling)
    return rows


def noise_of(seed: int, *, codebook: int = 0, num_frames: int = 64, num_codes: int = 64) -> np.ndarray:
    keys = torch.full((num_frames,), session_key(seed))
    return gumbel(keys, torch.arange(num_frames), torch.tensor([codebook]), num_codes)[:, 0].numpy()


def test_noise_has_the_distribution_of_gumbel() -> None:
    noise = np.concatenate([noise_of(seed, codebook=seed % 16).ravel() for seed in range(64)])
    assert noise.dtype == np.float32 and np.isfinite(noise).all()
    even = np.exp(-np.exp(-noise.astype(float)))
    counts = np.histogram(even, bins=256, range=(0, 1))[0]
    expected = len(noise) / 256
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 350, "255 degrees of freedom: exceeded once in ten thousand"


def test_noise_is_finite_at_both_ends() -> None:
    noise = gumbel(torch.arange(1 << 12), torch.zeros(1, dtype=torch.int64), torch.arange(16), 64)
    assert noise.isfinite().all()
    assert noise.max() > 14 and noise.min() < -2.6, "or the ends were not seen"


@pytest.mark.parametrize(
    "others",
    [
        lambda: noise_of(8),
        lambda: noise_of(7 + (1 << 32)),
        lambda: noise_of(7, codebook=1),
        lambda: np.roll(noise_of(7), 1, axis=0),
        lambda: np.roll(noise_of(7), 1, axis=1),
    ],
    ids=[
        "another seed",
        "another seed in its high bits",
        "another codebook",
        "the next frame",
        "the next code",
    ],
)
def test_noise_of_others_has_nothing_to_do_with_ours(others: Any) -> None:
    assert abs(np.corrcoef(noise_of(7).ravel(), others().ravel())[0, 1]) < 0.06, "four standard deviations"


def test_seeds_of_any_size_have_keys() -> None:
    keys = {session_key(seed) for seed in (0, 1, -1, 2**31, 2**32, 2**63, 2**64 - 2, 10**30)}
    assert len(keys) == 8
    assert all(0 <= key < 2**32 for key in keys)


def test_greedy_takes_the_likeliest() -> None:
    logits = torch.randn(5, 100)
    rows = rows_of(*[Sampling(greedy=True)] * 5)
    picked = pick(logits, rows, torch.arange(5), torch.randn(5, 100))
    assert torch.equal(picked, logits.argmax(-1))


def test_codes_are_drawn_as_often_as_their_shares_say() -> None:
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    num_draws = 20_000
    noise = torch.from_numpy(noise_of(1, codebook=3, num_frames=num_draws, num_codes=4))
    rows = rows_of(Sampling(temperature=1.0, top_k=0))
    logits = shares.log().expand(num_draws, 4)
    picked = pick(logits, rows, torch.zeros(num_draws, dtype=torch.int64), noise)
    drawn = torch.bincount(picked, minlength=4) / num_draws
    assert torch.allclose(drawn, shares, atol=0.012), "four standard deviations"


@pytest.mark.parametrize(
    ("sampling", "possible"),
    [
        (Sampling(temperature=1.0, top_k=2), {1, 3}),
        (Sampling(temperature=1.0, top_k=1), {3}),
        (Sampling(temperature=1.0, top_k=0, top_p=0.75), {1, 3}),
        (Sampling(temperature=1.0, top_k=0, top_p=1e-6), {3}),
        (Sampling(temperature=0.01), {3}),
        (Sampling(temperature=1.0, top_k=0), {0, 1, 2, 3}),
    ],
)
def test_only_codes_that_pass_the_filters_are_drawn(sampling: Sampling, possible: set[int]) -> None:
    logits = torch.tensor([0.1, 0.3, 0.1, 0.5]).log().expand(500, 4)
    noise = torch.from_numpy(noise_of(1, num_frames=500, num_codes=4))
    picked = pick(logits, rows_of(sampling), torch.zeros(500, dtype=torch.int64), noise)
    assert set(picked.tolist()) == possible


def test_each_row_is_drawn_by_the_sampling_of_its_slot() -> None:
    rows = rows_of(Sampling(greedy=True), Sampling(temperature=1.0, top_k=2), Sampling(top_k=1))
    logits = torch.tensor([2.0, 1.9, 0.0]).expand(4, 3)
    noise = torch.tensor([[0.0, 5.0, 9.0]]).repeat(4, 1)
    noise[3] = 0
    picked = pick(logits, rows, torch.tensor([1, 0, 2, 1]), noise)
    assert picked.tolist() == [1, 0, 0, 0]


def test_what_was_had_is_made_less_likely_on_both_sides_of_zero() -> None:
    logits = torch.tensor([[2.0, -2.0, 2.0, -2.0]])
    seen = torch.tensor([[True, True, False, False]])
    assert penalize(logits, seen, torch.tensor([[2.0]])).tolist() == [[1.0, -4.0, 2.0, -2.0]]


def test_banned_codes_are_never_drawn() -> None:
    logits = torch.randn(200, 64).masked_fill(torch.arange(64) >= 3, -torch.inf)
    picked = pick(logits, rows_of(Sampling()), torch.zeros(200, dtype=torch.int64), torch.randn(200, 64))
    assert picked.max() < 3


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 0.0}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.1}, {"repetition_penalty": 0.0}],
)
def test_a_sampling_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**wrong)  # type: ignore[arg-type]


def test_more_candidates_than_were_planned_for_are_refused() -> None:
    with pytest.raises(ValueError, match="top_k is 65"):
        rows_of(Sampling(top_k=65))


def test_a_top_p_that_was_not_planned_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"top_p is 0\.5"):
        rows_of(Sampling(top_p=0.5), filters_top_p=False)
