"""Decoder layers over static caches, shared by the talker, the predictor and the codec.

A cache is allocated once and never changes its shape, and what is attended to is cut by a length that the caller
chooses, so that one step has the same shapes for the same batch: it can be captured in a CUDA graph. Nothing here reads
a tensor on the host.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from saystream.engines.qwen3.config import StackConfig

__all__ = ["Attention", "Layer", "RMSNorm", "Rotary", "Stack", "fuse", "grouped_attention", "unfuse"]


class RMSNorm(nn.Module):
    """Root-mean-square norm; the mean is taken in float32, as the published model does."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Rotary(nn.Module):
    """Rotary embedding of positions. The angles are computed in float32 whatever the model's type is.

    The talker's checkpoints name three interleaved sections of positions; in speech the three rows are always
    equal, which is this plain form (the parity tests show it).
    """

    def __init__(self, head_size: int, theta: float) -> None:
        super().__init__()
        self.head_size, self.theta = head_size, theta
        self.frequencies: Tensor
        self.register_buffer("frequencies", torch.empty(0), persistent=False)
        self.compute_frequencies(torch.device("cpu"))

    def compute_frequencies(self, device: torch.device) -> None:
        """Angles for one position, in float32 whatever the type of the model."""
        exponents = torch.arange(0, self.head_size, 2, dtype=torch.float32, device=device) / self.head_size
        self.frequencies = 1.0 / (self.theta**exponents)

    def forward(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosine and sine for ``positions`` [B, T], each [B, 1, T, head_size]."""
        angles = positions[:, None, :, None].float() * self.frequencies
        angles = torch.cat((angles, angles), -1)
        return angles.cos().to(dtype), angles.sin().to(dtype)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def grouped_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attention with fewer key heads than query heads: q [B, H, T, D], k and v [B, K, S, D], mask [B, T, S].

    The queries that share a key head are laid behind one another in time, so that the kernels for equal numbers of
    heads take it and no key or value is repeated. Gives [B, H, T, D].
    """
    batch, heads, steps, size = q.shape
    kv_heads = k.shape[1]
    group = heads // kv_heads
    q = q.reshape(batch, kv_heads, group * steps, size)
    mask = (
        mask[:, None, None]
        .expand(batch, 1, group, steps, mask.shape[-1])
        .reshape(batch, 1, group * steps, -1)
    )
    out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.reshape(batch, heads, steps, size)


class Attention(nn.Module):
    """Attention of one layer; the projections of queries, keys and values are one matrix (``fuse``)."""

    def __init__(self, config: StackConfig, *, normed: bool) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.size = config.heads, config.kv_heads, config.head_size
        width = (config.heads + 2 * config.kv_heads) * config.head_size
        self.qkv = nn.Linear(config.hidden, width, bias=False)
        self.o_proj = nn.Linear(config.heads * config.head_size, config.hidden, bias=False)
        self.q_norm = RMSNorm(config.head_size, config.norm_epsilon) if normed else None
        self.k_norm = RMSNorm(config.head_size, config.norm_epsilon) if normed else None

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, heads, T, D], keys and values [B, kv_heads, T, D], rotated."""
        batch, steps, _ = x.shape
        qkv = self.qkv(x).view(batch, steps, -1, self.size)
        q, k, v = qkv.split((self.heads, self.kv_heads, self.kv_heads), 2)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        return _rotated(q.transpose(1, 2), cos, sin), _rotated(k.transpose(1, 2), cos, sin), v.transpose(1, 2)

    def output(self, attended: Tensor) -> Tensor:
        """[B, heads, T, D] -> [B, T, hidden]."""
        batch, _, steps, _ = attended.shape
        out: Tensor = self.o_proj(attended.transpose(1, 2).reshape(batch, steps, -1))
        return out


class _FeedForward(nn.Module):
    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.hidden, 2 * config.feed_forward, bias=False)
        self.down_proj = nn.Linear(config.feed_forward, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, -1)
        out: Tensor = self.down_proj(functional.silu(gate) * up)
        return out


class _Scale(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class Layer(nn.Module):
    """One decoder layer: attention and a gated feed-forward, each after a norm and added to what came in."""

    def __init__(self, config: StackConfig, *, normed: bool, scaled: bool) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden, config.norm_epsilon)
        self.self_attn = Attention(config, normed=normed)
        self.post_attention_layernorm = RMSNorm(config.hidden, config.norm_epsilon)
        self.mlp = _FeedForward(config)
        self.self_attn_layer_scale = _Scale(config.hidden) if scaled else nn.Identity()
        self.mlp_layer_scale = _Scale(config.hidden) if scaled else nn.Identity()

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """From what came in [B, T, hidden] and the attention's answer [B, heads, T, D] to what goes out."""
        x = x + self.self_attn_layer_scale(self.self_attn.output(attended))
        out: Tensor = x + self.mlp_layer_scale(self.mlp(self.post_attention_layernorm(x)))
        return out


class Stack(nn.Module):
    """Layers over one cache of keys and one of values, each [layer, slot, kv_head, position, head_size].

    A slot is one session's place. With ``config.window`` the cache is a ring: position p lies at p modulo its size,
    so that a session may be of any length; without, at p.
    """

    def __init__(self, config: StackConfig, *, normed: bool = True, scaled: bool = False) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(Layer(config, normed=normed, scaled=scaled) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden, config.norm_epsilon)
        self.rotary = Rotary(config.head_size, config.rope_theta)
        self.keys: Tensor
        self.values: Tensor
        self.register_buffer("keys", torch.empty(0), persistent=False)
        self.register_buffer("values", torch.empty(0), persistent=False)

    @property
    def dtype(self) -> torch.dtype:
        return self.norm.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.norm.weight.device

    def cache_shape(self, positions: int) -> tuple[int, int, int]:
        """Of one slot in one layer: kv_head, position, head_size."""
        return self.config.kv_heads, positions, self.config.head_size

    def allocate(self, slots: int, positions: int) -> None:
        """Make room for ``slots`` sessions of ``positions`` each; what was there is dropped."""
        shape = (self.config.layers, slots, *self.cache_shape(positions))
        self.keys = torch.zeros(shape, dtype=self.dtype, device=self.device)
        self.values = torch.zeros(shape, dtype=self.dtype, device=self.device)

    def forward(self, x: Tensor, slots: Tensor, positions: Tensor, length: int) -> Tensor:
        """Vectors ``x`` [B, T, hidden] of the sessions ``slots`` [B] from ``positions`` [B] on."""
        at = positions[:, None] + torch.arange(x.shape[1], device=x.device)
        cos, sin = self.rotary(at, x.dtype)
        where, mask = self._view(at, length)
        rows = slots[:, None]
        for index, layer in enumerate(self.layers):
            q, k, v = layer.self_attn.project(layer.input_layernorm(x), cos, sin)
            keys, values = self.keys[index], self.values[index]
            # [B, T] of (slot, position) pairs, the kv heads between: what is written is [B, T, kv_heads, head_size].
            keys[rows, :, where] = k.transpose(1, 2)
            values[rows, :, where] = v.transpose(1, 2)
            attended = grouped_attention(q, keys[slots, :, :length], values[slots, :, :length], mask)
            x = layer.finish(x, attended)
        out: Tensor = self.norm(x)
        return out

    def _view(self, at: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Where positions ``at`` [B, T] lie, and which of the first ``length`` places they see, [B, T, S]."""
        place = torch.arange(length, device=at.device)
        if self.config.window is None:
            return at, place <= at[..., None]
        size = self.keys.shape[3]
        last = at[:, -1:, None]
        # The newest position that lies at each place once this step is written; negative: nothing was there yet.
        held = last - (last - place) % size
        seen = (held >= 0) & (held <= at[..., None]) & (held > at[..., None] - self.config.window)
        return at % size, seen


_FUSED = {
    "self_attn.qkv.weight": ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"),
    "mlp.gate_up.weight": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
}
"""Our matrix -> the checkpoint's, one below the other."""


def fuse(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights by the names of our modules: matrices that are multiplied with the same vectors become one.

    Raises KeyError with the name of a part that is missing.
    """
    fused = dict(weights)
    for ours, theirs in _FUSED.items():
        stems = {name.removesuffix(part) for part in theirs for name in weights if name.endswith(part)}
        for stem in stems:
            fused[stem + ours] = torch.cat([fused.pop(stem + part) for part in theirs])
    return fused


def unfuse(weights: dict[str, Tensor], config: StackConfig) -> dict[str, Tensor]:
    """The opposite of ``fuse``, for writing checkpoints: weights of one stack by the names that are published."""
    apart = dict(weights)
    kv = config.kv_heads * config.head_size
    sizes = {
        "self_attn.qkv.weight": (config.heads * config.head_size, kv, kv),
        "mlp.gate_up.weight": (config.feed_forward, config.feed_forward),
    }
    for ours, theirs in _FUSED.items():
        for name in weights:
            if name.endswith(ours):
                stem = name.removesuffix(ours)
                parts = apart.pop(name).split(sizes[ours])
                apart.update({stem + part: tensor for part, tensor in zip(theirs, parts, strict=True)})
    return apart
