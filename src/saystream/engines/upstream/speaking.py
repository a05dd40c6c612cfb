"""One stream: asks servers until one gives audio, and hands that over. Every wait has a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from saystream.engines.upstream.balancer import Balancer, Upstream
from saystream.engines.upstream.failures import Failure, Verdict
from saystream.engines.upstream.runtime import Handover
from saystream.engines.upstream.server import TextFeed, Utterance
from saystream.engines.upstream.sound import AudioPiece
from saystream.errors import EngineFailed, EngineStalled, Overloaded
from saystream.text.segmenter import is_speakable

__all__ = ["SpeakingLimits", "speak"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakingLimits:
    """Seconds; see UpstreamOptions."""

    first_audio_s: float
    chunk_s: float
    request_s: float
    max_audio_s: float
    attempts: int


async def speak(
    balancer: Balancer,
    utterance: Utterance,
    text: TextFeed,
    handover: Handover,
    limits: SpeakingLimits,
    *,
    text_as_it_comes: bool,
) -> None:
    """Raises a ServerFault if it cannot be spoken, even after a part of it was."""
    await _Speaking(balancer, utterance, text, handover, limits).run(text_as_it_comes=text_as_it_comes)


@dataclass(eq=False, slots=True)
class _Speaking:
    balancer: Balancer
    utterance: Utterance
    text: TextFeed
    handover: Handover
    limits: SpeakingLimits
    _now: Callable[[], float] = field(init=False)
    _failed_attempts: int = field(default=0, init=False)
    _audio_s: float = field(default=0.0, init=False)
    """Handed over so far."""
    _waited_s: float = field(default=0.0, init=False)
    """Waited for servers since the text was complete."""

    def __post_init__(self) -> None:
        self._now = asyncio.get_running_loop().time

    async def run(self, *, text_as_it_comes: bool) -> None:
        if not await self._is_speakable(wait_for_all=not text_as_it_comes):
            return
        tried: set[Upstream] = set()
        said_busy: set[Upstream] = set()
        while True:
            upstream = await self._borrow(tried, said_busy)
            tried.add(upstream)
            try:
                await self._attempt(upstream)
                return
            except Failure as failure:
                self.balancer.note(upstream, failure)
                if failure.final or self._audio_s:
                    raise failure.fault from failure
                if failure.verdict is Verdict.BUSY:
                    said_busy.add(upstream)
                else:
                    self._failed_attempts += 1
                if self._failed_attempts == self.limits.attempts or self._left_for_first_audio_s() <= 0:
                    raise failure.fault from failure
            finally:
                await self.balancer.give_back(upstream)

    async def _is_speakable(self, *, wait_for_all: bool) -> bool:
        """Wait until there is something to say, or for all of the text."""
        speakable = False
        async with aclosing(self.text.pieces()) as pieces:
            async for piece in pieces:
                speakable = speakable or is_speakable(piece)
                if speakable and not wait_for_all:
                    return True
        return speakable

    async def _borrow(self, tried: set[Upstream], said_busy: set[Upstream]) -> Upstream:
        try:
            async with asyncio.timeout(self._left_for_first_audio_s()):
                return await self.balancer.borrow(tried=tried, said_busy=said_busy)
        except TimeoutError:
            waited = f"{self.limits.first_audio_s:g} s"
            raise Overloaded(f"No upstream server was free for a request within {waited}.") from None

    async def _attempt(self, upstream: Upstream) -> None:
        name = upstream.server.name
        async with aclosing(upstream.server.speak(self.utterance, self.text)) as audio:
            while (piece := await self._next(audio, name)) is not None:
                if not piece.encoded:
                    continue
                self._audio_s += len(piece.encoded) / piece.encoding.bytes_per_second
                if self._audio_s > self.limits.max_audio_s:
                    raise _failed(f"{name} speaks for more than {self.limits.max_audio_s:g} s")
                await self.handover.put(piece)
        if not self._audio_s:
            raise _failed(f"{name} gave no audio")

    async def _next(self, audio: AsyncGenerator[AudioPiece, None], name: str) -> AudioPiece | None:
        """The next piece. Its time limit starts when the server has all of the text."""
        began = self._now()
        try:
            async with asyncio.timeout(None) as alarm:

                def text_is_complete() -> None:
                    alarm.reschedule(self._now() + self._patience_s())

                if self.text.ended_at is None:
                    self.text.when_ended = text_is_complete
                else:
                    text_is_complete()
                return await anext(audio, None)
        except TimeoutError:
            waited = f"{self._now() - max(began, self.text.ended_at or began):.1f} s"
            raise Failure(
                EngineStalled(f"The upstream server {name} gave no audio for {waited}."), Verdict.SUSPECT
            ) from None
        finally:
            self.text.when_ended = None
            if self.text.ended_at is not None:
                self._waited_s += self._now() - max(began, self.text.ended_at)

    def _patience_s(self) -> float:
        left_s = self.limits.request_s - self._waited_s
        if self._audio_s:
            return min(left_s, self.limits.chunk_s)
        # The time left is shared with the attempts that may follow.
        return min(left_s, self._left_for_first_audio_s() / (self.limits.attempts - self._failed_attempts))

    def _left_for_first_audio_s(self) -> float:
        if self.text.ended_at is None:
            return self.limits.first_audio_s
        return self.text.ended_at + self.limits.first_audio_s - self._now()


def _failed(what: str) -> Failure:
    return Failure(EngineFailed(f"The upstream server {what}."), Verdict.SUSPECT)
