"""The codec's decoder as a stream. That its audio is the package's is in ``test_parity.py``."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from saystream.engines.qwen3.codec import StreamingCodec

from .cases import random_codes
from .conftest import ModelOf

CODES = torch.as_tensor(random_codes(40))


@pytest.fixture
def codec(model_of: ModelOf) -> StreamingCodec:
    codec = model_of("custom_voice").codec
    for slot in range(4):
        codec.reset(slot)
    return codec


def decode(codec: StreamingCodec, codes: Tensor, slot: int, *, start: int = 0, frames: int = 1) -> Tensor:
    """Audio of ``codes`` [16, N] in steps of ``frames``, the first of them being the session's frame ``start``."""
    slots = torch.tensor([slot])
    return torch.cat(
        [
            codec.step(codes[None, :, at : at + frames], slots, torch.tensor([start + at]))[0]
            for at in range(0, codes.shape[1], frames)
        ]
    )


def test_a_frame_is_80_ms_of_audio(codec: StreamingCodec) -> None:
    assert decode(codec, CODES[:, :3], 0, frames=3).shape == (3 * 1920,)


@pytest.mark.parametrize("frames", [1, 2, 7, 25])
def test_audio_does_not_depend_on_the_steps_it_is_made_in(codec: StreamingCodec, frames: int) -> None:
    alone = decode(codec, CODES, 0, frames=1)
    torch.testing.assert_close(decode(codec, CODES, 1, frames=frames), alone, atol=1e-4, rtol=0)


def test_sessions_of_one_step_do_not_hear_each_other(codec: StreamingCodec) -> None:
    other = CODES.flip(1)
    alone = decode(codec, CODES, 0), decode(codec, other, 1)
    codec.reset(2)
    codec.reset(3)
    decode(codec, other[:, :5], 3)  # ahead by five frames
    slots = torch.tensor([2, 3])
    together = []
    for at in range(20):
        codes = torch.stack((CODES[:, at : at + 1], other[:, at + 5 : at + 6]))
        together.append(codec.step(codes, slots, torch.tensor([at, at + 5])))
    audio = torch.cat(together, 1)
    torch.testing.assert_close(audio[0], alone[0][: 20 * 1920], atol=1e-4, rtol=0)
    torch.testing.assert_close(audio[1], alone[1][5 * 1920 : 25 * 1920], atol=1e-4, rtol=0)


def test_a_slot_that_was_reset_is_as_new(codec: StreamingCodec) -> None:
    new = decode(codec, CODES[:, :5], 0)
    decode(codec, CODES, 1)
    codec.reset(1)
    assert torch.equal(decode(codec, CODES[:, :5], 1), new)


def test_a_snapshot_goes_on_in_any_slot(codec: StreamingCodec) -> None:
    codec.feed(CODES[:, :30], 0, 0)
    snapshot = codec.snapshot(0)
    expected = decode(codec, CODES[:, 30:], 0, start=30)
    decode(codec, CODES.flip(1), 3)  # what the slot was used for before
    codec.restore(3, snapshot)
    assert torch.equal(decode(codec, CODES[:, 30:], 3, start=30), expected)


def test_a_snapshot_is_not_changed_by_what_follows(codec: StreamingCodec) -> None:
    codec.feed(CODES[:, :5], 0, 0)
    snapshot = codec.snapshot(0)
    before = snapshot.clone()
    decode(codec, CODES[:, 5:], 0, start=5)
    assert torch.equal(snapshot, before)


def test_feeding_a_reference_of_any_length_leaves_the_state_of_its_steps(codec: StreamingCodec) -> None:
    whole = decode(codec, torch.cat((CODES, CODES), 1), 0)
    codec.feed(CODES, 1, 0)  # forty frames: two steps
    torch.testing.assert_close(decode(codec, CODES, 1, start=40), whole[40 * 1920 :], atol=1e-4, rtol=0)


def test_more_frames_than_a_step_may_have_are_refused(codec: StreamingCodec) -> None:
    with pytest.raises(ValueError, match="at most 25"):
        decode(codec, CODES, 0, frames=26)
