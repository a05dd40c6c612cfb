"""The events of one response: those that open it, its audio, and those that close it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import UNSET

from saystream.audio import Mark
from saystream.protocol.realtime.codec import DeltaFrames
from saystream.protocol.realtime.events import (
    AudioDone,
    ContentPart,
    ContentPartAdded,
    ContentPartDone,
    Item,
    OutputItemAdded,
    OutputItemDone,
    Response,
    ResponseCreated,
    ResponseDone,
    ResponseStatus,
    ServerEvent,
    WordTimes,
)
from saystream.protocol.usage import Usage
from saystream.protocol.word_times import word_times

__all__ = ["OpenResponse"]


class OpenResponse:
    """What the events of one response have in common."""

    def __init__(self, *, response_id: str, item_id: str, voice: str, committed: bool) -> None:
        self.id = response_id
        self.item_id = item_id
        self.voice = voice
        self.committed = committed
        """It takes no more text: later text belongs to the next response."""
        self.deltas = DeltaFrames(response_id=response_id, item_id=item_id)

    def opening(self, new_event_id: Callable[[], str]) -> Iterator[ServerEvent]:
        body = Response(id=self.id, status="in_progress", voice=self.voice)
        yield ResponseCreated(event_id=new_event_id(), response=body)
        yield OutputItemAdded(event_id=new_event_id(), response_id=self.id, item=self._item("in_progress"))
        yield ContentPartAdded(
            event_id=new_event_id(), response_id=self.id, item_id=self.item_id, part=ContentPart(text="")
        )

    def words(self, event_id: str, marks: Sequence[Mark]) -> WordTimes:
        """When the words of ``marks`` sound."""
        return WordTimes(
            event_id=event_id, response_id=self.id, item_id=self.item_id, words=word_times(marks)
        )

    def closing(
        self, new_event_id: Callable[[], str], status: ResponseStatus, usage: Usage | None
    ) -> Iterator[ServerEvent]:
        """``usage`` is left out of ``response.done`` if nothing was counted."""
        item_status: ResponseStatus = "completed" if status == "completed" else "incomplete"
        yield AudioDone(event_id=new_event_id(), response_id=self.id, item_id=self.item_id)
        yield ContentPartDone(
            event_id=new_event_id(), response_id=self.id, item_id=self.item_id, part=ContentPart(text="")
        )
        yield OutputItemDone(
            event_id=new_event_id(),
            response_id=self.id,
            item=self._item(item_status, ContentPart(text="")),
        )
        done = Response(
            id=self.id,
            status=status,
            modalities=("text", "audio"),
            voice=self.voice,
            output=(self._item(item_status, ContentPart(transcript="")),),
            usage=UNSET if usage is None else usage,
        )
        yield ResponseDone(event_id=new_event_id(), response=done)

    def _item(self, status: ResponseStatus, *content: ContentPart) -> Item:
        return Item(id=self.item_id, status=status, content=content)
