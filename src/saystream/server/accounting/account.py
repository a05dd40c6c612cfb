"""The responses of one connection or request: measured, and accounted for once, no matter how they end."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import structlog

from saystream.server.accounting.metrics import Metrics, ResponseTimer
from saystream.server.accounting.usage import UsageRow
from saystream.server.web.request_ids import request_id
from saystream.speech.events import (
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    SegmentBegun,
    SegmentFailed,
)
from saystream.text.counting import billed_characters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from saystream.catalog.entries import Model
    from saystream.errors import SaystreamError
    from saystream.server.access.auth import Principal
    from saystream.server.accounting.usage import Outcome, UsageRecorder
    from saystream.speech.events import SpeechEvent

__all__ = ["ResponseAccount"]

_log = structlog.get_logger(__name__)


class ResponseAccount:
    """Reports each response to the metrics, and adds one usage row for it."""

    def __init__(self, recorder: UsageRecorder, metrics: Metrics, *, door: str, principal: Principal) -> None:
        """Create it in the task that serves the request."""
        self.request_id = request_id()
        self.timer = ResponseTimer(metrics)
        self._recorder = recorder
        self._door = door
        self._principal = principal
        self._open: tuple[str, Model, str] | None = None

    def open(self, id: str, model: Model, voice: str) -> None:
        """Begin a response."""
        self.timer.started()
        self._open = (id, model, voice)

    def follow(self, event: SegmentBegun | ResponseAudio | SegmentFailed | ResponseEnded) -> None:
        """Measure the open response. Only ``close`` closes it."""
        if isinstance(event, ResponseAudio):
            self.timer.audio_came(event)
        elif isinstance(event, SegmentFailed):
            self.timer.segment_failed(event)
        elif isinstance(event, ResponseEnded):
            self.timer.ended(event, characters=billed_characters(event.text))

    async def following(
        self, events: AsyncGenerator[SpeechEvent, None], *, model: Model, voice: str
    ) -> AsyncGenerator[SpeechEvent, None]:
        """Measures ``events`` on their way: those of a request's only response, whose text is complete."""
        self.timer.text_came()
        async with aclosing(events):
            async for event in events:
                if isinstance(event, ResponseStarted):
                    self.open(self.request_id, model, voice)
                else:
                    self.follow(event)
                yield event

    def close(self, text: str, outcome: Outcome, fault: SaystreamError | None = None) -> None:
        """End the open response and log it; does nothing if none is open."""
        if self._open is None:
            return
        id, model, voice = self._open
        self._open = None
        row = UsageRow.of(
            text,
            model,
            self._principal,
            id=id,
            request_id=self.request_id,
            door=self._door,
            voice=voice,
            audio_ms=self.timer.audio_ms,
            first_audio_ms=self.timer.first_audio_ms,
            outcome=outcome,
            error_code=None if fault is None else fault.code,
        )
        self._recorder.add(row)
        _log.info(
            "response ended",
            door=self._door,
            response_id=id,
            status=outcome,
            characters=row.characters,
            audio_ms=round(row.audio_ms),
        )
