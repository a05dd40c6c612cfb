"""Speech without chance, one session by itself: the loop of the published package in its plainest form."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from saystream.engines.qwen3.model import Qwen3Model
from saystream.engines.qwen3.prompt import Layout, Prompt

from .conftest import POSITIONS


@dataclass
class Spoken:
    rows: Tensor
    """What the talker was given before the first frame, [P, H]."""
    codes: Tensor
    """[frames, 16]."""
    audio: Tensor = field(repr=False)


def speak(model: Qwen3Model, prompt: Prompt, ids: list[int], *, frames: int, slot: int = 0) -> Spoken:
    """The likeliest code at each step, with the package's penalty on repetition and its least length of two."""
    if prompt.layout is Layout.WHOLE:
        prompt, queue = prompt.with_text(ids), []
    else:
        queue = [*prompt.text_ids, *ids, model.eos_id]
    padding = [model.pad_id] * (len(prompt.forced) + frames)
    texts = model.text_vectors(torch.tensor(queue + padding))
    rows = torch.cat((prompt.prefix, prompt.forced + texts[: len(prompt.forced)]))
    texts = texts[len(prompt.forced) :]
    slots, position, heard = torch.tensor([slot]), len(rows), 0
    model.codec.reset(slot)
    if prompt.codes is not None:
        heard = len(prompt.codes)
        model.codec.feed(prompt.codes.T, slot, 0)
    hidden = model.talker(rows[None], slots, torch.tensor([0]), POSITIONS)[:, -1]
    codes: list[Tensor] = []
    audio: list[Tensor] = []
    while len(codes) < frames:
        first = _likeliest(model, hidden, codes)
        if first == model.config.talker.eos:
            break
        frame, summed = model.predictor(hidden, first, lambda logits, group: logits.argmax(-1))
        audio.append(model.codec.step(frame[:, :, None], slots, torch.tensor([heard + len(codes)]))[0])
        vector = summed + texts[len(codes)]
        hidden = model.talker(vector[:, None], slots, torch.tensor([position + len(codes)]), POSITIONS)[:, -1]
        codes.append(frame[0])
    return Spoken(rows, torch.stack(codes), torch.cat(audio))


def _likeliest(model: Qwen3Model, hidden: Tensor, codes: list[Tensor]) -> Tensor:
    talker = model.config.talker
    logits = model.talker.logits(hidden)[0].clone()
    for code in {int(frame[0]) for frame in codes}:
        logits[code] = logits[code] / 1.05 if logits[code] > 0 else logits[code] * 1.05
    end = logits[talker.eos].clone()
    logits[talker.codec_vocabulary - 1024 :] = -torch.inf
    if len(codes) >= 2:
        logits[talker.eos] = end
    return logits.argmax()[None]
