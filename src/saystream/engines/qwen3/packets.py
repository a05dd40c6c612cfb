"""How many frames of one stream are sent together: few at first, so that audio begins at once, then more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["Packetizer"]


class Packetizer:
    """Joins the frames of one stream into packets of 1, 1, 2, 4… frames, up to ``max_frames``.

    The first frame is sent alone; so is the second, because a listener who has only 80 ms must not wait longer than
    that for more. Every later packet is as long as all before it, which the listener is still hearing.
    """

    def __init__(self, max_frames: int) -> None:
        if max_frames < 1:
            raise ValueError(f"max_frames is {max_frames}; a packet holds at least 1 frame")
        self._max_frames = max_frames
        self._frames: list[Samples] = []
        self._sent_frames = 0

    @property
    def next_frames(self) -> int:
        """Frames in the next packet."""
        return min(max(1, self._sent_frames), self._max_frames)

    def push(self, frame: Samples) -> Samples | None:
        """The next packet, if ``frame`` completes it."""
        self._frames.append(frame)
        return self.flush() if len(self._frames) >= self.next_frames else None

    def flush(self) -> Samples | None:
        """The frames so far, however few: no more will come for a while, or at all."""
        if not self._frames:
            return None
        packet = np.concatenate(self._frames)
        self._sent_frames += len(self._frames)
        self._frames.clear()
        return packet
