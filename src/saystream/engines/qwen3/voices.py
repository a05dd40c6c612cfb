"""What a voice needs before its first frame: made once, kept while it is used, within a bound of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

__all__ = ["Sized", "VoiceCache"]


class Sized(Protocol):
    @property
    def num_bytes(self) -> int: ...


_Voice = TypeVar("_Voice", bound=Sized)


class VoiceCache(Generic[_Voice]):
    """The voices used last, up to ``max_bytes`` of them. One thread uses it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._voices: OrderedDict[Hashable, _Voice] = OrderedDict()
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._voices)

    def get(self, key: Hashable, make: Callable[[], _Voice]) -> _Voice:
        """The voice kept under ``key``, else what ``make`` gives. One larger than the bound is given and not kept."""
        if (kept := self._voices.get(key)) is not None:
            self._voices.move_to_end(key)
            return kept
        voice = make()
        if voice.num_bytes <= self._max_bytes:
            self._voices[key] = voice
            self.num_bytes += voice.num_bytes
            while self.num_bytes > self._max_bytes:
                _, oldest = self._voices.popitem(last=False)
                self.num_bytes -= oldest.num_bytes
        return voice
