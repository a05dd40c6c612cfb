"""One realtime connection: moves frames between a WebSocket, the protocol core and the spine.

Three tasks serve a connection. The reader receives events and acts on them at once: it never waits for synthesis or
for the peer to read. The speaker takes audio from the spine, and waits while the outbox is full. The sender sends
what is in the outbox.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from secrets import token_hex
from typing import TYPE_CHECKING, Any, assert_never

import structlog
from starlette.websockets import WebSocketDisconnect

from saystream.dsp.encoders import settled
from saystream.errors import (
    Draining,
    InvalidRequest,
    LimitReached,
    ModelNotFound,
    SaystreamError,
    ServerFault,
    TextTooLong,
)
from saystream.protocol.realtime.events import (
    ClientEvent,
    ResponseCancel,
    SessionFinish,
    SessionUpdate,
    TextAppend,
    TextClear,
    TextCommit,
)
from saystream.protocol.realtime.server import ServerConnection
from saystream.protocol.realtime.session_config import SessionConfig
from saystream.protocol.realtime.state import SessionState
from saystream.server.accounting.billing import bill
from saystream.server.transport.websocket import REFUSAL
from saystream.server.web.outbox import Outbox
from saystream.speech.events import (
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    SegmentBegun,
    SegmentFailed,
    SpeechConfig,
    SpeechEvent,
)
from saystream.text.counting import billed_characters
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Message
    from starlette.websockets import WebSocket

    from saystream.audio import AudioFormat
    from saystream.server.access.room import Place
    from saystream.server.accounting.account import ResponseAccount
    from saystream.server.accounting.usage import Outcome
    from saystream.server.doors.base import Services
    from saystream.speech.session import SynthesisSession

__all__ = ["Connection"]

_EVENTS_BEFORE_YIELD = 16
"""Events that arrived in one read are handled without waiting; after this many, other tasks get a turn."""

_REFUSAL_LINGER_S = 0.5
"""The official SDK checks every 100 ms whether it is connected: if it were refused and closed at once, it would wait
for its timeout of 5 s, although it was told why."""

_log = structlog.get_logger(__name__)


def _new_id(prefix: str) -> str:
    """Ids look like the documented ones: a prefix and about 21 characters."""
    return f"{prefix}_{token_hex(11)}"


class Connection:
    """One connection of the realtime door, from its accepted handshake to its close."""

    def __init__(
        self,
        services: Services,
        websocket: WebSocket,
        place: Place,
        model: str,
        account: ResponseAccount,
    ) -> None:
        """``model`` is the one in its URL; empty if there is none."""
        self._services = services
        self._websocket = websocket
        self._place = place
        self._expelled: InvalidRequest | None = None
        self._settings = services.settings.realtime
        self._model = model
        limits = services.settings.limits
        self._core = ServerConnection(
            model=self._model,
            config=SessionConfig(voice=self._default_voice()),
            new_id=_new_id,
            check=self._check,
            max_frame_bytes=limits.max_frame_bytes,
            max_consecutive_errors=limits.max_consecutive_errors,
            max_pending_responses=limits.max_pending_responses,
            is_speakable=is_speakable,
        )
        self._outbox = Outbox(
            high_bytes=self._settings.outbox_high_bytes, low_bytes=self._settings.outbox_low_bytes
        )
        self._session: SynthesisSession | None = None
        self._session_started = asyncio.Event()
        self._response_id = ""
        self._draining = False
        self._last_active_s = time.monotonic()
        self._account = account

    # --- life ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        try:
            await self._websocket.accept()
        except (OSError, WebSocketDisconnect):
            _log.info("peer gone")
            return
        self._open()
        with structlog.contextvars.bound_contextvars(session=self._core.session_id, model=self._model):
            _log.info("session opened")
            try:
                async with asyncio.TaskGroup() as tasks:
                    reader = tasks.create_task(self._answering_for(self._read()))
                    speaker = tasks.create_task(self._answering_for(self._speak()))
                    await self._send()
                    reader.cancel()
                    speaker.cancel()
            except* WebSocketDisconnect:
                _log.info("peer gone")
            finally:
                try:
                    self._break_off("cancelled")
                finally:
                    if self._session is not None:
                        self._session.close()
            _log.info("session closed")

    async def _answering_for(self, task: Coroutine[Any, Any, None]) -> None:
        """Run ``task``; a bug of ours must not leave the peer without an answer."""
        try:
            await task
        except WebSocketDisconnect:
            raise
        except Exception:
            _log.exception("connection failed")
            self.fail(ServerFault("a server error; the log has the details"))

    def drain(self) -> None:
        """Close once nothing is left to be spoken."""
        self._draining = True
        self._close_if_drained()

    def cut_off(self) -> None:
        """Close at once, giving the reason."""
        self.fail(Draining("the server is shutting down"))

    def expel(self, why: InvalidRequest) -> None:
        """Take no more text and begin no new response; close once the open one has ended."""
        self._expelled = why
        self._close_if_expelled()

    def _close_if_expelled(self) -> None:
        if self._expelled is not None and not self._core.response_open:
            self.fail(self._expelled)

    def _close_if_drained(self) -> None:
        if not self._draining or self._core.close is not None:
            return
        reason = Draining("the server is shutting down")
        if self._core.state is SessionState.FINISHED:
            self._core.shut(Draining.close_code, reason.message)
            self._flush()
        elif self._core.state is not SessionState.FINISHING and not self._is_speaking():
            self.fail(reason)

    def _is_speaking(self) -> bool:
        return self._core.response_open or (self._session is not None and self._session.has_work)

    def fail(self, fault: SaystreamError) -> None:
        """Report what went wrong, then close."""
        self._break_off("failed", fault)
        self._core.fail(fault)
        self._flush()

    def _break_off(self, outcome: Outcome, fault: SaystreamError | None = None) -> None:
        """Account for the response that is being spoken, if any, as ended here."""
        if self._session is not None:
            self._account.close(self._session.spoken_text, outcome, fault)

    def _open(self) -> None:
        # A refused handshake would reach users of the official SDK only as a time-out, so a bad model is answered
        # inside the connection (ruling 6).
        try:
            self._services.catalog.model(self._model, door="realtime")
        except ModelNotFound as error:
            self._core.fail(error)
        else:
            if self._core.close is None:  # it may have been cut off meanwhile
                self._core.open()
        self._flush()

    def _default_voice(self) -> str:
        try:
            return self._services.catalog.default_voice(self._model)
        except ModelNotFound:
            return ""  # the connection is about to be refused

    def _flush(self, *, audio_of: str = "") -> None:
        self._outbox.put(self._core.frames_to_send(), audio_of=audio_of)
        if self._core.close is not None:
            self._outbox.close()

    # --- the sender ------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while (frame := await self._outbox.take()) is not None:
            await self._websocket.send_text(frame)
        assert self._core.close is not None  # only a close ends the outbox
        if not self._core.session_id:
            await asyncio.sleep(_REFUSAL_LINGER_S)
        await self._websocket.close(self._core.close.code, self._core.close.reason)

    # --- the reader ------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        since_yield = 0
        while (message := await self._receive()) is not None:
            self._last_active_s = time.monotonic()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1006), message.get("reason"))
            refusal: SaystreamError | None = message.get(REFUSAL)
            if refusal is not None:
                self.fail(refusal)
            else:
                await self._obey(message.get("text"))
                self._flush()
            await self._outbox.answerable()
            since_yield += 1
            if since_yield >= _EVENTS_BEFORE_YIELD:
                since_yield = 0
                await asyncio.sleep(0)

    async def _receive(self) -> Message | None:
        """The next message; ``None`` once the connection should close, also when none came for a while."""
        while self._core.close is None:
            try:
                async with asyncio.timeout(self._idle_left_s()):
                    return await self._websocket.receive()
            except TimeoutError:
                if self._idle_left_s() <= 0:
                    self._core.shut(1000, f"idle for {self._settings.idle_timeout_s:g} s")
                    self._flush()
        return None

    def _idle_left_s(self) -> float:
        idle_s = self._settings.idle_timeout_s
        if self._core.response_open or len(self._outbox) > 0:
            return idle_s
        return self._last_active_s + idle_s - time.monotonic()

    async def _obey(self, frame: str | None) -> None:
        if frame is None:
            self._core.receive_binary()
            return
        event = self._core.receive_text(frame)
        if event is None:
            return
        if self._expelled is not None and isinstance(event, TextAppend | TextCommit | SessionUpdate):
            self._core.refuse(self._expelled, event.event_id)
            return
        try:
            await self._count_characters(event)
        except (LimitReached, TextTooLong) as refusal:
            self._core.refuse(refusal, event.event_id)
            return
        except ServerFault as fault:
            self.fail(fault)
            return
        if self._session is not None and not self._session.text_joins:
            self._core.take_no_more_text()
        if self._core.accept(event) is not None:
            self._act_or_refuse(event)
            self._close_if_drained()

    async def _count_characters(self, event: ClientEvent) -> None:
        """Count the text of ``event`` for the key. Raises LimitReached, TextTooLong or StoreUnavailable.

        Call it before the core accepts the event: after that, nothing may come between.
        """
        limiter = self._services.limiter
        principal = self._place.principal
        if isinstance(event, TextAppend) and limiter.counts_characters(principal):
            await limiter.take_characters(principal, billed_characters(event.text))

    def _act_or_refuse(self, event: ClientEvent) -> None:
        try:
            self._act(event)
        except InvalidRequest as mistake:
            self._core.refuse(mistake, event.event_id)
        except SaystreamError as fault:
            self.fail(fault)

    def _act(self, event: ClientEvent) -> None:
        session = self._session or self._start_session()
        match event:
            case SessionUpdate():
                if self._core.ignored_keys:
                    _log.debug("unknown fields ignored", unknown_fields=self._core.ignored_keys)
                config = SpeechConfig.of_session(self._core.config)
                session.configure(config)
                _log_bit_rate(config.audio_format)
            case TextAppend(text=text):
                if not self._core.config.voice:
                    self._check(self._core.config)  # a model may have no voice until an update names one
                session.push(text)
                if not session.text_joins:
                    self._account.timer.text_came()
            case TextCommit():
                session.commit()
                if self._core.config.mode == "commit":
                    self._account.timer.text_committed()
            case TextClear():
                session.clear()
                self._account.timer.text_dropped()
            case ResponseCancel():
                missed = self._outbox.drop_audio(self._response_id)
                session.cancel(fades_out=not missed)
            case SessionFinish():
                session.finish()
            case _:
                assert_never(event)

    def _start_session(self) -> SynthesisSession:
        self._session = self._services.synthesizer.session(SpeechConfig.of_session(self._core.config))
        self._session_started.set()
        return self._session

    def _check(self, config: SessionConfig) -> None:
        """Raises InvalidValue for anything that the model does not take."""
        self._services.catalog.check(self._model, config.fields())

    # --- the speaker -----------------------------------------------------------------------------------------------

    async def _speak(self) -> None:
        while True:
            await self._session_started.wait()
            self._session_started.clear()
            assert self._session is not None
            async with aclosing(self._session.events()) as events:
                async for event in events:
                    if isinstance(event, ResponseStarted):
                        self._close_if_expelled()
                    if self._core.close is not None:
                        return
                    self._tell(event)
                    await self._outbox.writable()
            if self._core.close is not None:
                return
            self._session = None
            self._core.finish_session()
            self._flush()
            self._close_if_drained()

    def _tell(self, event: SpeechEvent) -> None:
        match event:
            case ResponseStarted():
                self._response_id = self._core.start_response()
                model = self._services.catalog.model(self._model, door="realtime")
                self._account.open(self._response_id, model, self._core.config.voice)
                self._flush()
            case ResponseAudio():
                self._last_active_s = time.monotonic()
                self._core.send_audio(event.encoded)
                self._flush(audio_of=self._response_id)
                self._account.follow(event)
            case SegmentBegun():
                pass  # its clients do not ask
            case SegmentFailed(fault, start, end):
                _log.error("segment failed", code=fault.code, error=fault)
                self._core.report(fault, start=start, end=end)
                self._flush()
                self._account.follow(event)
            case ResponseEnded():
                self._end_response(event)
            case _:
                assert_never(event)

    def _end_response(self, ended: ResponseEnded) -> None:
        self._account.follow(ended)
        self._account.close(ended.text, ended.status, ended.fault)
        model = self._services.catalog.model(self._model, door="realtime")
        usage = bill(model, ended.text, ended.audio_ms).usage()
        if ended.fault is not None and ended.ends_session:
            _log.error("response failed", code=ended.fault.code, error=ended.fault)
            self._core.fail(ended.fault, usage)
        else:
            self._core.finish_response(ended.status, usage)
        self._flush()
        self._close_if_expelled()
        self._close_if_drained()


def _log_bit_rate(wanted: AudioFormat) -> None:
    if (bit_rate := settled(wanted).bit_rate_kbps) != wanted.bit_rate_kbps:
        _log.info("bit rate clamped", wanted_kbps=wanted.bit_rate_kbps, written_kbps=bit_rate)
