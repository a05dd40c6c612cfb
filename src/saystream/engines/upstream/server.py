"""What the engine needs of a server, whatever its kind."""

from __future__ import annotations

import asyncio
import ipaddress
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from saystream.engines.upstream.options import ServerOptions, VoiceOptions
from saystream.engines.upstream.sound import AudioPiece

__all__ = ["Server", "TextFeed", "Utterance", "behind_proxy"]

_UNSENDABLE = dict.fromkeys([0, *range(0xD800, 0xE000)], " ")
"""A NUL and lone surrogates, which JSON or the server at the other end cannot hold."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """How a text is to be spoken, in the words of a server."""

    voice: VoiceOptions
    """Its ``name`` is the name there."""
    language: str
    """As ``language_type`` has it, such as ``Chinese``; ``Auto`` for what has no name there."""
    instructions: str
    speed: float
    """Asked of the server; 1 where it takes none."""


class TextFeed:
    """The text of one stream as it comes. A further attempt reads it from its beginning."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._changed = asyncio.Event()
        self.ended_at: float | None = None
        """Time of the loop at which the text was complete; ``None`` while more may come."""
        self.when_ended: Callable[[], object] | None = None
        """Called then."""

    def push(self, text: str) -> None:
        if text:
            self._pieces.append(text.translate(_UNSENDABLE))
            self._changed.set()

    def end(self) -> None:
        if self.ended_at is None:
            self.ended_at = asyncio.get_running_loop().time()
            self._changed.set()
            if self.when_ended is not None:
                self.when_ended()

    @property
    def text(self) -> str:
        """What has come so far."""
        return "".join(self._pieces)

    async def pieces(self) -> AsyncGenerator[str, None]:
        """All of it, each piece as soon as it is there. One reader at a time."""
        num_read = 0
        while True:
            while num_read < len(self._pieces):
                num_read += 1
                yield self._pieces[num_read - 1]
            if self.ended_at is not None:
                return
            self._changed.clear()
            await self._changed.wait()


class Server(ABC):
    """One server. Its methods raise Failure and nothing else."""

    def __init__(self, options: ServerOptions) -> None:
        self.name = urlsplit(options.url).netloc
        """For messages."""
        self.concurrency = options.concurrency

    @property
    @abstractmethod
    def probed_when_well(self) -> bool:
        """A look costs it nothing, so it is looked after all the time and not only in doubt."""

    @abstractmethod
    async def probe(self) -> None:
        """Return if it would take a request."""

    @abstractmethod
    async def voices(self) -> tuple[str, ...]:
        """Names of its voices; none where it does not say."""

    @abstractmethod
    def speak(self, utterance: Utterance, text: TextFeed) -> AsyncGenerator[AudioPiece, None]:
        """Speak it. To close the generator drops the request at once."""

    @abstractmethod
    async def aclose(self) -> None: ...


def behind_proxy(url: str) -> bool:
    """Whether the proxy of the environment counts for ``url``: this machine itself is never behind one."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
