"""One listener's session: text goes in by methods that never wait, speech comes out of ``events()``."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

from saystream.dsp.chain import Chain, EncodedAudio
from saystream.errors import EngineFault, ServerFault, TextTooLong
from saystream.speech.events import (
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    SegmentBegun,
    SegmentFailed,
    SpeechConfig,
    SpeechEvent,
)
from saystream.speech.manners import Interludes
from saystream.speech.pace import Pace
from saystream.speech.parts import is_audible, length, url_of, with_joined_text
from saystream.speech.response import LifeState, SpeechResponse
from saystream.speech.services import StreamOpener
from saystream.speech.startup import held_back
from saystream.text.inline_pauses import InlinePauses
from saystream.text.pauses import pause_after_ms
from saystream.text.rewriting import Rewritten
from saystream.text.script import Manner, Passage, Pause, Sound
from saystream.text.segmenter import Segmenter, is_speakable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from saystream.audio import AudioChunk
    from saystream.hosting.front import StreamHandle
    from saystream.speech.response import Opened
    from saystream.speech.services import SpeechServices
    from saystream.text.script import Part

__all__ = ["SynthesisSession"]

_PREFETCHED_STREAMS = 1
"""Segments given to an engine beyond the one that is being sent: enough to play on without a gap."""

_MAX_SILENT_FAULTS = 3
"""Segments in a row that may fail without a sound: then the next ones would, too."""


class SynthesisSession:
    """One session: text goes in by methods that never wait, speech comes out of ``events()``.

    Belongs to one event loop, whose clock it uses. The owner calls ``aclose()`` when the listener is gone.
    """

    def __init__(
        self, services: SpeechServices, config: SpeechConfig, *, ends_at_fault: bool = False
    ) -> None:
        """``ends_at_fault``: speech with a gap is of no use, so the first fault of an engine ends the session."""
        self._settings = services.settings
        self._config = config
        self._pace = Pace()
        self._opener = StreamOpener(services, config, self._pace.playback)
        self.sounds: dict[str, AudioChunk] = {}
        """What parts name by a URL: their owner puts it here before it pushes them."""
        self._inline = InlinePauses() if services.settings.inline_pauses else None
        self._buffer: list[str | Part] = []
        """``commit`` mode: what has not been committed."""
        self._responses: deque[SpeechResponse] = deque()
        """In order; with ``server_commit`` the last one may still take text and may have nothing to say yet."""
        self._speaking: SpeechResponse | None = None
        """The first of them, once its ``ResponseStarted`` has been sent."""
        self._idle_timer: asyncio.TimerHandle | None = None
        self._finishing = False
        self._ends_at_fault = ends_at_fault
        self._silent_faults = 0
        """Segments that have failed without a sound since something was heard."""

    # --- text in ---------------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether something is being spoken or will be, even if nothing more is requested."""
        return any(response.speakable for response in self._responses)

    @property
    def text_joins(self) -> bool:
        """Whether text that is pushed now joins the response that is being spoken."""
        return self._speaking is not None and not self._speaking.closed

    @property
    def spoken_text(self) -> str:
        """Text of the response being spoken that was given to engines; for counting, never for logs."""
        return "" if self._speaking is None else "".join(self._speaking.spoken_text)

    @property
    def waiting_characters(self) -> int:
        """Text that no engine speaks yet."""
        held = 0 if self._inline is None else len(self._inline.held)
        return (
            held
            + sum(map(length, self._buffer))
            + sum(response.waiting_characters for response in self._responses)
        )

    def configure(self, config: SpeechConfig) -> None:
        """Change the configuration, which is possible before the first ``ResponseStarted``; text already pushed is
        kept."""
        parts = [*(part for response in self._responses for part in response.parts), *self._buffer]
        self.close()
        self._buffer.clear()
        self._config = config
        self._opener.configure(config)
        for part in with_joined_text(parts):
            self._take(part)

    def push(self, part: str | Part) -> None:
        """Add text, or a passage with its own manner and pronunciations, a pause or a sound.

        Text may hold pauses, if the settings say so; a passage is taken as it is. Raises, and adds nothing: TextTooLong
        if too much is already waiting, KeyError for a URL without its sound in ``sounds``, ServerFault if an engine
        that takes text uncut refuses it.
        """
        limit, waiting = self._settings.limits.max_buffered_characters, self.waiting_characters
        if waiting + length(part) > limit:
            raise TextTooLong(
                f"{length(part)} characters do not fit: {waiting} of at most {limit} are already waiting to be spoken."
                " Send more when some of it has been spoken, or cancel the response.",
                param="text",
            )
        if (url := url_of(part)) is not None:
            self.sounds[url]
        if not isinstance(part, str) or self._inline is None:
            self._take(part)
            return
        held = self._inline.held
        try:
            for each in self._inline.push(part):
                self._take(each)
        except ServerFault:
            self._inline.held = held
            raise

    def commit(self) -> None:
        """Speak everything that was pushed, as the rest of the open response or as one of its own.

        Does nothing if there is nothing to hear in it. Raises ServerFault, and changes nothing, if an engine that takes
        text uncut refuses it.
        """
        self._take_held()
        if not self._config.server_commit:
            if any(map(is_audible, self._buffer)):
                self._add_whole(self._buffer)
                self._buffer.clear()
        elif (response := self._open_response()) is not None:
            if response.speakable:
                response.close()
            else:
                self._responses.pop()
            self._pace.wake()

    def flush(self) -> None:
        """``server_commit``: speak everything that was pushed. The response stays open."""
        self._take_held()
        if (response := self._open_response()) is not None and response.speakable:
            response.flush(self._pace.now_ms())
            self._restart_idle_timer(response)
            self._pace.wake()

    def clear(self) -> None:
        """Drop text that is not yet being spoken. Committed text stays."""
        self._buffer.clear()
        self._drop_held()
        response = self._open_response()
        if response is not None and response is self._speaking:
            response.drop_unspoken()
        elif response is not None:
            response.stop()
            self._responses.pop()

    def cancel(self, *, fades_out: bool = True) -> None:
        """End at once the response that is being spoken, or comes next, and drop its text.

        With ``fades_out`` a few milliseconds of sound that was ready follow, so that it ends without a click: only for
        a listener who has received, or will receive, all that was sent before.
        """
        response = next((response for response in self._responses if not response.cancelled), None)
        if response is None:
            return
        if response is self._open_response():
            self._drop_held()
        response.cancel(fades_out=fades_out)
        if response is self._speaking:
            self._pace.interrupted()
        self._pace.wake()

    def finish(self) -> None:
        """No more text comes: speak the rest, then ``events()`` ends."""
        self.commit()
        self._finishing = True
        self._pace.wake()

    def close(self) -> None:
        """Free the engines at once: the listener is gone, and ``events()`` is no longer read."""
        for response in self._responses:
            response.stop()
        self._responses.clear()
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    # --- speech out ------------------------------------------------------------------------------------------------

    async def events(self) -> AsyncGenerator[SpeechEvent, None]:
        """What happens, in order, one response after another. Ends after ``finish()`` or a response that says so."""
        while (response := await self._next_response()) is not None:
            self._speaking = response
            response.parts.clear()
            yield ResponseStarted()
            audio_ms = 0.0
            fault: ServerFault | None = None
            ends_session = False
            try:
                async with aclosing(self._speak(response)) as speech:
                    async for event in speech:
                        if isinstance(event, ResponseAudio):
                            audio_ms += event.duration_ms
                        elif isinstance(event, SegmentFailed):
                            fault = event.fault
                        yield event
            except ServerFault as raised:
                fault, ends_session = raised, True
            response.stop()
            self._responses.popleft()
            self._speaking = None
            yield _ended(response, audio_ms, fault, ends_session=ends_session)
            if ends_session:
                return

    async def _next_response(self) -> SpeechResponse | None:
        while True:
            response = self._responses[0] if self._responses else None
            if response is None and self._finishing:
                return None
            if response is not None and response.can_begin():
                return response
            await self._wait_for_text(None if response is None else self._pace.cut_at_ms(response))

    async def _speak(
        self, response: SpeechResponse
    ) -> AsyncGenerator[SegmentBegun | ResponseAudio | SegmentFailed, None]:
        realtime = self._settings.realtime
        chain = Chain(
            self._config.audio_format,
            effects=self._config.effects,
            first_delta_ms=realtime.first_delta_ms,
            delta_ms=realtime.delta_ms,
        )
        has_begun = False
        interludes = Interludes(chain, self._config.effects, self.sounds)
        try:
            async with (
                aclosing(self._made(response, chain, interludes)) as made,
                aclosing(held_back(made, lambda held_ms: self._pace.hold_ms(response, held_ms))) as heard,
            ):
                async for made_next in heard:
                    if response.cancelled:
                        break
                    if isinstance(made_next, EncodedAudio):
                        has_begun = True
                        yield self._pace.sent(made_next)
                    else:
                        yield made_next
                    if response.cancelled:
                        break
        except ServerFault:
            for delta in chain.cut_off():
                yield self._pace.sent(delta)
            raise
        if response.state is LifeState.FADING and has_begun:
            for delta in chain.cut_off():
                yield self._pace.sent(delta)
            self._pace.silenced()

    async def _made(
        self, response: SpeechResponse, chain: Chain, interludes: Interludes
    ) -> AsyncGenerator[EncodedAudio | SegmentBegun | SegmentFailed, None]:
        """What the engines and ``chain`` make of a response, up to its end or a cancel."""
        while (opened := await self._next_opened(response)) is not None:
            if isinstance(opened.content, Pause | Sound):
                for begun in response.begun():
                    yield begun
                for delta in interludes.put(opened.content):
                    yield delta
                response.first_sent()
            else:
                for delta in interludes.change(opened.manner):
                    yield delta
                async with aclosing(self._said(response, opened.content, chain, fed=opened.fed)) as said:
                    async for event in said:
                        yield event
            if response.waits_for_text():
                for delta in chain.release():
                    yield delta
        if not response.cancelled:
            for delta in chain.flush():
                yield delta

    async def _said(
        self, response: SpeechResponse, stream: StreamHandle, chain: Chain, *, fed: bool
    ) -> AsyncGenerator[EncodedAudio | SegmentBegun | SegmentFailed, None]:
        """What ``chain`` makes of the first stream of a response."""
        heard = False
        try:
            async for chunk in stream:
                self._silent_faults = 0
                self._prefetch(response)
                self._restart_idle_timer(response)
                if fed or not heard:
                    for begun in response.begun():
                        yield begun
                heard = True
                for delta in chain.push(chunk):
                    yield delta
            text = response.first_sent()
        except EngineFault as fault:
            self._go_on_after(fault, heard=heard)
            start = response.first_start()
            text = response.first_failed(heard=heard)
            yield SegmentFailed(fault, start, start + len(text.rstrip()))
        for begun in response.begun_before_next():
            yield begun
        chain.end_segment(pause_after_ms(text))

    def _go_on_after(self, fault: EngineFault, *, heard: bool) -> None:
        """Raises ``fault`` if there is no use in speaking the next segment."""
        if not heard:
            self._silent_faults += 1
        if self._ends_at_fault or self._silent_faults >= _MAX_SILENT_FAULTS:
            raise fault

    async def _next_opened(self, response: SpeechResponse) -> Opened | None:
        """What to send next, or ``None`` when all of the response has been sent."""
        idle_at_ms = self._pace.now_ms() + self._settings.realtime.response_idle_ms
        while not response.cancelled:
            if response.opened:
                return response.opened[0]
            if response.has_segment():
                response.open_next()
            elif response.closed:
                return None
            elif (cut_at_ms := self._pace.cut_at_ms(response)) is not None:
                await self._wait_for_text(cut_at_ms)
            elif self._config.one_response:
                await self._wait_for_text(None)
            elif self._pace.now_ms() < idle_at_ms:
                await self._wait_for_text(idle_at_ms)
            else:
                response.close()
        return None

    def _prefetch(self, response: SpeechResponse) -> None:
        """Give the next segment to an engine while this one is sent, even if it starts the next response."""
        following, ahead = response, len(response.streams) - 1
        if response.closed and not response.has_segment() and len(self._responses) > 1:
            following = self._responses[1]
            ahead += len(following.streams)
        if ahead < _PREFETCHED_STREAMS and following.can_begin() and following.has_segment():
            try:
                while following.next_is_between():
                    following.open_next()
                if following.has_segment():
                    following.open_next()
            except ServerFault:
                return  # it keeps its place, and is tried again when its turn comes

    # --- waiting for text ------------------------------------------------------------------------------------------

    async def _wait_for_text(self, deadline_ms: float | None) -> None:
        if not await self._pace.wait(deadline_ms) and (response := self._open_response()) is not None:
            response.poll(self._pace.now_ms())
        self._pace.silenced_if_dry()

    def _restart_idle_timer(self, response: SpeechResponse) -> None:
        """A fed response ends like any other when nothing has come in or gone out for a while."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if response.is_fed and not self._config.one_response:
            delay_s = self._settings.realtime.response_idle_ms / 1000
            self._idle_timer = asyncio.get_running_loop().call_later(delay_s, response.close)

    # --- text to responses -----------------------------------------------------------------------------------------

    def _take(self, part: str | Part) -> None:
        if self._config.server_commit:
            self._add_to_open_response(part)
        else:
            self._buffer.append(part)

    def _take_held(self) -> None:
        """What might have been a tag is text: nothing more comes."""
        if self._inline is not None and (text := self._inline.flush()):
            self._take(text)

    def _drop_held(self) -> None:
        if self._inline is not None:
            self._inline.flush()

    def _open_response(self) -> SpeechResponse | None:
        """The response that text can still join."""
        return self._responses[-1] if self._responses and not self._responses[-1].closed else None

    def _new_response(self) -> SpeechResponse:
        segmenter = Segmenter(**self._settings.segmenter.model_dump(), language_of=self._opener.language.of)
        return SpeechResponse(segmenter, self._opener.open)

    def _add_to_open_response(self, part: str | Part) -> None:
        present = self._open_response()
        response = present or self._new_response()
        self._add(response, part)
        self._restart_idle_timer(response)
        if response is not self._speaking:
            response.parts.append(part)
        if present is None:
            self._responses.append(response)  # not before: an engine may have refused its text
        self._pace.wake()

    def _add_whole(self, parts: Iterable[str | Part]) -> None:
        """Add a response of its own, with all that it says known."""
        response = self._new_response()
        for part in with_joined_text(parts):
            self._add(response, part)
            response.parts.append(part)
        response.close()
        self._responses.append(response)
        self._pace.wake()

    def _add(self, response: SpeechResponse, part: str | Part) -> None:
        if isinstance(part, Pause | Sound):
            response.add_between(part, self._pace.now_ms())
            return
        passage = part if isinstance(part, Passage) else Passage(Rewritten.of(part))
        text, can_be_fed = passage.text.text, passage.manner == Manner()
        begins = not response.speakable and is_speakable(text)
        if can_be_fed and (response.is_fed or (begins and self._opener.takes_text_uncut(text))):
            response.feed(text, passage.pronunciations)
            return
        if response.is_fed:
            response.part()
        response.add(text, self._pace.now_ms(), manner=passage.manner, pronunciations=passage.pronunciations)


def _ended(
    response: SpeechResponse, audio_ms: float, fault: ServerFault | None, *, ends_session: bool
) -> ResponseEnded:
    status: Literal["completed", "cancelled", "failed"] = "completed"
    if fault is not None:
        status = "failed"
    elif response.cancelled:
        status = "cancelled"
    return ResponseEnded(status, "".join(response.spoken_text), audio_ms, fault, ends_session)
