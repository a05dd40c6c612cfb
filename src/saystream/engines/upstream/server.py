"""What the engine needs from a server of any kind."""

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
"""A NUL and lone surrogates, which JSON or the other server cannot hold."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """How a text is to be spoken, in a server's terms."""

    voice: VoiceOptions
    """Its ``name`` is the name there."""
    language: str
    """As in ``language_type``, such as ``Chinese``; ``Auto`` for a language that has no name there."""
    instructions: str
    speed: float
    """Asked of the server; 1 if it takes no speed."""


class TextFeed:
    """The text of one stream as it arrives. A further attempt reads it from the beginning."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._changed = asyncio.Event()
        self.ended_at: float | None = None
        """Loop time at which the text was complete; ``None`` while more may come."""
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
        """The text so far."""
        return "".join(self._pieces)

    async def pieces(self) -> AsyncGenerator[str, None]:
        """All of it, each piece as soon as it arrives. One reader at a time."""
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
        """A probe costs it nothing, so it is probed regularly and not only when in doubt."""

    @abstractmethod
    async def probe(self) -> None:
        """Returns if it would accept a request."""

    @abstractmethod
    async def voices(self) -> tuple[str, ...]:
        """Names of its voices; empty if it does not list them."""

    @abstractmethod
    def speak(self, utterance: Utterance, text: TextFeed) -> AsyncGenerator[AudioPiece, None]:
        """Speak it. Closing the generator drops the request at once."""

    @abstractmethod
    async def aclose(self) -> None: ...


def behind_proxy(url: str) -> bool:
    """Whether the proxy of the environment applies to ``url``: this machine itself is never behind one."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
