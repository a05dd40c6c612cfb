"""The clock of one session: what its listener still has to hear, and how long to wait for text."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from saystream.hosting.playback import Playback
from saystream.speech.events import ResponseAudio
from saystream.speech.startup import hold_ms

if TYPE_CHECKING:
    from saystream.dsp.chain import EncodedAudio
    from saystream.speech.response import SpeechResponse

__all__ = ["Pace"]

_DRY_MARGIN_MS = 300.0
"""An incomplete sentence is spoken this long before the listener runs out of sound."""


class Pace:
    """Belongs to one event loop, whose clock it uses: monotonic milliseconds."""

    def __init__(self) -> None:
        self.playback = Playback(self.now_ms())
        self._has_sound = False
        """The listener hears something, or should: from now on we are late if there is a gap."""
        self._wake = asyncio.Event()

    def now_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000

    def sent(self, delta: EncodedAudio) -> ResponseAudio:
        """``delta`` goes to the listener now."""
        now_ms = self.now_ms()
        late_ms = max(0.0, -self.playback.lead_ms(now_ms)) if self._has_sound else 0.0
        self.playback.audio_sent(delta.duration_ms, now_ms)
        self._has_sound = True
        return ResponseAudio(delta.encoded, delta.duration_ms, late_ms, delta.marks)

    def interrupted(self) -> None:
        """The listener hears nothing more of what was sent."""
        self.playback.interrupted(self.now_ms())
        self._has_sound = False

    def silenced(self) -> None:
        """Silence from now on is not our lateness."""
        self._has_sound = False

    def hold_ms(self, response: SpeechResponse, held_ms: float) -> float:
        """How much longer to hold back the first sound of a response (``startup``)."""
        if response.cancelled:
            return 0.0
        now_ms = self.now_ms()
        return hold_ms(held_ms + max(0.0, self.playback.lead_ms(now_ms)), response.forecasts(now_ms))

    def cut_at_ms(self, response: SpeechResponse) -> float | None:
        """When to speak waiting text although its sentence is not complete.

        Not before its maximum wait, and not while the listener still has sound: a whole sentence sounds better.
        """
        deadline_ms = response.deadline_ms()
        if deadline_ms is None or not self._has_sound:
            return deadline_ms
        return max(deadline_ms, self.playback.runs_dry_at_ms - _DRY_MARGIN_MS)

    def wake(self) -> None:
        """Something has changed for whoever waits."""
        self._wake.set()

    async def wait(self, deadline_ms: float | None) -> bool:
        """Wait for ``wake``. False if ``deadline_ms`` came first."""
        self._wake.clear()
        try:
            async with asyncio.timeout_at(None if deadline_ms is None else deadline_ms / 1000):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    def silenced_if_dry(self) -> None:
        """Silence because no text came is not our lateness."""
        if self.playback.lead_ms(self.now_ms()) < 0:
            self._has_sound = False
