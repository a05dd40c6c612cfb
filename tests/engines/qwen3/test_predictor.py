"""The loop over the fifteen other codes of a frame."""

from __future__ import annotations

import torch
from torch import Tensor

from .conftest import ModelOf


def likeliest(logits: Tensor, group: int) -> Tensor:
    return logits.argmax(-1)


def frames(model_of: ModelOf, rows: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The talker's vectors, first codes, and what the predictor makes of them."""
    model = model_of("custom_voice")
    generator = torch.Generator().manual_seed(5)
    hidden = torch.randn(rows, model.config.talker.stack.hidden, generator=generator)
    first = torch.randint(0, 2048, (rows,), generator=generator)
    codes, summed = model.predictor(hidden, first, likeliest)
    return hidden, first, codes, summed


def test_the_loop_chooses_what_one_pass_over_its_own_choice_would(model_of: ModelOf) -> None:
    model = model_of("custom_voice")
    predictor = model.predictor
    hidden, first, codes, _ = frames(model_of, 3)
    vectors = [hidden, *(predictor.embedding(group, codes[:, group]) for group in range(15))]
    out = predictor.model.step(predictor.small_to_mtp_projection(torch.stack(vectors, 1)), 0)
    again = [predictor.lm_head[group - 1](out[:, group]).argmax(-1) for group in range(1, 16)]
    assert torch.equal(codes, torch.stack([first, *again], 1))


def test_rows_do_not_depend_on_each_other(model_of: ModelOf) -> None:
    hidden, first, codes, summed = frames(model_of, 4)
    alone, alone_summed = model_of("custom_voice").predictor(hidden[2:3], first[2:3], likeliest)
    assert torch.equal(alone[0], codes[2])
    torch.testing.assert_close(alone_summed[0], summed[2])


def test_the_sum_is_of_the_vectors_of_all_sixteen_codes(model_of: ModelOf) -> None:
    _, _, codes, summed = frames(model_of, 2)
    torch.testing.assert_close(model_of("custom_voice").frame_vectors(codes), summed)


def test_choices_are_asked_for_in_order_and_are_followed(model_of: ModelOf) -> None:
    model = model_of("custom_voice")
    asked = []

    def choose(logits: Tensor, group: int) -> Tensor:
        asked.append((group, tuple(logits.shape)))
        return torch.full((1,), 100 + group)

    codes, _ = model.predictor(torch.ones(1, 48), torch.tensor([7]), choose)
    assert asked == [(group, (1, 2048)) for group in range(1, 16)]
    assert codes.tolist() == [[7, *range(101, 116)]]
