"""How a door closes a WebSocket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Close"]

_MAX_REASON_BYTES: Final = 123
"""The most that a WebSocket close frame carries (RFC 6455, section 5.5)."""


@dataclass(frozen=True, slots=True)
class Close:
    code: int
    reason: str

    @classmethod
    def fitting(cls, code: int, reason: str) -> Close:
        """With as much of ``reason`` as a close frame carries: its first sentence, if all of it is too long.

        The error event that comes before it has the full message.
        """
        encoded = reason.encode()
        if len(encoded) > _MAX_REASON_BYTES:
            encoded = reason.partition(". ")[0].encode()[:_MAX_REASON_BYTES]
        return cls(code, encoded.decode(errors="ignore"))
