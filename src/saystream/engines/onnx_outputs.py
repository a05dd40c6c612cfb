"""More outputs for a model in ONNX: values inside it, such as how long each symbol lasts. Pure."""

from __future__ import annotations

__all__ = ["with_output"]


def with_output(model: bytes, name: str) -> bytes:
    """``model``, the content of a file, with one more output, last: the value ``name``, shorter than 120 bytes, which
    one of its nodes computes. Where a message is there twice, protobuf joins its repeated fields, so it is enough to
    append a graph that has nothing but that output."""
    return model + _field(7, _field(12, _field(1, name.encode())))


def _field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message, shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content
