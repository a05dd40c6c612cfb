"""The vector of a voice: an ECAPA-TDNN over the mel spectrogram of reference audio (arXiv 2005.07143). Base only."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from saystream.engines.qwen3.config import SAMPLE_RATE, SpeakerConfig

__all__ = ["SpeakerEncoder", "mel_spectrogram"]

_FFT, _HOP = 1024, 256


def _mel(hertz: float) -> float:
    """Slaney's scale: linear below 1 kHz, logarithmic above."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


@functools.cache
def _filters(mels: int) -> Tensor:
    """Triangles of equal area over the bins of the transform, [mels, bins]."""
    top = _mel(SAMPLE_RATE / 2)
    points = torch.linspace(0, top, mels + 2, dtype=torch.float64)
    corners = torch.where(points < 15, points * 200 / 3, 1000 * torch.exp((points - 15) * math.log(6.4) / 27))
    bins = torch.linspace(0, SAMPLE_RATE / 2, _FFT // 2 + 1, dtype=torch.float64)
    slopes = bins - corners[:, None]
    widths = corners.diff()[:, None]
    rising, falling = slopes[:-2] / widths[:-1], -slopes[2:] / widths[1:]
    areas = 2 / (corners[2:] - corners[:-2])
    return (torch.minimum(rising, falling).clamp(min=0) * areas[:, None]).float()


def mel_spectrogram(samples: Tensor, mels: int) -> Tensor:
    """Logarithmic mel spectrogram [T, mels] of mono audio [num_samples] at 24 kHz; a frame every 256 samples."""
    margin = (_FFT - _HOP) // 2
    padded = functional.pad(samples[None, None], (margin, margin), mode="reflect")[0]
    window = torch.hann_window(_FFT, device=samples.device)
    spectrum = torch.stft(padded, _FFT, _HOP, window=window, center=False, return_complex=True)
    power = torch.view_as_real(spectrum).square().sum(-1)
    levels = _filters(mels).to(samples.device) @ torch.sqrt(power + 1e-9)
    return levels.clamp(min=1e-5).log()[0].T


def _conv(inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> nn.Conv1d:
    return nn.Conv1d(inputs, outputs, kernel, dilation=dilation, padding="same", padding_mode="reflect")


class _TimeDelay(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = _conv(inputs, outputs, kernel, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x))


class _Res2Net(nn.Module):
    def __init__(self, channels: int, scale: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.scale = scale
        width = channels // scale
        self.blocks = nn.ModuleList(_TimeDelay(width, width, kernel, dilation) for _ in range(scale - 1))

    def forward(self, x: Tensor) -> Tensor:
        first, *parts = x.chunk(self.scale, 1)
        done = [first]
        for index, (block, part) in enumerate(zip(self.blocks, parts, strict=True)):
            done.append(block(part if index == 0 else part + done[-1]))
        return torch.cat(done, 1)


class _Squeeze(nn.Module):
    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv(channels, inner), _conv(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        gates = torch.sigmoid(self.conv2(functional.relu(self.conv1(x.mean(2, keepdim=True)))))
        return x * gates


class _Block(nn.Module):
    def __init__(self, config: SpeakerConfig, index: int) -> None:
        super().__init__()
        inputs, outputs = config.channels[index - 1], config.channels[index]
        self.tdnn1, self.tdnn2 = _TimeDelay(inputs, outputs), _TimeDelay(outputs, outputs)
        self.res2net_block = _Res2Net(outputs, config.scale, config.kernels[index], config.dilations[index])
        self.se_block = _Squeeze(outputs, config.squeeze_channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(x))))
        return out


class _Pooling(nn.Module):
    """Mean and deviation over time, weighted by attention."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.tdnn = _TimeDelay(3 * channels, inner)
        self.conv = _conv(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        even = torch.full_like(x, 1 / x.shape[2])
        overall = _moments(x, even).expand(-1, -1, x.shape[2])
        weights = self.conv(torch.tanh(self.tdnn(torch.cat((x, overall), 1)))).softmax(2)
        return _moments(x, weights)


def _moments(x: Tensor, weights: Tensor) -> Tensor:
    mean = (weights * x).sum(2, keepdim=True)
    variance = (weights * (x - mean).square()).sum(2, keepdim=True)
    return torch.cat((mean, variance.clamp(min=1e-12).sqrt()), 1)


class SpeakerEncoder(nn.Module):
    """Reference audio to the vector of its voice."""

    def __init__(self, config: SpeakerConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        first = _TimeDelay(config.mels, channels[0], config.kernels[0], config.dilations[0])
        blocks = (_Block(config, index) for index in range(1, len(channels) - 1))
        self.blocks = nn.ModuleList((first, *blocks))
        self.mfa = _TimeDelay(channels[-1], channels[-1], config.kernels[-1], config.dilations[-1])
        self.asp = _Pooling(channels[-1], config.attention_channels)
        self.fc = _conv(2 * channels[-1], config.size)

    def forward(self, samples: Tensor) -> Tensor:
        """The vector [size] of float32 mono audio [num_samples] at 24 kHz."""
        x = mel_spectrogram(samples, self.config.mels).T[None]
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        pooled = self.asp(self.mfa(torch.cat(outputs[1:], 1)))
        vector: Tensor = self.fc(pooled)[0, :, 0]
        return vector
