"""Draws codes on the device, the same ones for a session whatever else is in its batch.

The random numbers are not a stream that sessions share. Each is a function of the session's seed, the number of its
frame, the codebook and the code, so nothing is kept between two draws, nothing is read back to the host, and a captured
graph draws the same codes as the eager code.

A code is drawn by adding its own Gumbel noise to each score and taking the best (Maddison et al. 2014), which is a draw
by the shares of a softmax. A session's scores differ in their last bits with the shape of its batch; here that changes
a draw only if the two best are equal except for those bits. Drawing by a running sum over sorted shares would change
with every two candidates that swap places.

The order of the filters is that of the reference: repetition penalty, bans, temperature, top-k, top-p (``transformers``
4.57, ``generation/logits_process.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Sampling", "SamplingRows", "gumbel", "penalize", "pick", "session_key"]

_MASK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the codes of one session are drawn. The defaults are the published ``generation_config.json``."""

    temperature: float = 0.9
    top_k: int = 50
    """0 keeps all."""
    top_p: float = 1.0
    repetition_penalty: float = 1.05
    """On the first codebook, for codes that this session has already had."""
    greedy: bool = False
    """Always the likeliest code."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}; it must be 0 or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        if not self.repetition_penalty > 0:
            raise ValueError(f"repetition_penalty is {self.repetition_penalty}; it must be above 0")


def _mixed(words: Tensor) -> Tensor:
    """A bijection of 32-bit words, held in int64, that leaves no trace of their order.

    The constants are those that the "hash prospector" search (Wellons, 2018-2022) found for two rounds; both are below
    2**31, so no product overflows.
    """
    words = (words ^ (words >> 16)) & _MASK
    words = (words * 0x21F0AAAD) & _MASK
    words = words ^ (words >> 15)
    words = (words * 0x735A2D97) & _MASK
    return words ^ (words >> 15)


def session_key(seed: int) -> int:
    """The ``gumbel`` key for a session's seed: any integer, of which 64 bits count."""
    low, high = seed & _MASK, (seed >> 32) & _MASK
    mixed = _mixed(_mixed(torch.tensor([low])) ^ high)
    return int(mixed.item())


def gumbel(keys: Tensor, frames: Tensor, codebooks: Tensor, num_codes: int) -> Tensor:
    """Noise for each code, float32 (rows, codebooks, codes); ``keys`` and ``frames`` are int64 (rows)."""
    words = _mixed(_mixed(keys ^ frames)[:, None] + codebooks)
    words = _mixed(words[:, :, None] ^ torch.arange(num_codes, device=keys.device))
    # Adding half of the last bit keeps values away from 0 and 1, where the logarithms are undefined.
    shares = ((words >> 9).to(torch.float32) + 0.5) * 2**-23
    return -(-shares.log()).log()


class SamplingRows:
    """The sampling of every slot, as tensors that a graph may read. Rows are changed in place."""

    def __init__(
        self, num_slots: int, device: torch.device, *, max_top_k: int, filters_top_p: bool = False
    ) -> None:
        """``max_top_k`` candidates are considered, whatever a row asks for. A row may ask for a ``top_p`` below 1 only
        with ``filters_top_p``."""
        self.max_top_k = max_top_k
        self.filters_top_p = filters_top_p
        self.temperature = torch.ones(num_slots, 1, device=device)
        self.top_k = torch.ones(num_slots, 1, dtype=torch.int64, device=device)
        self.top_p = torch.ones(num_slots, 1, device=device)
        self.repetition_penalty = torch.ones(num_slots, 1, device=device)
        self.chance = torch.zeros(num_slots, 1, device=device)
        """0 if the likeliest code is taken, else 1."""
        self.keys = torch.zeros(num_slots, dtype=torch.int64, device=device)

    def put(self, slot: int, sampling: Sampling) -> None:
        """Raises ValueError for a ``top_k`` or ``top_p`` that these rows were not created for."""
        top_k = sampling.top_k or self.max_top_k
        if top_k > self.max_top_k:
            raise ValueError(f"top_k is {top_k}; this engine supports at most {self.max_top_k}")
        if sampling.top_p < 1 and not self.filters_top_p:
            raise ValueError(f"top_p is {sampling.top_p}; this engine only supports 1")
        self.temperature[slot] = sampling.temperature
        self.top_k[slot] = top_k
        self.top_p[slot] = sampling.top_p
        self.repetition_penalty[slot] = sampling.repetition_penalty
        self.chance[slot] = 0.0 if sampling.greedy else 1.0
        self.keys[slot] = session_key(sampling.seed)


def penalize(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """``logits`` (rows, codes) with those of ``seen`` codes made less likely by ``penalty`` (rows, 1)."""
    penalized = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, penalized, logits)


def pick(logits: Tensor, rows: SamplingRows, slots: Tensor, noise: Tensor) -> Tensor:
    """One code for each row of ``logits`` (rows, codes), by the sampling of its slot and its own ``noise``, which has
    the shape of ``logits``."""
    num_candidates = min(rows.max_top_k, logits.shape[-1])
    values, codes = (logits.float() / rows.temperature[slots]).topk(num_candidates, dim=-1)
    ranks = torch.arange(num_candidates, device=logits.device)
    left_out = ranks >= rows.top_k[slots]
    if rows.filters_top_p:
        shares = values.masked_fill(left_out, -torch.inf).softmax(-1)
        left_out = left_out | (shares.cumsum(-1) - shares >= rows.top_p[slots])
    scores = values + noise.gather(-1, codes) * rows.chance[slots]
    best = scores.masked_fill(left_out, -torch.inf).argmax(-1, keepdim=True)
    return codes.gather(-1, best)[:, 0]
