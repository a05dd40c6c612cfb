"""The slots of one model on its device, and the two operations on them: start sessions, and step them.

Every step has the shapes of its bucket: rows that only fill it up belong to a slot that no session owns. Within a step
nothing is read back to the host; its results are copied to the host once, at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from saystream.engines.qwen3.config import CODEBOOKS, FRAME_SAMPLES
from saystream.engines.qwen3.graphs import Capture, Graphs, no_capture
from saystream.engines.qwen3.sampling import Sampling, SamplingRows, gumbel, penalize, pick

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from saystream.audio import Samples
    from saystream.engines.qwen3.model import Qwen3Model

__all__ = ["MIN_FRAMES", "Buckets", "Runner", "Start", "StepResult", "StepRow"]

MIN_FRAMES = 2
"""The reference's ``min_new_tokens``: the model may not end earlier."""

_PROMPT_BUCKET = 16
"""Prompts are padded to a multiple of this many rows."""

_NO_SPEECH_FROM = 2048
"""Codes of the first codebook from here on are not audio: of them only the end is ever drawn."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """The shapes of steps."""

    batch: tuple[int, ...]
    """Numbers of rows, ascending; the last is that of all slots."""
    length: tuple[int, ...]
    """Numbers of positions attended to, ascending; the last is that of all positions."""

    @classmethod
    def doubling(cls, num_slots: int, max_positions: int) -> Buckets:
        """1, 2, 4… rows and 256, 512… positions: few enough to record each of them."""
        return cls(_doubling(1, num_slots), _doubling(256, max_positions))

    @classmethod
    def fine(cls, num_slots: int, max_positions: int) -> Buckets:
        """Every number of rows, and positions in steps of 64: for devices where padding costs as much as work."""
        lengths = (*range(64, max_positions, 64), max_positions)
        return cls(tuple(range(1, num_slots + 1)), lengths)


def _doubling(first: int, last: int) -> tuple[int, ...]:
    sizes = []
    while first < last:
        sizes.append(first)
        first *= 2
    return (*sizes, last)


def _fitting(buckets: Sequence[int], size: int) -> int:
    return next(bucket for bucket in buckets if bucket >= size)


@dataclass(frozen=True, slots=True)
class Start:
    """A session to start."""

    slot: int
    prompt: Tensor
    """(rows, hidden), complete."""
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class StepRow:
    """A session that gets a frame."""

    slot: int
    position: int
    """Rows in its cache."""
    codec_position: int
    """Frames that its codec has had, including those of its reference."""
    frame: int
    """Frames that it has given."""
    text_id: int


@dataclass(frozen=True, slots=True)
class StepResult:
    """What each row gave, in the order of the rows."""

    codes: NDArray[np.int64]
    """(rows, 16)."""
    samples: list[Samples]
    """80 ms of each."""
    ended: list[bool]
    """The model says that this frame was the last."""


class _Buffers:
    """What a step of one bucket reads and writes, and where it is copied on the host."""

    def __init__(
        self, rows: int, hidden: int, dtype: torch.dtype, device: torch.device, scratch: int
    ) -> None:
        pinned = device.type == "cuda"
        self.host_inputs = torch.zeros(5, rows, dtype=torch.int64, pin_memory=pinned)
        self.host_inputs[0] = scratch
        self.inputs = self.host_inputs.to(device)
        self.summed = torch.zeros(rows, hidden, dtype=dtype, device=device)
        self.codes = torch.zeros(rows, CODEBOOKS + 1, dtype=torch.int64, device=device)
        """Those of the frame, then the first of the next."""
        self.samples = torch.zeros(rows, FRAME_SAMPLES, device=device)
        self.host_codes = torch.zeros(rows, CODEBOOKS + 1, dtype=torch.int64, pin_memory=pinned)
        self.host_samples = torch.zeros(rows, FRAME_SAMPLES, pin_memory=pinned)


class Runner:
    """Owns the caches of a loaded model. One thread uses it."""

    def __init__(
        self,
        model: Qwen3Model,
        *,
        num_slots: int,
        max_positions: int,
        buckets: Buckets,
        max_top_k: int,
        filters_top_p: bool = False,
        capture: Capture = no_capture,
    ) -> None:
        """Allocates what ``num_slots`` sessions of ``max_positions`` rows need. ``max_top_k`` and ``filters_top_p``
        limit what their sampling may ask for."""
        self.model = model
        self.max_positions = max_positions
        self._buckets = buckets
        model.allocate(slots=num_slots, max_positions=max_positions)
        self._scratch = model.scratch_slot
        num_rows = num_slots + 1
        self._device, self._dtype = model.device, model.talker.model.dtype
        self._hidden_size = model.config.talker.stack.hidden
        codes = model.config.talker.codec_vocabulary
        self._hidden = torch.zeros(num_rows, self._hidden_size, dtype=self._dtype, device=self._device)
        """From the last talker step."""
        self._code = torch.zeros(num_rows, dtype=torch.int64, device=self._device)
        """The first code of the next frame."""
        self._seen = torch.zeros(num_rows, codes, dtype=torch.bool, device=self._device)
        self._sampling = SamplingRows(
            num_rows, self._device, max_top_k=max_top_k, filters_top_p=filters_top_p
        )
        self._true = torch.ones((), dtype=torch.bool, device=self._device)
        numbers = torch.arange(codes, device=self._device)
        self._codebooks = numbers[:CODEBOOKS]
        self._is_end = numbers == model.config.talker.eos
        self._banned = (numbers >= _NO_SPEECH_FROM) & ~self._is_end
        self._end = model.config.talker.eos
        self._graphs = Graphs(capture)
        self._buffers: dict[int, _Buffers] = {}

    @property
    def num_recorded(self) -> int:
        """Graphs from which steps are replayed."""
        return len(self._graphs)

    @torch.inference_mode()
    def record(self) -> None:
        """Record the steps of all buckets. Before the first session: it writes into the slot that no session owns."""
        for rows in self._buckets.batch:
            buffers = self._buffers_of(rows)
            self._graphs.record(("sound", rows), partial(self._sound, buffers))
            for length in self._buckets.length:
                self._graphs.record(("talk", rows, length), partial(self._talk, buffers, length))

    # --- sessions --------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def start(self, starts: Sequence[Start]) -> None:
        """Put complete prompts into their slots. The caller resets or restores the codec of each slot."""
        for start in starts:
            self._sampling.put(start.slot, start.sampling)
            self._seen[start.slot] = False
        longest = max(len(start.prompt) for start in starts)
        rows = min(-(-longest // _PROMPT_BUCKET) * _PROMPT_BUCKET, self.max_positions)
        prompts = torch.zeros(len(starts), rows, self._hidden_size, dtype=self._dtype, device=self._device)
        for prompt, start in zip(prompts, starts, strict=True):
            prompt[: len(start.prompt)] = start.prompt
        slots = torch.tensor([start.slot for start in starts], device=self._device)
        last = torch.tensor([len(start.prompt) - 1 for start in starts], device=self._device)
        length = _fitting(self._buckets.length, rows)
        hidden = self.model.talker(prompts, slots, torch.zeros_like(slots), length)
        hidden = hidden[torch.arange(len(starts), device=self._device), last]
        self._keep(hidden, slots, torch.zeros_like(slots))

    @torch.inference_mode()
    def step(self, rows: Sequence[StepRow]) -> StepResult:
        """One frame for each row, and the talker's step that follows it."""
        buffers = self._buffers_of(_fitting(self._buckets.batch, len(rows)))
        self._fill(buffers, rows)
        length = _fitting(self._buckets.length, max(row.position for row in rows) + 1)
        size = len(buffers.inputs[0])
        self._graphs.run(("sound", size), partial(self._sound, buffers))
        buffers.host_samples.copy_(buffers.samples, non_blocking=True)
        self._graphs.run(("talk", size, length), partial(self._talk, buffers, length))
        buffers.host_codes.copy_(buffers.codes, non_blocking=True)
        if self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()
        codes = buffers.host_codes[: len(rows)].numpy()
        samples = buffers.host_samples[: len(rows)].numpy().copy()
        return StepResult(
            codes=codes[:, :CODEBOOKS].copy(),
            samples=list(samples),
            ended=(codes[:, CODEBOOKS] == self._end).tolist(),
        )

    def _buffers_of(self, rows: int) -> _Buffers:
        if rows not in self._buffers:
            self._buffers[rows] = _Buffers(rows, self._hidden_size, self._dtype, self._device, self._scratch)
        return self._buffers[rows]

    def _fill(self, buffers: _Buffers, rows: Sequence[StepRow]) -> None:
        inputs = buffers.host_inputs.numpy()
        inputs[:] = 0
        inputs[0] = self._scratch
        for index, row in enumerate(rows):
            inputs[:, index] = row.slot, row.position, row.codec_position, row.frame, row.text_id
        buffers.inputs.copy_(buffers.host_inputs, non_blocking=True)

    # --- what is recorded ------------------------------------------------------------------------------------------

    def _sound(self, buffers: _Buffers) -> None:
        """The other fifteen codes of a frame, and its sound."""
        slots, _, codec_positions, frames, _ = buffers.inputs
        num_codes = self.model.config.predictor.vocabulary
        noise = gumbel(self._sampling.keys[slots], frames, self._codebooks[1:], num_codes)

        def choose(logits: Tensor, group: int) -> Tensor:
            return pick(logits, self._sampling, slots, noise[:, group - 1])

        codes, summed = self.model.predictor(self._hidden[slots], self._code[slots], choose)
        samples = self.model.codec.step(codes[:, :, None], slots, codec_positions)
        buffers.codes[:, :CODEBOOKS].copy_(codes)
        buffers.summed.copy_(summed)
        buffers.samples.copy_(samples)

    def _talk(self, buffers: _Buffers, length: int) -> None:
        """The talker's step on that frame and the next text, and the first code of the next frame."""
        slots, positions, _, frames, text_ids = buffers.inputs
        vectors = buffers.summed + self.model.text_vectors(text_ids)
        hidden = self.model.talker(vectors[:, None], slots, positions, length)[:, 0]
        self._seen.index_put_((slots, buffers.codes[:, 0]), self._true)
        self._keep(hidden, slots, frames + 1)
        buffers.codes[:, CODEBOOKS].copy_(self._code[slots])

    def _keep(self, hidden: Tensor, slots: Tensor, frames: Tensor) -> None:
        """The talker's output for the frame of that number, and its first code."""
        logits = self.model.talker.logits(hidden).float()
        logits = penalize(logits, self._seen[slots], self._sampling.repetition_penalty[slots])
        too_early = (frames < MIN_FRAMES)[:, None] & self._is_end
        logits = logits.masked_fill(self._banned | too_early, -torch.inf)
        noise = gumbel(self._sampling.keys[slots], frames, self._codebooks[:1], logits.shape[-1])
        code = pick(logits, self._sampling, slots, noise[:, 0])
        self._hidden.index_copy_(0, slots, hidden)
        self._code.index_copy_(0, slots, code)
