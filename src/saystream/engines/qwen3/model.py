"""One checkpoint in memory: what the loop calls (listed in the package's docstring)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from saystream.engines.qwen3.codec import StreamingCodec
from saystream.engines.qwen3.config import CODEBOOKS, Config
from saystream.engines.qwen3.predictor import Predictor
from saystream.engines.qwen3.prompt import PromptBuilder
from saystream.engines.qwen3.reference import MimiEncoder, Reference, read_reference
from saystream.engines.qwen3.speaker import SpeakerEncoder
from saystream.engines.qwen3.talker import Talker
from saystream.engines.qwen3.tokens import Tokens

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["Qwen3Model"]


class Qwen3Model(nn.Module):
    """The networks of one checkpoint, its tokenizer and its prompts. Created by ``checkpoint.load_checkpoint``."""

    def __init__(self, config: Config, tokens: Tokens) -> None:
        super().__init__()
        self.config, self.tokens = config, tokens
        hidden = config.talker.stack.hidden
        self.talker = Talker(config.talker)
        self.predictor = Predictor(config.predictor, self.talker.codec_embedding, hidden)
        self.codec = StreamingCodec(config.codec)
        self.speaker_encoder = SpeakerEncoder(config.speaker) if config.speaker is not None else None
        self.reference_encoder = MimiEncoder(config.encoder) if config.speaker is not None else None
        self.slots = self.max_positions = 0

    @property
    def device(self) -> torch.device:
        return self.talker.codec_head.weight.device

    @property
    def scratch_slot(self) -> int:
        """A slot besides those of sessions, for rows that only fill up a batch."""
        return self.slots

    def prepare(self) -> None:
        """Compute what depends on the weights only; called once by the loader."""
        self.codec.prepare()
        ids = torch.tensor([self.config.tts_pad, self.config.tts_eos], device=self.device)
        self.pad_vector, self.eos_vector = self.text_vectors(ids)
        self.pad_id, self.eos_id = self.config.tts_pad, self.config.tts_eos
        self.prompts = PromptBuilder(
            self.config,
            self.tokens,
            self.text_vectors,
            self.frame_vectors,
            self.talker.codec_embedding,
            self.device,
        )

    def allocate(self, slots: int, max_positions: int) -> None:
        """Create the caches of ``slots`` sessions (and the scratch slot); the talker's hold ``max_positions`` each."""
        self.slots, self.max_positions = slots, max_positions
        self.talker.model.allocate(slots + 1, max_positions)
        self.predictor.allocate(slots + 1)
        self.codec.allocate(slots + 1)

    def text_vectors(self, ids: Tensor) -> Tensor:
        """Vectors of text ids, [T] -> [T, H]."""
        return self.talker.text_vectors(ids)

    def frame_vectors(self, codes: Tensor) -> Tensor:
        """Vectors of whole frames, [N, 16] -> [N, H]: the sum of their codes' vectors."""
        vectors = self.predictor.embedding(0, codes[:, 0])
        for group in range(1, CODEBOOKS):
            vectors = vectors + self.predictor.embedding(group, codes[:, group])
        return vectors

    def reference(self, samples: Samples, text: str = "") -> Reference:
        """A voice to clone from float32 mono audio at 24 kHz; with the ``text`` that it says, by continuing it.

        Raises ValueError if the checkpoint is not Base or the audio is shorter than half a second.
        """
        if self.speaker_encoder is None:
            raise ValueError(f"a {self.config.kind} checkpoint clones no voices; Base does")
        return read_reference(samples, text, self.speaker_encoder, self.reference_encoder)
