"""Reference audio for cloning: its codes by the Mimi encoder, and the vector of its voice. Always in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from saystream.engines.qwen3.config import CODEBOOKS, FRAME_SAMPLES, EncoderConfig, StackConfig
from saystream.engines.qwen3.layers import Attention, Rotary, attention_mask, grouped_attention

if TYPE_CHECKING:
    from saystream.audio import Samples
    from saystream.engines.qwen3.speaker import SpeakerEncoder

__all__ = ["MIN_SAMPLES", "MimiEncoder", "Reference", "read_reference"]

MIN_SAMPLES = 12_000
"""Half a second: in anything shorter, the networks' margins would be longer than the voice."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A voice to speak with. Small enough to keep: about 4 KiB, plus 1.6 KiB for each second with codes."""

    x_vector: Tensor
    """[H], float32."""
    codes: Tensor | None = None
    """[N, 16] long; None: only the vector of the voice is used."""
    text: str = ""
    """What is said in the codes; needed with them."""


class _Conv(nn.Module):
    """A convolution padded on the left, and on the right up to a whole stride, so that T becomes ceil(T / stride)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
        mode: str = "constant",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, dilation=dilation, bias=bias)
        self.left, self.stride, self.mode = (kernel - 1) * dilation + 1 - stride, stride, mode

    def forward(self, x: Tensor) -> Tensor:
        right = -x.shape[-1] % self.stride
        out: Tensor = self.conv(functional.pad(x, (self.left, right), mode=self.mode))
        return out


class _ResnetBlock(nn.Module):
    def __init__(self, config: EncoderConfig, channels: int, dilation: int) -> None:
        super().__init__()
        inner = channels // config.compress
        convs = (_Conv(channels, inner, config.residual_kernel, dilation=dilation), _Conv(inner, channels, 1))
        self.block = nn.ModuleList((nn.ELU(), convs[0], nn.ELU(), convs[1]))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for part in self.block:
            y = part(y)
        return x + y


class _Convolutions(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.filters
        parts: list[nn.Module] = [_Conv(1, width, config.kernel)]
        for rate in reversed(config.rates):
            dilations = (config.dilation_growth**index for index in range(config.residual_layers))
            parts += (_ResnetBlock(config, width, dilation) for dilation in dilations)
            parts += [nn.ELU(), _Conv(width, 2 * width, 2 * rate, stride=rate)]
            width *= 2
        parts += [nn.ELU(), _Conv(width, config.stack.hidden, config.last_kernel)]
        self.layers = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class _Scale(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))


class _Layer(nn.Module):
    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden, eps=config.norm_epsilon)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden, eps=config.norm_epsilon)
        self.self_attn = Attention(config, normed=False)
        self.mlp = nn.Module()
        self.mlp.fc1 = nn.Linear(config.hidden, config.feed_forward, bias=False)
        self.mlp.fc2 = nn.Linear(config.feed_forward, config.hidden, bias=False)
        self.self_attn_layer_scale, self.mlp_layer_scale = _Scale(config.hidden), _Scale(config.hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        q, k, v = self.self_attn.project(self.input_layernorm(x), cos, sin)
        attended = grouped_attention(q, k.transpose(1, 2), v.transpose(1, 2), mask)
        x = x + self.self_attn_layer_scale.scale * self.self_attn.o_proj(attended)
        forward = self.mlp.fc2(functional.gelu(self.mlp.fc1(self.post_attention_layernorm(x))))
        out: Tensor = x + self.mlp_layer_scale.scale * forward
        return out


class _Transformer(nn.Module):
    """Attention to everything before: with these kernels the published code ignores Mimi's window of 250."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.rotary = Rotary(config.head_size, config.rope_theta)

    def forward(self, x: Tensor) -> Tensor:
        at = torch.arange(x.shape[1], device=x.device)[None]
        cos, sin = self.rotary(at, x.dtype)
        mask = attention_mask(at <= at[..., None], self.config, x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return x


class _Codebook(nn.Module):
    def __init__(self, entries: int, size: int) -> None:
        super().__init__()
        self.register_buffer("initialized", torch.ones(1))
        self.register_buffer("cluster_usage", torch.ones(entries))
        self.register_buffer("embed_sum", torch.zeros(entries, size))

    def vectors(self) -> Tensor:
        out: Tensor = self.embed_sum / self.cluster_usage.clamp(min=1e-5)[:, None]
        return out


class _Quantizers(nn.Module):
    def __init__(self, config: EncoderConfig, count: int) -> None:
        super().__init__()
        self.input_proj = nn.Conv1d(config.stack.hidden, config.quantizer_hidden, 1, bias=False)
        self.output_proj = nn.Conv1d(config.quantizer_hidden, config.stack.hidden, 1, bias=False)
        self.layers = nn.ModuleList(nn.Module() for _ in range(count))
        for layer in self.layers:
            layer.codebook = _Codebook(config.codebook_entries, config.codebook_size)

    def encode(self, x: Tensor, count: int) -> list[Tensor]:
        """For each of the first ``count`` codebooks, the entry nearest to the remainder of those before, each [N]."""
        left = self.input_proj(x)[0].T
        codes = []
        for layer in list(self.layers)[:count]:
            vectors = layer.codebook.vectors()
            code = torch.cdist(left[None], vectors[None])[0].argmin(-1)
            left = left - vectors[code]
            codes.append(code)
        return codes


class MimiEncoder(nn.Module):
    """Audio to the codes that the decoder reads: the encoder half of Mimi (arXiv 2410.00037)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        hidden = config.stack.hidden
        self.encoder = _Convolutions(config)
        self.encoder_transformer = _Transformer(config.stack)
        self.downsample = _Conv(hidden, hidden, 4, stride=2, bias=False, mode="replicate")
        self.quantizer = nn.Module()
        self.quantizer.semantic_residual_vector_quantizer = _Quantizers(config, 1)
        self.quantizer.acoustic_residual_vector_quantizer = _Quantizers(config, config.quantizers - 1)

    def forward(self, samples: Tensor) -> Tensor:
        """Codes [ceil(num_samples / 1920), 16] of float32 mono audio [num_samples] at 24 kHz."""
        x = self.encoder_transformer(self.encoder(samples[None, None]).transpose(1, 2)).transpose(1, 2)
        x = self.downsample(x)
        codes = self.quantizer.semantic_residual_vector_quantizer.encode(x, 1)
        codes += self.quantizer.acoustic_residual_vector_quantizer.encode(x, CODEBOOKS - 1)
        return torch.stack(codes, 1)[: -(-samples.shape[0] // FRAME_SAMPLES)]


def read_reference(
    samples: Samples, text: str, speaker: SpeakerEncoder, encoder: MimiEncoder | None
) -> Reference:
    """A voice from float32 mono audio at 24 kHz; with ``encoder`` and the ``text`` that is said, its codes as well.

    Raises ValueError for less than half a second.
    """
    if len(samples) < MIN_SAMPLES:
        raise ValueError(f"reference audio has {len(samples)} samples; at least {MIN_SAMPLES} are needed")
    audio = torch.as_tensor(samples, dtype=torch.float32, device=speaker.fc.weight.device)
    with torch.inference_mode():
        x_vector = speaker(audio)
        codes = encoder(audio) if encoder is not None and text.strip() else None
    return Reference(x_vector, codes, text.strip() if codes is not None else "")
