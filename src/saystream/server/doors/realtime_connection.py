"""One realtime connection: moves frames between a WebSocket, the protocol core and the spine."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING, assert_never

import structlog

from saystream.dsp.encoders import settled
from saystream.errors import (
    Draining,
    InvalidRequest,
    InvalidValue,
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
from saystream.server.doors.socket_connection import SocketConnection
from saystream.server.web.accepted import accepted_language
from saystream.speech.events import (
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    SegmentBegun,
    SegmentFailed,
    SpeechConfig,
    SpeechEvent,
)
from saystream.speech.instructions import check_instructions
from saystream.text.counting import billed_characters
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.websockets import WebSocket

    from saystream.audio import AudioFormat
    from saystream.protocol.close import Close
    from saystream.server.access.room import Place
    from saystream.server.accounting.account import ResponseAccount
    from saystream.server.accounting.usage import Outcome
    from saystream.server.doors.base import Services
    from saystream.speech.session import SynthesisSession
    from saystream.voices.custom.voice import OwnVoice

__all__ = ["Connection"]

_REFUSAL_LINGER_S = 0.5
"""The official SDK checks every 100 ms whether it is connected: if it were refused and closed at once, it would wait
for its timeout of 5 s, although it was told why."""

_log = structlog.get_logger(__name__)


def _new_id(prefix: str) -> str:
    """Ids look like the documented ones: a prefix and about 21 characters."""
    return f"{prefix}_{token_hex(11)}"


class Connection(SocketConnection):
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
        settings = services.settings.realtime
        super().__init__(
            websocket,
            idle_timeout_s=settings.idle_timeout_s,
            outbox_high_bytes=settings.outbox_high_bytes,
            outbox_low_bytes=settings.outbox_low_bytes,
        )
        self._services = services
        self._place = place
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
        self._own_voice: OwnVoice | None = None
        """The cloned or designed voice that an update named last."""
        self._session: SynthesisSession | None = None
        self._session_started = asyncio.Event()
        self._response_id = ""
        self._account = account

    # --- life ------------------------------------------------------------------------------------------------------

    @property
    def _close(self) -> Close | None:
        return self._core.close

    @property
    def _is_speaking(self) -> bool:
        return self._core.response_open

    def _frames(self) -> list[str | bytes]:
        return [*self._core.frames_to_send()]

    def _leave(self) -> None:
        try:
            self._break_off("cancelled")
        finally:
            if self._session is not None:
                self._session.close()

    def _close_if_due(self) -> None:
        self._close_if_expelled()
        self._close_if_drained()

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
        elif self._core.state is not SessionState.FINISHING and not self._has_work():
            self.fail(reason)

    def _has_work(self) -> bool:
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

    def _shut(self, code: int, reason: str) -> None:
        self._core.shut(code, reason)

    def _open(self) -> Mapping[str, str]:
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
        return {"session": self._core.session_id, "model": self._model}

    def _default_voice(self) -> str:
        try:
            return self._services.catalog.default_voice(self._model)
        except ModelNotFound:
            return ""  # the connection is about to be refused

    def _linger_s(self) -> float:
        return 0.0 if self._core.session_id else _REFUSAL_LINGER_S

    # --- the reader ------------------------------------------------------------------------------------------------

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
            await self._look_up_voice(event)
        except (LimitReached, TextTooLong, InvalidValue) as refusal:
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

    async def _look_up_voice(self, event: ClientEvent) -> None:
        """Find out whether ``event`` names a cloned or designed voice, before the core accepts it. Raises InvalidValue
        for one that the model does not take, and StoreUnavailable."""
        if not isinstance(event, SessionUpdate) or not event.session.voice:
            return
        self._own_voice = await self._services.own_voices.resolve(
            self._place.principal.owner, self._model, event.session.voice, param="session.voice"
        )

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
                config = self._speech_config()
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
        self._session = self._services.synthesizer.session(self._speech_config())
        self._session_started.set()
        return self._session

    def _check(self, config: SessionConfig) -> None:
        """Raises InvalidValue for anything that the model does not take."""
        self._services.catalog.check(
            self._model, config.fields(), own_voice=self._own_voice_of(config) is not None
        )
        check_instructions(config.instructions, "session.instructions")

    def _own_voice_of(self, config: SessionConfig) -> OwnVoice | None:
        known = self._own_voice
        return known if known is not None and known.name == config.voice else None

    def _speech_config(self) -> SpeechConfig:
        config = self._core.config
        usual_language = accepted_language(self._websocket.headers)
        speech = SpeechConfig.of_session(config, self._own_voice_of(config))
        return replace(speech, usual_language=usual_language)

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
                self._mark_active()
                self._core.send_audio(event.encoded)
                self._flush(audio_of=self._response_id)
                if event.marks:
                    self._core.send_words(event.marks)
                    self._flush()
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
