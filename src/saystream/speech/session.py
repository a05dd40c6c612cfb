"""One listener's session: text goes in by methods that never wait, speech comes out of ``events()``."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from saystream.dsp.chain import Chain, EncodedAudio
from saystream.errors import EngineFault, EngineOutputInvalid, EngineUnavailable, ServerFault
from saystream.speech.events import (
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    SegmentBegun,
    SegmentFailed,
    SpeechConfig,
    SpeechEvent,
)
from saystream.speech.inbox import Inbox
from saystream.speech.manners import Interludes
from saystream.speech.pace import Pace
from saystream.speech.response import LifeState, SpeechResponse
from saystream.speech.services import StreamOpener
from saystream.speech.startup import held_back
from saystream.text.pauses import pause_after_ms
from saystream.text.script import Pause, Sound
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

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
        self._inbox = Inbox(services.settings, config, self._opener, self._pace)
        self.sounds = self._inbox.sounds
        """What parts name by a URL: their owner puts it here before it pushes them."""
        self._finishing = False
        self._ends_at_fault = ends_at_fault
        self._silent_faults = 0
        """Segments that have failed without a sound since something was heard."""

    # --- text in ---------------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether something is being spoken or will be, even if nothing more is requested."""
        return any(response.speakable for response in self._inbox.responses)

    @property
    def text_joins(self) -> bool:
        """Whether text that is pushed now joins the response that is being spoken."""
        return self._inbox.speaking is not None and not self._inbox.speaking.closed

    @property
    def spoken_text(self) -> str:
        """Text of the response being spoken that was given to engines; for counting, never for logs."""
        return "" if self._inbox.speaking is None else "".join(self._inbox.speaking.spoken_text)

    @property
    def waiting_characters(self) -> int:
        """Text that no engine speaks yet."""
        return self._inbox.waiting_characters

    def configure(self, config: SpeechConfig) -> None:
        """Change the configuration, which is possible before the first ``ResponseStarted``; text already pushed is
        kept."""
        self._config = config
        self._inbox.configure(config)

    def push(self, part: str | Part) -> None:
        """Add text, or a passage with its own manner and pronunciations, a pause or a sound.

        Text may hold pauses, if the settings say so; a passage is taken as it is. Raises, and adds nothing: TextTooLong
        if too much is already waiting, KeyError for a URL without its sound in ``sounds``, ServerFault if an engine
        that takes text uncut refuses it.
        """
        self._inbox.push(part)

    def commit(self) -> None:
        """Speak everything that was pushed, as the rest of the open response or as one of its own.

        Does nothing if there is nothing to hear in it. Raises ServerFault, and changes nothing, if an engine that takes
        text uncut refuses it.
        """
        self._inbox.commit()

    def flush(self) -> None:
        """``server_commit``: speak everything that was pushed. The response stays open."""
        self._inbox.flush()

    def clear(self) -> None:
        """Drop text that is not yet being spoken. Committed text stays."""
        self._inbox.clear()

    def cancel(self, *, fades_out: bool = True) -> None:
        """End at once the response that is being spoken, or comes next, and drop its text.

        With ``fades_out`` a few milliseconds of sound that was ready follow, so that it ends without a click: only for
        a listener who has received, or will receive, all that was sent before.
        """
        response = next((response for response in self._inbox.responses if not response.cancelled), None)
        if response is None:
            return
        if response is self._inbox.open_response():
            self._inbox.drop_held()
        response.cancel(fades_out=fades_out)
        if response is self._inbox.speaking:
            self._pace.interrupted()
        self._pace.wake()

    def finish(self) -> None:
        """No more text comes: speak the rest, then ``events()`` ends."""
        self.commit()
        self._finishing = True
        self._pace.wake()

    def close(self) -> None:
        """Free the engines at once: the listener is gone, and ``events()`` is no longer read."""
        self._inbox.close()

    # --- speech out ------------------------------------------------------------------------------------------------

    async def events(self) -> AsyncGenerator[SpeechEvent, None]:
        """What happens, in order, one response after another. Ends after ``finish()`` or a response that says so."""
        while (response := await self._next_response()) is not None:
            self._inbox.speaking = response
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
            self._inbox.responses.popleft()
            self._inbox.speaking = None
            yield _ended(response, audio_ms, fault, ends_session=ends_session)
            if ends_session:
                return

    async def _next_response(self) -> SpeechResponse | None:
        while True:
            response = self._inbox.responses[0] if self._inbox.responses else None
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
                        yield self._as_written(response, self._pace.sent(made_next))
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

    @staticmethod
    def _as_written(response: SpeechResponse, audio: ResponseAudio) -> ResponseAudio:
        """``audio`` whose marks have their places in the text as it was pushed."""
        if not audio.marks or response.plain is None:
            return audio
        return replace(audio, marks=tuple(map(response.plain.written, audio.marks)))

    async def _made(
        self, response: SpeechResponse, chain: Chain, interludes: Interludes
    ) -> AsyncGenerator[EncodedAudio | SegmentBegun | SegmentFailed, None]:
        """What the engines and ``chain`` make of a response, up to its end or a cancel."""
        while (opened := await self._next_opened(response)) is not None:
            if isinstance(opened, SegmentFailed):
                yield opened
            elif isinstance(opened.content, Pause | Sound):
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
                self._inbox.restart_idle_timer(response)
                if fed or not heard:
                    for begun in response.begun():
                        yield begun
                heard = True
                for delta in chain.push(chunk):
                    yield delta
            if not heard and is_speakable(response.first_text()):
                raise EngineOutputInvalid("The engine gave no sound for a text that has something to speak.")
            text = response.first_sent()
        except EngineFault as fault:
            self._go_on_after(fault, heard=heard)
            start = response.first_start()
            text = response.first_failed(heard=heard)
            yield SegmentFailed(fault, start, start + len(text.rstrip()))
        for begun in response.begun_before_next():
            yield begun
        chain.end_segment(pause_after_ms(text) * self._opener.instructions.pauses)

    def _go_on_after(self, fault: ServerFault, *, heard: bool) -> None:
        """Raises ``fault`` if there is no use in speaking the next segment."""
        if not heard:
            self._silent_faults += 1
        if self._ends_at_fault or self._silent_faults >= _MAX_SILENT_FAULTS:
            raise fault

    async def _next_opened(self, response: SpeechResponse) -> Opened | SegmentFailed | None:
        """What to send next, or ``None`` when all of the response has been sent."""
        idle_at_ms = self._pace.now_ms() + self._settings.realtime.response_idle_ms
        while not response.cancelled:
            if response.opened:
                return response.opened[0]
            if response.has_segment():
                try:
                    response.open_next()
                except EngineUnavailable as fault:
                    self._go_on_after(fault, heard=False)
                    return SegmentFailed(fault, *response.skip_next())
            elif response.closed:
                return None
            elif (cut_at_ms := self._pace.cut_at_ms(response)) is not None:
                await self._wait_for_text(cut_at_ms)
            elif self._config.one_response:
                await self._wait_for_text(None)
            elif self._pace.now_ms() < idle_at_ms:
                await self._wait_for_text(idle_at_ms)
            else:
                self._inbox.end(response)
        return None

    def _prefetch(self, response: SpeechResponse) -> None:
        """Give the next segment to an engine while this one is sent, even if it starts the next response."""
        following, ahead = response, len(response.streams) - 1
        if response.closed and not response.has_segment() and len(self._inbox.responses) > 1:
            following = self._inbox.responses[1]
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
        if not await self._pace.wait(deadline_ms) and (response := self._inbox.open_response()) is not None:
            response.poll(self._pace.now_ms())
        self._pace.silenced_if_dry()


def _ended(
    response: SpeechResponse, audio_ms: float, fault: ServerFault | None, *, ends_session: bool
) -> ResponseEnded:
    status: Literal["completed", "cancelled", "failed"] = "completed"
    if fault is not None:
        status = "failed"
    elif response.cancelled:
        status = "cancelled"
    # What failed without a sound is not billed.
    text = "".join(response.spoken_text) if audio_ms or fault is None else ""
    return ResponseEnded(status, text, audio_ms, fault, ends_session)
