"""Recorded voices as bytes."""

from __future__ import annotations

import pytest
import torch

from saystream.engines.qwen3.material import pack_reference, unpack_reference
from saystream.engines.qwen3.reference import Reference
from saystream.errors import InvalidValue

VECTOR = torch.linspace(-1, 1, 8)
CODES = torch.arange(48).reshape(3, 16)


def test_a_voice_is_the_same_when_it_is_read_again() -> None:
    read = unpack_reference(pack_reference(Reference(VECTOR, CODES, "hello")), hidden=8, device="cpu")
    assert torch.equal(read.x_vector, VECTOR)
    assert read.codes is not None and torch.equal(read.codes, CODES)
    assert read.text == "hello"


def test_a_voice_without_a_transcript_has_no_codes() -> None:
    read = unpack_reference(pack_reference(Reference(VECTOR)), hidden=8, device="cpu")
    assert read.codes is None and read.text == ""


@pytest.mark.parametrize(
    ("material", "said"),
    [
        (b"220 Hz", "6 bytes"),
        (pack_reference(Reference(VECTOR, CODES, "hello"))[:-20], "bytes"),
        (pack_reference(Reference(torch.zeros(4))), "a voice of 4 numbers"),
    ],
)
def test_what_was_not_enrolled_here_is_refused(material: bytes, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        unpack_reference(material, hidden=8, device="cpu")
