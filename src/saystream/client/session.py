"""One realtime session over one connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Unpack

from saystream.client.inbox import Inbox
from saystream.client.options import Limits, Timeouts
from saystream.client.silence import SilenceAlarm
from saystream.client.transport import Transport, abandon
from saystream.errors import (
    ClientError,
    ConnectionLost,
    InvalidState,
    RemoteError,
    RemoteProtocolError,
)
from saystream.protocol.realtime.client import ClientConnection
from saystream.protocol.realtime.codec import event_id_of
from saystream.protocol.realtime.events import (
    AudioDelta,
    Error,
    ServerEvent,
    SessionCreated,
    SessionFinished,
    SessionUpdated,
)
from saystream.protocol.realtime.session_config import Session as SessionFields
from saystream.protocol.realtime.session_config import SessionPatch, SessionSettings

__all__ = ["Session"]


class Session:
    """What ``connect`` yields. Calls may come from several tasks; only one task at a time may read events.

    Events are read from the socket in the background until ``Limits.max_queued_events`` of them are waiting for the
    caller; then the socket is no longer read, which slows down a server that keeps sending.
    """

    def __init__(
        self, transport: Transport, protocol: ClientConnection, timeouts: Timeouts, limits: Limits
    ) -> None:
        """Does nothing yet: ``start`` follows."""
        self._transport = transport
        self._protocol = protocol
        self._timeouts = timeouts
        self._inbox: Inbox[ServerEvent] = Inbox(limits.max_queued_events)
        self._alarm = SilenceAlarm(timeouts.receive_s, self._give_up)
        self._reader: asyncio.Task[None] | None = None
        self._created: asyncio.Future[SessionFields] | None = None
        self._updated: asyncio.Future[SessionFields] | None = None
        self._update_id = ""
        self._finished = False
        self._ended: ClientError | None = None

    @property
    def id(self) -> str:
        """``sess_…``; a new one after ``finish`` and a new ``update``."""
        return self.config.id

    @property
    def config(self) -> SessionFields:
        """The server's latest word on the session: its model, its id and the configuration in force."""
        if self._protocol.session is None:
            raise InvalidState("the session has not been created yet")
        return self._protocol.session

    async def start(self) -> None:
        """Read until ``session.created``.

        Raises RemoteError if the server sends an error instead (for example, an unknown model), else what ended the
        connection.
        """
        loop = asyncio.get_running_loop()
        self._created = created = loop.create_future()
        self._reader = loop.create_task(self._read())
        self._alarm.start()
        await created

    async def update(self, **settings: Unpack[SessionSettings]) -> SessionFields:
        """Request a configuration, wait for the answer and return it.

        Raises RemoteError if the server refuses, and the session continues unchanged; ConnectionLost if no answer comes
        within ``Timeouts.reply_s``.
        """
        if self._updated is not None:
            raise InvalidState("an update of this session is still waiting for its answer")
        frame = self._protocol.update_session(SessionPatch(**settings))
        answer: asyncio.Future[SessionFields] = asyncio.get_running_loop().create_future()
        self._update_id, self._updated = event_id_of(frame), answer
        try:
            await self._send(frame)
            async with asyncio.timeout(self._timeouts.reply_s):
                return await answer
        except TimeoutError:
            raise ConnectionLost(f"no answer to session.update in {self._timeouts.reply_s:g} s") from None
        finally:
            self._updated = None

    async def append(self, text: str) -> None:
        """Add to the server's text buffer."""
        await self._send(self._protocol.append_text(text))

    async def commit(self) -> None:
        """Speak what is in the buffer now."""
        await self._send(self._protocol.commit())

    async def clear(self) -> None:
        """Empty the server's text buffer."""
        await self._send(self._protocol.clear())

    async def cancel(self) -> None:
        """End the response that is being spoken."""
        await self._send(self._protocol.cancel())

    async def finish(self) -> None:
        """No more text: the server speaks the rest, then iterating ends."""
        await self._send(self._protocol.finish())

    async def __aiter__(self) -> AsyncIterator[ServerEvent]:
        """Every event except the answers to ``connect`` and ``update``, up to ``session.finished``.

        Raises ConnectionLost if the connection ends before that, and RemoteProtocolError if the server violated the
        protocol. After the caller's own ``close`` it just ends.
        """
        while (event := await self._inbox.next()) is not None:
            yield event
            if type(event) is SessionFinished:
                return

    async def audio(self) -> AsyncIterator[bytes]:
        """The bytes of every delta, up to ``session.finished``; other events are skipped.

        Raises RemoteError for an ``error`` event, and whatever iterating the session raises. The session may continue
        after an error: call this again for what follows.
        """
        while (event := await self._inbox.next()) is not None:
            if type(event) is AudioDelta:
                yield event.audio
            elif type(event) is Error:
                raise _remote_error(event)
            elif type(event) is SessionFinished:
                return

    async def close(self) -> None:
        """End the connection; events that were not read are dropped. Idempotent."""
        self._inbox.end(None, drop=True)
        self._alarm.stop()
        await self._transport.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
            if not self._reader.cancelled():
                self._reader.result()

    async def _send(self, frame: str) -> None:
        if self._ended is not None:
            raise self._ended
        await self._transport.send(frame)

    async def _read(self) -> None:
        """The background task: frames to events, until the connection ends."""
        try:
            await self._read_until_lost()
        except ConnectionLost as lost:
            self._end(None if self._finished else lost)
        except asyncio.CancelledError:
            if not self._alarm.rang:
                raise
            self._end(ConnectionLost(f"the server sent nothing for {self._timeouts.receive_s:g} s"))
            await abandon(self._transport, 1000, "nothing came")
        except RemoteProtocolError as error:
            self._end(error)
            await abandon(self._transport, 1002, "protocol error")
        finally:
            self._inbox.end(None)

    async def _read_until_lost(self) -> None:
        while True:
            event = self._decoded(await self._transport.receive())
            if not self._is_answer(event):
                self._inbox.put(event)
                if self._inbox.full:
                    self._alarm.hold()
                    await self._inbox.room()
            self._alarm.heard()

    def _give_up(self) -> None:
        if self._reader is not None:
            self._reader.cancel()

    def _decoded(self, frame: str | bytes) -> ServerEvent:
        if isinstance(frame, bytes):
            raise RemoteProtocolError(
                f"a binary frame of {len(frame)} bytes was received; only text frames are allowed"
            )
        return self._protocol.receive_text(frame)

    def _is_answer(self, event: ServerEvent) -> bool:
        """Whether ``event`` answers a call, which then gets it; every other event is for the iterator."""
        kind = type(event)
        if kind is AudioDelta:
            return False
        if isinstance(event, SessionCreated):
            self._finished = False
            _settle(self._created, event.session)
            return True
        if isinstance(event, SessionUpdated):
            return _settle(self._updated, event.session)
        if isinstance(event, Error):
            return self._is_refusal(event)
        if isinstance(event, SessionFinished):
            self._finished = True
        return False

    def _is_refusal(self, event: Error) -> bool:
        """An error before ``session.created`` answers ``connect``; one that names the update answers that.

        The oldest published form of an error names no event: while an update waits, it counts as the answer.
        """
        error = _remote_error(event)
        if _fail(self._created, error):
            return True
        return event.error.event_id in (None, "", self._update_id) and _fail(self._updated, error)

    def _end(self, error: ClientError | None) -> None:
        """Nothing more will come: tell every task that waits."""
        self._ended = error or ConnectionLost("the connection was closed after session.finished")
        for waiting in (self._created, self._updated):
            _fail(waiting, self._ended)
        self._inbox.end(error)


def _settle(waiting: asyncio.Future[SessionFields] | None, session: SessionFields) -> bool:
    if waiting is None or waiting.done():
        return False
    waiting.set_result(session)
    return True


def _fail(waiting: asyncio.Future[SessionFields] | None, error: ClientError) -> bool:
    if waiting is None or waiting.done():
        return False
    waiting.set_exception(error)
    return True


def _remote_error(event: Error) -> RemoteError:
    body = event.error
    return RemoteError(body.message, remote_code=body.code, param=body.param)
