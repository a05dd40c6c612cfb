"""A recorded voice as ``SynthesisRequest.material``: its vector, and its codes if what it says is known."""

from __future__ import annotations

import msgspec
import numpy as np
import torch

from saystream.engines.qwen3.config import CODEBOOKS
from saystream.engines.qwen3.reference import Reference
from saystream.errors import InvalidValue

__all__ = ["pack_reference", "unpack_reference"]


class _Material(msgspec.Struct, frozen=True, array_like=True):
    vector: bytes
    """float32, little-endian."""
    codes: bytes = b""
    """int16, little-endian, a row of 16 for each frame; empty without."""
    text: str = ""


def pack_reference(reference: Reference) -> bytes:
    codes = b""
    if reference.codes is not None:
        codes = reference.codes.cpu().numpy().astype("<i2").tobytes()
    vector = reference.x_vector.cpu().numpy().astype("<f4").tobytes()
    return msgspec.msgpack.encode(_Material(vector, codes, reference.text))


def unpack_reference(material: bytes, *, hidden: int, device: torch.device | str) -> Reference:
    """What ``pack_reference`` was given; ``hidden`` is the length of the vectors of the checkpoint.

    Raises InvalidValue for anything else, also for a voice enrolled with a checkpoint of another size.
    """
    try:
        kept = msgspec.msgpack.decode(material, type=_Material)
        vector = np.frombuffer(kept.vector, "<f4")
        codes = np.frombuffer(kept.codes, "<i2").reshape(-1, CODEBOOKS)
    except (msgspec.DecodeError, ValueError):
        raise InvalidValue("material", f"{len(material)} bytes", "what the engine has enrolled") from None
    if len(vector) != hidden:
        allowed = f"a voice of {hidden} numbers, enrolled with this checkpoint"
        raise InvalidValue("material", f"a voice of {len(vector)} numbers", allowed)
    x_vector = torch.as_tensor(vector.copy(), device=device)
    if not len(codes):
        return Reference(x_vector)
    return Reference(x_vector, torch.as_tensor(codes.astype(np.int64), device=device), kept.text)
