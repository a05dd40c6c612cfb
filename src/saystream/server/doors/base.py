"""What all doors share. A door declares its routes, how it reports errors, and its protocol."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from saystream.errors import Draining
from saystream.server.accounting.account import ResponseAccount
from saystream.server.web.bodies import read_json_body
from saystream.server.web.faults import DASHSCOPE
from saystream.server.web.openapi import DocumentedRoute
from saystream.speech.events import ResponseAudio, ResponseEnded
from saystream.text.counting import billed_characters
from saystream.text.inline_pauses import without_pauses
from saystream.text.markup import without_markup
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from saystream.catalog import Catalog, Model
    from saystream.config import Settings
    from saystream.errors import InvalidRequest, ServerFault
    from saystream.parameters import Markup
    from saystream.server.access.auth import Authenticator, Principal
    from saystream.server.access.limits import Limiter
    from saystream.server.access.links import Links
    from saystream.server.access.room import Room
    from saystream.server.accounting.metrics import Metrics
    from saystream.server.accounting.usage import UsageRecorder
    from saystream.server.web.faults import ErrorShape
    from saystream.server.web.fetching import Fetcher
    from saystream.server.web.openapi import Operation
    from saystream.speech.enrolling import OwnVoices
    from saystream.speech.events import SpeechConfig, SpeechEvent
    from saystream.speech.synthesizer import Synthesizer
    from saystream.storage.files import FileStore
    from saystream.voices.upload import UploadReader

__all__ = ["Door", "Services", "audio_of", "peer_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services that every door is given."""

    settings: Settings
    synthesizer: Synthesizer
    catalog: Catalog
    authenticator: Authenticator
    limiter: Limiter
    room: Room
    metrics: Metrics
    usage: UsageRecorder
    files: FileStore
    links: Links
    fetcher: Fetcher
    uploads: UploadReader
    own_voices: OwnVoices

    def billed_text(self, text: str, markup: Markup = "auto") -> str:
        """``text`` as it was sent, without the pauses that are written into it where they are taken for such, and
        without markup where it is left out."""
        if self.settings.inline_pauses:
            text = without_pauses(text)
        strips = (self.settings.markup if markup == "auto" else markup) == "strip"
        return without_markup(text).text if strips else text

    def says_something(self, text: str, markup: Markup = "auto") -> bool:
        """Whether there is something to hear in ``text``: words, or a pause where one can be written into it."""
        has_pause = self.settings.inline_pauses and without_pauses(text) != text
        return has_pause or is_speakable(self.billed_text(text, markup))


class Door(ABC):
    """One protocol of the server. Created once, after everything it uses has started."""

    name: ClassVar[str]
    """Name in usage rows, at most 16 characters. Every door that speaks has one."""
    errors: ClassVar[ErrorShape] = DASHSCOPE
    """How the door reports errors."""
    prefix: ClassVar[str] = ""
    """How all of its paths begin: the door also reports unknown paths that begin so."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @abstractmethod
    def routes(self) -> Sequence[BaseRoute]:
        """The routes of the door."""

    def route(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        operation: Operation,
        *,
        method: str = "GET",
    ) -> DocumentedRoute:
        """One of its routes. To answer with an error, ``endpoint`` raises it."""
        return DocumentedRoute(path, endpoint, method=method, operation=operation, errors=self.errors)

    async def authenticated_json(self, request: Request, *, max_bytes: int = 0) -> tuple[Principal, bytes]:
        """Who asks, and the body, within the server's limits; ``max_bytes`` where it may be larger than others.

        Raises the same errors as ``Room.authenticate`` and ``read_json_body``.
        """
        room, limits = self.services.room, self.services.settings.limits
        await room.authenticate(request.headers, peer_of(request))
        most = max(limits.max_body_bytes, max_bytes)
        body = await read_json_body(request, max_bytes=most, timeout_s=limits.body_timeout_s)
        # Again: a body may take longer than a revocation.
        return await room.authenticate(request.headers, peer_of(request)), body

    def account(self, principal: Principal) -> ResponseAccount:
        """An account for the request or connection that the calling task serves."""
        return ResponseAccount(
            self.services.usage, self.services.metrics, door=self.name, principal=principal
        )

    async def speak(
        self, principal: Principal, model: Model, config: SpeechConfig, text: str
    ) -> AsyncGenerator[SpeechEvent, None]:
        """The events of a request's only response, which is admitted, measured and accounted for.

        Refusals are raised before the first event; the last event may be a fault. Closing the generator cancels the
        rest.
        """
        billed = self.services.billed_text(text, config.markup)
        characters = billed_characters(billed)
        with await self.services.room.admit(principal, model.name, characters=characters) as place:
            account = self.account(principal)
            place.seat(speaker := _Speaker())
            events = self.services.synthesizer.speak(config, text)
            try:
                async with aclosing(account.following(events, model=model, voice=config.voice)) as followed:
                    async for event in followed:
                        if isinstance(event, ResponseEnded):
                            account.close(billed, event.status, event.fault)
                        yield event
            except asyncio.CancelledError:
                if (fault := speaker.heard()) is None:
                    raise
                account.close(billed, "failed", fault)
                yield ResponseEnded("failed", billed, account.timer.audio_ms, fault)
            except Exception:
                account.close(billed, "failed")
                raise
            finally:
                # The listener has gone, or does not read the end.
                account.close(billed, "cancelled" if speaker.fault is None else "failed", speaker.fault)


def peer_of(connection: HTTPConnection) -> str:
    """The address of the client; behind a trusted proxy, what the proxy says."""
    # A socket for both families shows addresses of IPv4 in a form of IPv6.
    return "" if connection.client is None else connection.client.host.removeprefix("::ffff:")


class _Speaker:
    """The guest of a request that is spoken by the task that creates it."""

    def __init__(self) -> None:
        self.fault: ServerFault | None = None
        """Why it was cut off."""
        self._task = asyncio.current_task()

    def drain(self) -> None:
        """Nothing to do: it ends by itself."""

    def expel(self, why: InvalidRequest) -> None:
        """Nothing to do: it has only one response, which has begun."""

    def cut_off(self) -> None:
        """Stop at once, wherever the task is waiting."""
        if self.fault is None and self._task is not None:
            self.fault = Draining("the server is shutting down")
            self._task.cancel()

    def heard(self) -> ServerFault | None:
        """The fault, if the task was cancelled for it and nothing else: then it can go on."""
        if self.fault is None or self._task is None or self._task.uncancel():
            return None
        return self.fault


async def audio_of(events: AsyncGenerator[SpeechEvent, None]) -> AsyncGenerator[bytes, None]:
    """The bytes of the file that is spoken. Raises ServerFault if it cannot be completed."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, ResponseAudio):
                yield event.encoded
            elif isinstance(event, ResponseEnded) and event.fault is not None:
                raise event.fault
