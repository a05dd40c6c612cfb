"""A loop whose every turn a test does itself, and which notes the codes of each stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from saystream.engines.base import Span
from saystream.engines.qwen3.checkpoint import load_checkpoint
from saystream.engines.qwen3.loop import LoopLimits, SpeechLoop
from saystream.engines.qwen3.model import Qwen3Model
from saystream.engines.qwen3.prompt import Layout, Prompt
from saystream.engines.qwen3.runner import Buckets, Runner, StepResult, StepRow
from saystream.engines.qwen3.sampling import Sampling
from saystream.engines.qwen3.speech import SpeechStream
from saystream.engines.qwen3.voices import PreparedVoice

WORDS = "hello world the quick brown fox speech. 你好世界 今天天气，你好。 Numbers 123!".split(" ")


class Loop:
    """A model with a loop of its own around it."""

    def __init__(
        self,
        model: Qwen3Model,
        *,
        num_slots: int = 8,
        max_positions: int = 384,
        padded: bool = False,
        **limits: int,
    ) -> None:
        buckets = Buckets.doubling if padded else Buckets.fine
        self.model = model
        self.runner = Runner(
            model,
            num_slots=num_slots,
            max_positions=max_positions,
            buckets=buckets(num_slots, max_positions),
            max_top_k=50,
        )
        self.broken: list[BaseException] = []
        wanted = LoopLimits(**{"max_unread_frames": 100_000, **limits})
        self.loop = SpeechLoop(self.runner, num_slots=num_slots, limits=wanted, on_broken=self.broken.append)
        self.codes: dict[SpeechStream, list[list[int]]] = defaultdict(list)
        self._step = self.runner.step
        self.runner.step = self._noting_step

    def _noting_step(self, rows: Sequence[StepRow]) -> StepResult:
        owners = {take.slot: session.speech.stream for take, session in self.loop._by_take.items()}
        result = self._step(rows)
        for row, codes in zip(rows, result.codes, strict=True):
            self.codes[owners[row.slot]].append(codes.tolist())
        return result

    def open(
        self,
        *,
        speaker: str = "vivian",
        seed: int = 0,
        greedy: bool = False,
        layout: Layout = Layout.STREAMING,
        make_prompt: Callable[[], Prompt] | None = None,
    ) -> SpeechStream:
        def speaker_prompt() -> Prompt:
            return self.model.prompts.custom_voice(speaker, language="en", layout=layout)

        def make() -> PreparedVoice:
            with torch.inference_mode():
                prompt = (make_prompt or speaker_prompt)()
            return PreparedVoice(self.model, prompt)

        return self.loop.open(make, Sampling(seed=seed, greedy=greedy))

    def settle(self) -> int:
        """Turn until there is nothing to do; how many turns it took."""
        turns = 0
        while self.loop.turn():
            turns += 1
            assert turns < 20_000, "it never settles"
        return turns

    def say(self, text: str, **voice: object) -> SpeechStream:
        """A stream that has spoken ``text`` to its end."""
        stream = self.open(**voice)  # type: ignore[arg-type]
        stream.push(Span(text))
        stream.end_input()
        self.settle()
        return stream


def heard(stream: SpeechStream) -> np.ndarray:
    """All audio of a stream that has ended."""
    return np.concatenate([*(chunk.samples for chunk in stream.chunks()), np.zeros(0, np.float32)])


def loaded(checkpoints: Path, name: str = "custom_voice", **options: object) -> Qwen3Model:
    """A model of a test's own: loops may not share caches."""
    return load_checkpoint(checkpoints / name, **options)
