"""A server whose every step a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from saystream.engines.upstream.failures import Failure
from saystream.engines.upstream.options import ServerOptions, VoiceOptions
from saystream.engines.upstream.server import Server, TextFeed, Utterance
from saystream.engines.upstream.sound import AudioPiece, Encoding

ENCODING = Encoding("pcm", 24000)
UTTERANCE = Utterance(voice=VoiceOptions(name="vivian"), language="English", instructions="", speed=1.0)

Step = bytes | Failure | None
"""Audio, a failure, or a wait without an end."""


class ScriptedServer(Server):
    """Takes one script for each request, and gives the rest of the last for those that come after."""

    def __init__(
        self, name: str = "a", *scripts: list[Step], concurrency: int = 4, free_to_probe: bool = True
    ) -> None:
        super().__init__(ServerOptions(url=f"http://{name}", concurrency=concurrency))
        self.scripts = list(scripts)
        self.health: Failure | None = None
        self.hangs = False
        self.probes = 0
        self.on_probe: Callable[[], None] = lambda: None
        self.texts: list[str] = []
        self.dropped = 0
        self.closed = False
        self._free_to_probe = free_to_probe

    @property
    def probed_when_well(self) -> bool:
        return self._free_to_probe

    async def probe(self) -> None:
        self.probes += 1
        self.on_probe()
        if self.hangs:
            await asyncio.Event().wait()
        if self.health is not None:
            raise self.health

    async def voices(self) -> tuple[str, ...]:
        return ("vivian",)

    async def speak(self, utterance: Utterance, text: TextFeed) -> AsyncGenerator[AudioPiece, None]:
        self.texts.append(text.text)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        try:
            for step in script:
                if isinstance(step, Failure):
                    raise step
                if step is None:
                    await asyncio.Event().wait()
                else:
                    yield AudioPiece(step, ENCODING)
        except (asyncio.CancelledError, GeneratorExit):
            self.dropped += 1
            raise

    async def aclose(self) -> None:
        self.closed = True
