"""The talker: a language model whose steps are codec frames of 80 ms."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from saystream.engines.qwen3.config import TalkerConfig
from saystream.engines.qwen3.layers import Stack

__all__ = ["Talker"]


class _TextProjection(nn.Module):
    def __init__(self, config: TalkerConfig) -> None:
        super().__init__()
        self.linear_fc1 = nn.Linear(config.text_hidden, config.text_hidden)
        self.linear_fc2 = nn.Linear(config.text_hidden, config.stack.hidden)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear_fc2(functional.silu(self.linear_fc1(x)))
        return out


class _Model(Stack):
    """The stack with the two embeddings that the checkpoint stores beside it."""

    def __init__(self, config: TalkerConfig) -> None:
        super().__init__(config.stack)
        self.codec_embedding = nn.Embedding(config.codec_vocabulary, config.stack.hidden)
        self.text_embedding = nn.Embedding(config.text_vocabulary, config.text_hidden)


class Talker(nn.Module):
    """Text vectors and codec vectors in, the first code of the next frame out."""

    def __init__(self, config: TalkerConfig) -> None:
        super().__init__()
        self.config = config
        self.model = _Model(config)
        self.text_projection = _TextProjection(config)
        self.codec_head = nn.Linear(config.stack.hidden, config.codec_vocabulary, bias=False)

    def forward(self, x: Tensor, slots: Tensor, positions: Tensor, length: int) -> Tensor:
        """Hidden vectors [B, T, H] for ``x`` [B, T, H] of the sessions in ``slots`` [B].

        ``positions`` [B] is the position of each row's first vector; positions + T <= ``length``, which is attended to.
        """
        hidden: Tensor = self.model(x, slots, positions, length)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the codec vocabulary, [..., H] -> [..., 3072]."""
        scores: Tensor = self.codec_head(hidden)
        return scores

    def codec_embedding(self, code: Tensor) -> Tensor:
        """Vectors of first codes and of the special ids, [...] -> [..., H]."""
        vectors: Tensor = self.model.codec_embedding(code)
        return vectors

    def text_vectors(self, ids: Tensor) -> Tensor:
        """Vectors of text ids, [T] -> [T, H]."""
        vectors: Tensor = self.text_projection(self.model.text_embedding(ids))
        return vectors
