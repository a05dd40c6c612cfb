"""The predictor: the fifteen other codes of a frame, one after another, from the talker's vector and the first code.

Its sixteen positions start again in each frame, so its cache belongs to rows of the batch and not to sessions, and
every position is a Python number: the whole loop has fixed shapes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from saystream.engines.qwen3.config import CODEBOOKS, PredictorConfig
from saystream.engines.qwen3.layers import Stack, attention_mask, grouped_attention

__all__ = ["Predictor"]


class _Model(Stack):
    """The stack with the embeddings that the checkpoint stores beside it, one for each group after the first."""

    def __init__(self, config: PredictorConfig, talker_hidden: int) -> None:
        super().__init__(config.stack)
        self.codec_embedding = nn.ModuleList(
            nn.Embedding(config.vocabulary, talker_hidden) for _ in range(CODEBOOKS - 1)
        )

        self.cosines: Tensor
        self.sines: Tensor
        self.register_buffer("cosines", torch.empty(0), persistent=False)
        self.register_buffer("sines", torch.empty(0), persistent=False)

    def allocate(self, slots: int, positions: int) -> None:
        super().allocate(slots, positions)
        at = torch.arange(positions, device=self.device)[None]
        self.cosines, self.sines = self.rotary(at, self.dtype)

    def step(self, x: Tensor, first: int) -> Tensor:
        """Vectors ``x`` [B, T, hidden] at positions ``first`` and following of rows 0 to B - 1."""
        rows, steps, _ = x.shape
        end = first + steps
        cos, sin = self.cosines[:, first:end], self.sines[:, first:end]
        mask = None
        if steps > 1:  # a single vector sees all there is
            at = torch.arange(end, device=x.device)
            mask = attention_mask((at <= at[first:, None])[None], self.config, x.dtype)
        for index, layer in enumerate(self.layers):
            q, k, v = layer.self_attn.project(layer.input_layernorm(x), cos, sin)
            keys, values = self.keys[index, :rows, :, :end], self.values[index, :rows, :, :end]
            keys[:, :, first:] = k.transpose(1, 2)
            values[:, :, first:] = v.transpose(1, 2)
            x = layer.finish(x, grouped_attention(q, keys, values, mask))
        out: Tensor = self.norm(x)
        return out


class Predictor(nn.Module):
    """One call makes the codes of a frame."""

    def __init__(
        self, config: PredictorConfig, embed_first: Callable[[Tensor], Tensor], talker_hidden: int
    ) -> None:
        """``embed_first`` returns the talker's vectors of first codes."""
        super().__init__()
        self.config = config
        self.model = _Model(config, talker_hidden)
        self.lm_head = nn.ModuleList(
            nn.Linear(config.stack.hidden, config.vocabulary, bias=False) for _ in range(CODEBOOKS - 1)
        )
        same = config.stack.hidden == talker_hidden
        self.small_to_mtp_projection = (
            nn.Identity() if same else nn.Linear(talker_hidden, config.stack.hidden)
        )
        self._embed_first = embed_first

    def allocate(self, rows: int) -> None:
        """Make room for batches of up to ``rows``."""
        self.model.allocate(rows, CODEBOOKS)

    def embedding(self, group: int, code: Tensor) -> Tensor:
        """Vectors of the codes of ``group`` 0 to 15, [...] -> [..., H]."""
        vectors: Tensor = (
            self._embed_first(code) if group == 0 else self.model.codec_embedding[group - 1](code)
        )
        return vectors

    def forward(
        self, hidden: Tensor, code0: Tensor, choose: Callable[[Tensor, int], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """All codes [B, 16] of a frame and the sum of their vectors [B, H].

        ``hidden`` [B, H] is the talker's last, ``code0`` [B] was chosen from its logits. ``choose`` takes logits [B,
        2048] and their group, 1 to 15, and returns codes [B]; it must stay on the device too.
        """
        codes = [code0]
        summed = self.embedding(0, code0)
        x = torch.stack((hidden, summed), 1)
        for group in range(1, CODEBOOKS):
            # Positions 0 and 1 are the talker's vector and the first code; the code of group g is stored at g + 1.
            out = self.model.step(self.small_to_mtp_projection(x), 0 if group == 1 else group)
            code = choose(self.lm_head[group - 1](out[:, -1]), group)
            vector = self.embedding(group, code)
            codes.append(code)
            summed = summed + vector
            x = vector[:, None]
        return torch.stack(codes, 1), summed
