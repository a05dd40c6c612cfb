"""The codec's decoder as a stream: each step makes the audio of its frames, and nothing is computed twice.

Every convolution is causal and keeps the samples that the next step needs; the transformer keeps a window of keys and
values as a ring. So each step costs the same however long the session is, and the audio is the same as if all of it
were decoded at once. The state of a slot is one row of each buffer: reset, snapshot and restore are copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from saystream.engines.qwen3.config import CODEBOOKS, CodecConfig
from saystream.engines.qwen3.layers import Stack

__all__ = ["StreamingCodec"]


class _Stateful(nn.Module):
    """A module that remembers the last ``context`` columns of its input for each slot."""

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.channels, self.context = channels, context
        self.state: Tensor
        self.register_buffer("state", torch.empty(0), persistent=False)

    def with_past(self, x: Tensor, slots: Tensor) -> Tensor:
        """``x`` [B, C, T] after the columns before it, [B, C, context + T]; keeps what the next call needs."""
        if not self.context:
            return x
        x = torch.cat((self.state[slots], x), -1)
        self.state[slots] = x[..., -self.context :]
        return x


class _CausalConv(_Stateful):
    """A convolution that looks back only; ``conv`` has the checkpoint's name and shape."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, dilation: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, (kernel - 1) * dilation)
        self.conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation, groups=groups)

    def forward(self, x: Tensor, slots: Tensor) -> Tensor:
        out: Tensor = self.conv(self.with_past(x, slots))
        return out


class _Upsampling(_Stateful):
    """A transposed convolution whose kernel is one or two strides long, written as a plain one.

    Each output of a stride depends on this input and, if the kernel is two strides long, on the one before: a
    convolution of kernel 2 with a channel for each position in the stride. Only what is kept is computed.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__(inputs, kernel // stride - 1)
        self.stride = stride
        self.conv = nn.ConvTranspose1d(inputs, outputs, kernel, stride)
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", torch.empty(0), persistent=False)
        self.register_buffer("bias", torch.empty(0), persistent=False)

    def prepare(self) -> None:
        weight = self.conv.weight.detach()  # [inputs, outputs, kernel]
        inputs, outputs, kernel = weight.shape
        taps = weight.view(inputs, outputs, kernel // self.stride, self.stride).flip(
            2
        )  # the oldest input first
        self.weight = taps.permute(1, 3, 0, 2).reshape(outputs * self.stride, inputs, -1).contiguous()
        assert self.conv.bias is not None
        self.bias = self.conv.bias.detach().repeat_interleave(self.stride)

    def forward(self, x: Tensor, slots: Tensor) -> Tensor:
        out = functional.conv1d(self.with_past(x, slots), self.weight, self.bias)
        batch, _, steps = out.shape
        return out.view(batch, -1, self.stride, steps).transpose(2, 3).reshape(batch, -1, steps * self.stride)


class _Snake(nn.Module):
    """x + sin(a x)^2 / b, with a and b kept as logarithms in the checkpoint."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.frequency: Tensor
        self.amount: Tensor
        self.register_buffer("frequency", torch.empty(0), persistent=False)
        self.register_buffer("amount", torch.empty(0), persistent=False)

    def prepare(self) -> None:
        self.frequency = self.alpha.detach().exp()[:, None]
        self.amount = 1.0 / (self.beta.detach().exp()[:, None] + 1e-9)

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(x, self.amount, torch.sin(x * self.frequency).square())


class _Residual(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.act1, self.act2 = _Snake(channels), _Snake(channels)
        self.conv1 = _CausalConv(channels, channels, 7, dilation=dilation)
        self.conv2 = _CausalConv(channels, channels, 1)

    def forward(self, x: Tensor, slots: Tensor) -> Tensor:
        out: Tensor = x + self.conv2(self.act2(self.conv1(self.act1(x), slots)), slots)
        return out


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, rate: int) -> None:
        super().__init__()
        residuals = (_Residual(outputs, dilation) for dilation in (1, 3, 9))
        self.block = nn.ModuleList((_Snake(inputs), _Upsampling(inputs, outputs, 2 * rate, rate), *residuals))

    def forward(self, x: Tensor, slots: Tensor) -> Tensor:
        activation, *rest = self.block
        x = activation(x)
        for part in rest:
            x = part(x, slots)
        return x


class _ConvNeXt(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.dwconv = _CausalConv(size, size, 7, groups=size)
        self.norm = nn.LayerNorm(size, eps=1e-6)
        self.pwconv1 = nn.Linear(size, 4 * size)
        self.pwconv2 = nn.Linear(4 * size, size)
        self.gamma = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor, slots: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x, slots).transpose(1, 2))
        y = self.gamma * self.pwconv2(functional.gelu(self.pwconv1(y)))
        return x + y.transpose(1, 2)


class _Codebook(nn.Module):
    def __init__(self, entries: int, size: int) -> None:
        super().__init__()
        self.cluster_usage = nn.Parameter(torch.ones(entries))
        self.embedding_sum = nn.Parameter(torch.zeros(entries, size))

    def vectors(self) -> Tensor:
        return self.embedding_sum / self.cluster_usage.clamp(min=1e-5)[:, None]


class _Quantizers(nn.Module):
    """Codebooks that share an output projection. The input projection belongs to the encoder and is only kept."""

    def __init__(self, count: int, entries: int, size: int) -> None:
        super().__init__()
        self.input_proj = nn.Conv1d(size, size // 2, 1, bias=False)
        self.output_proj = nn.Conv1d(size // 2, size, 1, bias=False)
        self.vq = nn.Module()
        self.vq.layers = nn.ModuleList(nn.Module() for _ in range(count))
        for layer in self.vq.layers:
            layer._codebook = _Codebook(entries, size // 2)

    def tables(self) -> Iterator[Tensor]:
        """For each codebook, its vectors already projected, [entries, size]."""
        for layer in cast("nn.ModuleList", self.vq.layers):
            yield functional.linear(
                cast("_Codebook", layer._codebook).vectors(), self.output_proj.weight[..., 0]
            )


class _Quantizer(nn.Module):
    """Sixteen codes of a frame to one vector: the sum of sixteen rows of one table."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.entries = config.codebook_entries
        self.rvq_first = _Quantizers(1, config.codebook_entries, config.codebook_size)
        self.rvq_rest = _Quantizers(CODEBOOKS - 1, config.codebook_entries, config.codebook_size)
        self.table: Tensor
        self.register_buffer("table", torch.empty(0), persistent=False)

    def prepare(self) -> None:
        self.table = torch.cat([*self.rvq_first.tables(), *self.rvq_rest.tables()]).detach()

    def forward(self, codes: Tensor) -> Tensor:
        offsets = torch.arange(CODEBOOKS, device=codes.device)[:, None] * self.entries
        return functional.embedding(codes + offsets, self.table).sum(1)


class _Transformer(Stack):
    def __init__(self, config: CodecConfig) -> None:
        super().__init__(config.stack, normed=False, scaled=True)
        self.input_proj = nn.Linear(config.latent, config.stack.hidden)
        self.output_proj = nn.Linear(config.stack.hidden, config.latent)

    def forward(self, x: Tensor, slots: Tensor, positions: Tensor, length: int) -> Tensor:
        out: Tensor = self.output_proj(super().forward(self.input_proj(x), slots, positions, length))
        return out


class StreamingCodec(nn.Module):
    """Frames of sixteen codes in, 1920 samples for each out, for many sessions at once."""

    MAX_FRAMES = 25
    """Frames per row in one step: two seconds."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        window = config.stack.window
        assert window is not None
        self.quantizer = _Quantizer(config)
        self.pre_conv = _CausalConv(config.codebook_size, config.latent, 3)
        self.pre_transformer = _Transformer(config)
        self.upsample = nn.ModuleList(
            nn.ModuleList(
                (_Upsampling(config.latent, config.latent, factor, factor), _ConvNeXt(config.latent))
            )
            for factor in config.upsampling
        )
        widths = [config.channels >> index for index in range(len(config.rates) + 1)]
        blocks = (_Block(widths[index], widths[index + 1], rate) for index, rate in enumerate(config.rates))
        last = (_Snake(widths[-1]), _CausalConv(widths[-1], 1, 7))
        self.decoder = nn.ModuleList((_CausalConv(config.latent, widths[0], 7), *blocks, *last))
        # The first frame of a step sees the window that ends with it, while the last one is already written. Rounded up
        # to a size that attention kernels like.
        self._ring = -(-(window + self.MAX_FRAMES - 1) // 16) * 16

    def prepare(self) -> None:
        """Compute what depends on the weights only. Called once, after they are loaded or changed."""
        for module in self.modules():
            if isinstance(module, _Upsampling | _Snake | _Quantizer):
                module.prepare()

    def allocate(self, slots: int) -> None:
        """Make room for ``slots`` sessions, all of them reset."""
        like = self.decoder[0].conv.weight
        for module in self._stateful():
            module.state = torch.zeros(
                slots, module.channels, module.context, dtype=like.dtype, device=like.device
            )
        self.pre_transformer.allocate(slots, self._ring)

    def step(self, codes: Tensor, slots: Tensor, positions: Tensor) -> Tensor:
        """Audio [B, T * 1920] in -1 to 1 for ``codes`` [B, 16, T], T <= MAX_FRAMES, of the sessions ``slots`` [B].

        ``positions`` [B]: how many frames each session has had before. A slot may occur only once in a step.
        """
        if codes.shape[2] > self.MAX_FRAMES:
            raise ValueError(f"{codes.shape[2]} frames in one step; at most {self.MAX_FRAMES}")
        x = self.pre_conv(self.quantizer(codes).transpose(1, 2), slots).transpose(1, 2)
        x = self.pre_transformer(x, slots, positions, self._ring).transpose(1, 2)
        for upsampling, convnext in self.upsample:
            x = convnext(upsampling(x, slots), slots)
        first, *blocks, activation, last = self.decoder
        x = first(x, slots)
        for block in blocks:
            x = block(x, slots)
        out: Tensor = last(activation(x), slots)
        return out.clamp(-1, 1)[:, 0]

    def feed(self, codes: Tensor, slot: int, position: int) -> None:
        """Run ``codes`` [16, N] of any length through a slot for their state only, from frame ``position`` on."""
        slots = torch.tensor([slot], device=codes.device)
        for start in range(0, codes.shape[1], self.MAX_FRAMES):
            part = codes[None, :, start : start + self.MAX_FRAMES]
            self.step(part, slots, torch.tensor([position + start], device=codes.device))

    def reset(self, slot: int) -> None:
        """Forget the session in ``slot``."""
        for part in self._parts(slot):
            part.zero_()

    def snapshot(self, slot: int) -> Tensor:
        """The state of ``slot`` as one vector, valid for any slot at the same position."""
        return torch.cat([part.reshape(-1) for part in self._parts(slot)])

    def restore(self, slot: int, snapshot: Tensor) -> None:
        """Put a state from ``snapshot`` into ``slot``."""
        parts = self._parts(slot)
        for part, values in zip(parts, snapshot.split([part.numel() for part in parts]), strict=True):
            part.copy_(values.view(part.shape))

    def _stateful(self) -> list[_Stateful]:
        return [module for module in self.modules() if isinstance(module, _Stateful) and module.context]

    def _parts(self, slot: int) -> list[Tensor]:
        """Everything that belongs to ``slot``, as views."""
        states = [module.state[slot] for module in self._stateful()]
        return [*states, self.pre_transformer.keys[:, slot], self.pre_transformer.values[:, slot]]
