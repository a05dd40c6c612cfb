"""One request that is spoken into a spool by its own task, and its listener, who reads from there.

So a slow listener delays nobody, and one who leaves may still find the file.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import msgspec
import structlog

from saystream.errors import Draining, InvalidRequest, SaystreamError, ServerFault, StoreUnavailable
from saystream.protocol.http.sse import encode_frame
from saystream.server.web.faults import dashscope_error
from saystream.server.web.streaming import StreamedAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from saystream.server.access.links import Link
    from saystream.server.access.room import Place
    from saystream.server.accounting.account import ResponseAccount
    from saystream.server.accounting.usage import Outcome
    from saystream.server.doors.base import Services
    from saystream.server.doors.spool import Spool

__all__ = ["SpokenRequest", "answer", "not_kept", "wants_events"]

_log = structlog.get_logger(__name__)


def wants_events(request: Request) -> bool:
    """Whether the answer is to be events: only this header says so."""
    return request.headers.get("x-dashscope-sse", "").strip().lower() == "enable"


def answer(request: Request, place: Place, create: Callable[[], SpokenRequest], *, finish: bool) -> Response:
    """Speak what ``create`` gives in ``place``, and answer with events or with a link.

    ``finish``: the speech continues after its listener has left.
    """
    try:
        speech = create()
        speech.start(place)
    except BaseException as error:
        place.leave()
        if isinstance(error, OSError):
            raise not_kept(error) from error
        raise
    frames = _Listener(speech, finish=finish)
    streamed = wants_events(request)
    # Both have a status once they have their first byte: a fault before that gets an error answer.
    return StreamedAnswer(
        frames.events() if streamed else frames.answer(),
        media_type="text/event-stream" if streamed else "application/json",
        headers=_stream_headers(speech.link) if streamed else None,
        over=frames.leave,
    )


class SpokenRequest(ABC):
    """One request, spoken into a spool by its own task.

    ``leave()`` is called when nobody listens any more; that or the end of the task, whichever is later, closes the
    spool.
    """

    def __init__(
        self, services: Services, account: ResponseAccount, link: Link, spool: Spool, *, billed_text: str
    ) -> None:
        self.request_id = account.request_id
        self.link = link
        self.spool = spool
        self.fault: SaystreamError | None = None
        self._services = services
        self._account = account
        self._billed_text = billed_text
        self._task: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._progress = asyncio.Event()
        self._left = False

    @abstractmethod
    async def _speak(self) -> None:
        """Speak into the spool, or set the fault."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of parts so far."""

    @abstractmethod
    def part(self, index: int) -> bytes:
        """The data of a frame that tells of one part."""

    @abstractmethod
    def last(self) -> bytes:
        """The body of an answer without SSE; with SSE, the data of the last frame."""

    def start(self, place: Place) -> None:
        """Start speaking; the place is left at the end."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._stopped)
        self._task.add_done_callback(lambda _: place.leave())
        place.seat(self)

    def drain(self) -> None:
        """Nothing to do: it ends by itself."""
        return

    def expel(self, why: InvalidRequest) -> None:
        """Nothing to do: it has only one response, which has begun."""
        return

    def cut_off(self) -> None:
        """Stop at once."""
        assert self._task is not None
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._speak()
            if self.fault is None:
                await self._services.files.put(self.link.path, self.spool.finished(), self.spool.num_bytes)
        except SaystreamError as fault:
            self.fault = fault
        except OSError as error:
            self.fault = not_kept(error)
        except asyncio.CancelledError:
            self.fault = Draining("the server is shutting down")
            raise
        except Exception:
            _log.exception("request failed")  # a bug of ours must not leave the peer without an answer
            self.fault = ServerFault("a server error; the log has the details")
        finally:
            self._close_account()

    def _stopped(self, task: asyncio.Task[None]) -> None:
        """The task has ended. If it was cancelled, it may never have started."""
        if task.cancelled() and self.fault is None:
            self.fault = Draining("the server is shutting down")
        self._end.set()
        self._progress.set()
        self._close_if_over()

    @property
    def ended(self) -> bool:
        """Whether it has failed, or everything has been spoken and the file stored."""
        return self._end.is_set()

    async def end(self) -> None:
        await self._end.wait()

    async def progress(self) -> None:
        """Wait until there is more of it, or it has ended."""
        await self._progress.wait()
        self._progress.clear()

    def tell(self) -> None:
        """There is more of it."""
        self._progress.set()

    def leave(self) -> None:
        """Nobody listens any more."""
        self._left = True
        self._close_if_over()

    def _close_account(self) -> None:
        outcome: Outcome = "completed"
        fault = self.fault
        if isinstance(fault, Draining) and self._left:
            outcome, fault = "cancelled", None  # its listener left, and it was not to be finished
        elif fault is not None:
            outcome = "failed"
        self._account.close(self._billed_text, outcome, fault)

    def _close_if_over(self) -> None:
        if self.ended and self._left:
            self.spool.close()


class _Listener:
    """Turns a speech into an answer. Only one of the two generators is read, and once."""

    def __init__(self, speech: SpokenRequest, *, finish: bool) -> None:
        """``finish``: the speech continues after its listener has left."""
        self._speech = speech
        self._finish = finish

    async def answer(self) -> AsyncGenerator[bytes, None]:
        """The whole body, once the file is stored. Raises the fault of the speech."""
        await self._speech.end()
        if self._speech.fault is not None:
            raise self._speech.fault
        yield self._speech.last()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Frames, the last one once the file is stored. Raises the fault of a speech that never started."""
        speech, sent = self._speech, 0
        while True:
            while sent < len(speech):
                part = speech.part(sent)
                sent += 1
                yield encode_frame(sent, "result", 200, part)
            if speech.ended:
                break
            await speech.progress()
        if speech.fault is None:
            yield encode_frame(sent + 1, "result", 200, self._speech.last())
        elif sent:
            yield _error_frame(sent + 1, speech.fault)
        else:
            raise speech.fault

    def leave(self) -> None:
        """Nobody reads the answer any more."""
        if not self._finish:
            self._speech.cut_off()
        self._speech.leave()


def not_kept(error: OSError) -> StoreUnavailable:
    """The fault for a spool or a store without room."""
    return StoreUnavailable(f"the audio cannot be kept ({type(error).__name__})")


def _error_frame(number: int, fault: SaystreamError) -> bytes:
    return encode_frame(number, "error", fault.http_status, msgspec.json.encode(dashscope_error(fault)))


def _stream_headers(link: Link) -> dict[str, str]:
    # The link is known before the file is stored: a client that loses the connection can still fetch all of it.
    return {"cache-control": "no-cache", "x-accel-buffering": "no", "content-location": link.url}
