"""Decoder layers over static caches, shared by the talker, the predictor and the codec.

A cache is allocated once and never changes its shape, and attention is limited to a length that the caller chooses, so
a step has the same shapes for the same batch: it can be captured in a CUDA graph. Nothing here reads a tensor on the
host.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from saystream.engines.qwen3.config import StackConfig

__all__ = [
    "Attention",
    "Layer",
    "RMSNorm",
    "Rotary",
    "Stack",
    "attention_mask",
    "fuse",
    "grouped_attention",
    "rotated",
    "unfuse",
]


class RMSNorm(nn.Module):
    """Root-mean-square norm; the mean is taken in float32, as in the published model."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Rotary(nn.Module):
    """Rotary embedding of positions. The angles are computed in float32 whatever the model's type.

    The talker's checkpoints have three interleaved sections of positions; in speech the three rows are always equal,
    which is this plain form (the parity tests show it).
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
        """The arguments of ``rotated`` for ``positions`` [B, T], each [B, T, 1, head_size]."""
        angles = positions[..., None, None].float() * self.frequencies
        cos, sin = angles.cos(), angles.sin()
        return torch.cat((cos, cos), -1).to(dtype), torch.cat((-sin, sin), -1).to(dtype)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """``x`` [B, T, heads, head_size] rotated by its positions. The halves are swapped; the signs are in the sine."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def attention_mask(seen: Tensor, config: StackConfig, dtype: torch.dtype) -> Tensor:
    """For ``grouped_attention``, which places each query sees, [B, T, S]: a number to add, computed once for all
    layers."""
    group = config.heads // config.kv_heads
    mask = torch.zeros((), dtype=dtype, device=seen.device).where(seen, -torch.inf)
    return mask[:, None].repeat(1, 1, group, 1)


def grouped_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attention with fewer key heads than query heads: q [B, T, H, D], k and v [B, K, S, D] -> [B, T, H * D].

    The queries that share a key head are placed one after another in time, so that the kernels for equal numbers of
    heads accept it and no key or value is repeated. Without a ``mask`` every query sees every place.
    """
    batch, steps, heads, size = q.shape
    kv_heads = k.shape[1]
    group = heads // kv_heads
    q = q.view(batch, steps, kv_heads, group, size).permute(0, 2, 3, 1, 4)
    q = q.reshape(batch, kv_heads, group * steps, size)
    out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    out = out.view(batch, kv_heads, group, steps, size).permute(0, 3, 1, 2, 4)
    return out.reshape(batch, steps, heads * size)


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
        self.scales: Tensor
        self.register_buffer("scales", torch.empty(0), persistent=False)

    def prepare(self) -> None:
        """Lay the weights of both norms side by side, one row for each head. Called once they are loaded."""
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm.weight.detach(), self.k_norm.weight.detach()
            self.scales = torch.cat((q.expand(self.heads, -1), k.expand(self.kv_heads, -1)))

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, T, heads, D], keys and values [B, T, kv_heads, D], rotated."""
        batch, steps, _ = x.shape
        qkv = self.qkv(x).view(batch, steps, -1, self.size)
        qk, v = qkv.split((self.heads + self.kv_heads, self.kv_heads), 2)
        if self.q_norm is not None:
            qk = functional.rms_norm(qk, (self.size,), None, self.q_norm.epsilon) * self.scales
        q, k = rotated(qk, cos, sin).split((self.heads, self.kv_heads), 2)
        return q, k, v


class _FeedForward(nn.Module):
    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.hidden, 2 * config.feed_forward, bias=False)
        self.down_proj = nn.Linear(config.feed_forward, config.hidden, bias=False)

    def inner(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, -1)
        return functional.silu(gate) * up


class _Scale(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class Layer(nn.Module):
    """One decoder layer: attention and a gated feed-forward, each after a norm and added to its input."""

    def __init__(self, config: StackConfig, *, normed: bool, scaled: bool) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden, config.norm_epsilon)
        self.self_attn = Attention(config, normed=normed)
        self.post_attention_layernorm = RMSNorm(config.hidden, config.norm_epsilon)
        self.mlp = _FeedForward(config)
        self.self_attn_layer_scale = _Scale(config.hidden) if scaled else None
        self.mlp_layer_scale = _Scale(config.hidden) if scaled else None

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """From the layer's input [B, T, hidden] and the output of attention [B, T, heads * D] to the layer's output."""
        x = _added(x, attended, self.self_attn.o_proj, self.self_attn_layer_scale)
        inner = self.mlp.inner(self.post_attention_layernorm(x))
        return _added(x, inner, self.mlp.down_proj, self.mlp_layer_scale)


def _added(x: Tensor, y: Tensor, projection: nn.Linear, scale: _Scale | None) -> Tensor:
    """``x`` and the projection of ``y``, in one kernel if nothing comes between."""
    if scale is not None:
        return x + scale(projection(y))
    return torch.addmm(x.flatten(0, 1), y.flatten(0, 1), projection.weight.T).view(x.shape)


class Stack(nn.Module):
    """Layers over one cache of keys and one of values, each [layer, slot, kv_head, position, head_size].

    A slot is the place of one session. With ``config.window`` the cache is a ring: position p is stored at p modulo its
    size, so a session may be of any length; without, at p.
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
        """Make room for ``slots`` sessions of ``positions`` each; previous contents are dropped."""
        shape = (self.config.layers, slots, *self.cache_shape(positions))
        for layer in self.layers:
            layer.self_attn.prepare()
        self.keys = torch.zeros(shape, dtype=self.dtype, device=self.device)
        self.values = torch.zeros(shape, dtype=self.dtype, device=self.device)

    def forward(self, x: Tensor, slots: Tensor, positions: Tensor, length: int) -> Tensor:
        """Vectors ``x`` [B, T, hidden] of the sessions ``slots`` [B] from ``positions`` [B] on."""
        at = positions[:, None] + torch.arange(x.shape[1], device=x.device)
        cos, sin = self.rotary(at, x.dtype)
        where, seen = self._view(at, length)
        mask = attention_mask(seen, self.config, x.dtype)
        rows = slots[:, None]
        for index, layer in enumerate(self.layers):
            q, k, v = layer.self_attn.project(layer.input_layernorm(x), cos, sin)
            keys, values = self.keys[index], self.values[index]
            # [B, T] of (slot, position) pairs, the kv heads between: what is written is [B, T, kv_heads, head_size].
            keys[rows, :, where] = k
            values[rows, :, where] = v
            attended = grouped_attention(q, keys[slots, :, :length], values[slots, :, :length], mask)
            x = layer.finish(x, attended)
        out: Tensor = self.norm(x)
        return out

    def _view(self, at: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Where positions ``at`` [B, T] are stored, and which of the first ``length`` places they see, [B, T, S]."""
        place = torch.arange(length, device=at.device)
        if self.config.window is None:
            return at, place <= at[..., None]
        size = self.keys.shape[3]
        last = at[:, -1:, None]
        # The newest position stored at each place once this step is written; negative: nothing was there yet.
        held = last - (last - place) % size
        seen = (held >= 0) & (held <= at[..., None]) & (held > at[..., None] - self.config.window)
        return at % size, seen


_FUSED = {
    "self_attn.qkv.weight": ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"),
    "mlp.gate_up.weight": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
}
"""Our matrix -> the checkpoint's, one below another."""


def fuse(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights by the names of our modules: matrices that are multiplied with the same vectors become one.

    Raises KeyError with the name of a missing part.
    """
    fused = dict(weights)
    for ours, theirs in _FUSED.items():
        stems = {name.removesuffix(part) for part in theirs for name in weights if name.endswith(part)}
        for stem in stems:
            fused[stem + ours] = torch.cat([fused.pop(stem + part) for part in theirs])
    return fused


def unfuse(weights: dict[str, Tensor], config: StackConfig) -> dict[str, Tensor]:
    """The opposite of ``fuse``, for writing checkpoints: weights of one stack by their published names."""
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
