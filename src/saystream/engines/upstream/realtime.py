"""Realtime endpoints of the DashScope kind: another server of ours, or the hosted service.

Each stream has its own connection and session, in the mode ``server_commit``: text is passed on as it arrives, and that
server cuts it. A stream is given up by dropping its connection. When a stream ends, a connection for the next one is
prepared, because its handshakes would cost that one four round trips before its first audio.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from msgspec import UNSET
from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import State

from saystream import catalog
from saystream.engines.upstream.failures import Failure, Verdict, refusal, told, unreachable
from saystream.engines.upstream.options import ServerOptions, UpstreamOptions
from saystream.engines.upstream.server import Server, TextFeed, Utterance, behind_proxy
from saystream.engines.upstream.sound import AudioPiece, Encoding
from saystream.errors import EngineFailed, EngineUnavailable, ModelNotFound, Overloaded, RemoteProtocolError
from saystream.parameters import SPEECH_RATES
from saystream.protocol.realtime.client import ClientConnection
from saystream.protocol.realtime.events import (
    AudioDelta,
    Error,
    ErrorBody,
    ResponseDone,
    ResponseStatus,
    ServerEvent,
    SessionCreated,
    SessionFinished,
)
from saystream.protocol.realtime.session_config import SessionPatch

__all__ = ["RealtimeServer"]

_MAX_FRAME_BYTES = 16 << 20
_CLOSE_S = 1.0
_DEFAULT_RATE = 24000

_READY_S = 40.0
"""A prepared connection is dropped after this: a server ends an idle session after 60 s."""

_BUSY_CLOSE_CODES = (1012, 1013)
_BUSY_CODES = ("rate_limit_exceeded", "server_overloaded", "server_draining")


@dataclass(frozen=True, slots=True, eq=False)
class _Link:
    """A connection whose session has been created."""

    socket: Socket
    protocol: ClientConnection

    async def close(self) -> None:
        """End it with a closing handshake."""
        try:
            await self.socket.close()
        finally:
            self.socket.transport.abort()

    async def drop(self) -> None:
        """End it at once, whatever the other end does."""
        self.socket.transport.abort()
        await self.socket.wait_closed()


class RealtimeServer(Server):
    def __init__(self, options: UpstreamOptions, server: ServerOptions) -> None:
        super().__init__(server)
        self._options = options
        self._url = server.url
        self._headers = {"User-Agent": "saystream"}
        if server.key:
            self._headers["Authorization"] = f"Bearer {server.key}"
        self._numbers = count(1)
        self._ready: dict[_Link, asyncio.TimerHandle] = {}
        """With the time at which each is dropped."""
        self._errands: set[asyncio.Task[None]] = set()
        """Tasks that continue after a stream has ended."""

    @property
    def probed_when_well(self) -> bool:
        return False

    async def probe(self) -> None:
        """Open a session and drop it: nothing is spoken."""
        try:
            link = await self._open()
        except Failure as failure:
            if failure.verdict is not Verdict.BUSY:
                raise
        else:
            await link.drop()

    async def voices(self) -> tuple[str, ...]:
        """The voices of the hosted model of that name; an endpoint does not list its own."""
        try:
            return tuple(voice.name for voice in catalog.load().voices(self._options.model))
        except ModelNotFound:
            return ()

    async def speak(self, utterance: Utterance, text: TextFeed) -> AsyncGenerator[AudioPiece, None]:
        link = await self._take_ready()
        if link is not None:
            heard = False
            try:
                async with aclosing(self._session(link, utterance, text)) as audio:
                    async for piece in audio:
                        heard = True
                        yield piece
                return
            except Failure as failure:
                # The server may have closed it while it was idle: that does not mean that the server is faulty.
                if heard or failure.verdict is not Verdict.SUSPECT:
                    raise
        async with aclosing(self._session(await self._open(), utterance, text)) as audio:
            async for piece in audio:
                yield piece

    async def aclose(self) -> None:
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)
        while (link := await self._take_ready()) is not None:
            await link.drop()

    async def _session(
        self, link: _Link, utterance: Utterance, text: TextFeed
    ) -> AsyncGenerator[AudioPiece, None]:
        encoding = Encoding("pcm", self._options.sample_rate)
        sender = asyncio.create_task(self._send(link, utterance, text))
        finished = failed = False
        try:
            while not isinstance(event := await self._receive(link, text), SessionFinished):
                if isinstance(event, AudioDelta):
                    yield AudioPiece(self._audio(event), encoding)
                elif isinstance(event, ResponseDone):
                    self._check_status(event.response.status)
            finished = True
        except Failure:
            failed = True
            raise
        finally:
            if finished:
                self._run_errand(link.close())
            else:
                link.socket.transport.abort()
            if not failed:  # also after a cancel: a listener who interrupts wants to hear something else
                self._run_errand(self._make_ready())
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    def _check_status(self, status: ResponseStatus) -> None:
        if status not in ("completed", "in_progress"):
            fault = EngineFailed(f"The upstream server {self.name} ended a response as {status}.")
            raise Failure(fault, Verdict.SUSPECT)

    # Prepared connections.

    async def _take_ready(self) -> _Link | None:
        while self._ready:
            link, timer = self._ready.popitem()
            timer.cancel()
            if link.socket.state is State.OPEN:
                return link
            await link.drop()
        return None

    async def _make_ready(self) -> None:
        if len(self._ready) >= self._options.ready_connections:
            return
        with suppress(Failure):  # the next stream that needs one finds out
            link = await self._open()
            timer = asyncio.get_running_loop().call_later(_READY_S, self._forget, link)
            self._ready[link] = timer

    def _forget(self, link: _Link) -> None:
        del self._ready[link]
        self._run_errand(link.drop())

    def _run_errand(self, work: Coroutine[Any, Any, None]) -> None:
        errand = asyncio.create_task(work)
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    async def _open(self) -> _Link:
        limit_s = self._options.connect_s
        try:
            async with asyncio.timeout(limit_s):
                socket = await connect(
                    self._url,
                    additional_headers=self._headers,
                    user_agent_header=None,
                    compression=None,  # base64 audio hardly shrinks
                    proxy=True if behind_proxy(self._url) else None,
                    open_timeout=None,
                    close_timeout=_CLOSE_S,
                    ping_interval=None,
                    max_size=_MAX_FRAME_BYTES,
                )
        except TimeoutError:
            raise unreachable(self.name, f"no answer within {limit_s:g} s") from None
        except InvalidStatus as error:
            response = error.response
            raise refusal(
                self.name,
                response.status_code,
                bytes(response.body or b""),
                retry_after=response.headers.get("Retry-After"),
            ) from error
        except (OSError, WebSocketException) as error:
            raise unreachable(self.name, str(error).rstrip(".") or type(error).__name__) from error
        link = _Link(socket, ClientConnection(new_id=self._new_id))
        try:
            async with asyncio.timeout(limit_s):
                while not isinstance(await self._receive(link, None), SessionCreated):
                    pass
        except TimeoutError:
            socket.transport.abort()
            raise unreachable(self.name, f"no session within {limit_s:g} s") from None
        except BaseException:
            socket.transport.abort()
            raise
        return link

    async def _send(self, link: _Link, utterance: Utterance, text: TextFeed) -> None:
        """The receiving side reports what ends the connection."""
        socket, protocol = link.socket, link.protocol
        with suppress(ConnectionClosed):
            await socket.send(protocol.update_session(self.patch(utterance)))
            async for piece in text.pieces():
                await socket.send(protocol.append_text(piece))
            await socket.send(protocol.finish())

    def patch(self, utterance: Utterance) -> SessionPatch:
        """The configuration of a session. Default values are left out, so that any model accepts it."""
        speed = min(max(utterance.speed, SPEECH_RATES[0]), SPEECH_RATES[1])
        rate = self._options.sample_rate
        return SessionPatch(
            voice=utterance.voice.name,
            mode="server_commit",
            response_format="pcm",
            language_type=utterance.language,
            sample_rate=UNSET if rate == _DEFAULT_RATE else rate,
            speech_rate=UNSET if speed == 1.0 else speed,
            instructions=utterance.instructions or UNSET,
        )

    async def _receive(self, link: _Link, text: TextFeed | None) -> ServerEvent:
        try:
            frame = await link.socket.recv()
        except ConnectionClosed as closed:
            raise self._lost(closed) from closed
        if isinstance(frame, bytes):
            raise self._broke_protocol("It sent a binary frame.")
        try:
            event = link.protocol.receive_text(frame)
        except RemoteProtocolError as error:
            raise self._broke_protocol(error.message) from error
        if isinstance(event, Error):
            raise self._refused(event.error, "" if text is None else text.text)
        return event

    def _audio(self, event: AudioDelta) -> bytes:
        try:
            return event.audio
        except RemoteProtocolError as error:
            raise self._broke_protocol(error.message) from error

    def _lost(self, closed: ConnectionClosed) -> Failure:
        code = None if closed.rcvd is None else int(closed.rcvd.code)
        if code in _BUSY_CLOSE_CODES:
            return Failure(
                Overloaded(f"The upstream server {self.name} accepts no more sessions for now."), Verdict.BUSY
            )
        how = "without a close frame" if code is None else f"with code {code}"
        fault = EngineFailed(f"The upstream server {self.name} closed the connection {how} before the end.")
        return Failure(fault, Verdict.SUSPECT)

    def _broke_protocol(self, message: str) -> Failure:
        fault = EngineFailed(f"The upstream server {self.name} violated the protocol. {message}")
        return Failure(fault, Verdict.SUSPECT)

    def _refused(self, error: ErrorBody, text: str) -> Failure:
        said = f"{error.code}{f' in {error.param}' if error.param else ''}{told(error.message, text)}"
        if error.code in _BUSY_CODES:
            return Failure(Overloaded(f"The upstream server {self.name} is busy ({said})."), Verdict.BUSY)
        if error.code == "invalid_api_key":
            return refusal(self.name, 401, b"")
        if error.code == "model_not_found":
            fault = EngineUnavailable(
                f"The upstream server {self.name} has no such model ({said})."
                " Set the option model of engine 'upstream'."
            )
            return Failure(fault, Verdict.DOWN)
        failed = EngineFailed(f"The upstream server {self.name} sent an error ({said}).")
        if error.type == "server_error":
            return Failure(failed, Verdict.SUSPECT)
        return Failure(failed, Verdict.FINE, final=True)

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{next(self._numbers)}"
