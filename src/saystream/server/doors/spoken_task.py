"""One task while it is spoken: its text, its session, its account and its place."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, assert_never

import structlog

from saystream.errors import InvalidRequest, SaystreamError, TaskTimedOut
from saystream.server.doors.task_sentences import Sentences
from saystream.server.doors.task_speech import Preparation, check_parts, nothing_to_speak, urls_of
from saystream.speech.events import (
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    SegmentBegun,
    SegmentFailed,
    SpeechEvent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from saystream.protocol.task.commands import RunTask
    from saystream.protocol.task.events import Word
    from saystream.protocol.task.server import TaskServer
    from saystream.server.access.room import Place
    from saystream.server.accounting.account import ResponseAccount
    from saystream.server.accounting.usage import Outcome
    from saystream.server.doors.base import Services
    from saystream.server.doors.task_speech import TaskSpeech
    from saystream.text.script import Part

__all__ = ["SpokenTask"]

_log = structlog.get_logger(__name__)


class SpokenTask:
    """One task, from its ``task-started`` to its last event. It tells the core of its connection what is spoken, and is
    the guest of its own place."""

    def __init__(
        self,
        services: Services,
        core: TaskServer,
        command: RunTask,
        speech: TaskSpeech,
        place: Place,
        account: ResponseAccount,
        *,
        flush: Callable[[str], None],
        work: Callable[[SpokenTask, Callable[[], Coroutine[object, object, None]]], asyncio.Task[None]],
        ended: Callable[[SpokenTask], None],
    ) -> None:
        """``flush(task_id)`` sends what the core has queued; with an id, it is that task's audio. ``work`` runs
        something of the task beside its connection, and fails the task if it raises. ``ended`` is told of the end,
        however the task ended."""
        self.id = command.task_id
        self.request_uuid = str(uuid.uuid4())
        self.speech = speech
        self.worker: asyncio.Task[None] | None = None
        """What runs ``speak``."""
        self._core = core
        self._place = place
        self._account = account
        self._flush = flush
        self._work = work
        self._ended = ended
        self._fetcher = services.fetcher
        self._fetching: asyncio.Task[None] | None = None
        """Fetches the recordings that the text names."""
        self._after_fetching: list[Callable[[], None]] = []
        """What came meanwhile."""
        self._catalog = services.catalog
        self._text_timeout_s = services.settings.task.text_timeout_s
        self._preparation = Preparation(command.parameters, inline_pauses=services.settings.inline_pauses)
        self._sentences = Sentences(
            self._preparation,
            self,
            absolute_times=speech.is_sambert,
            with_words=speech.config.marks,
            with_phonemes=speech.config.phonemes,
        )
        self._session = services.synthesizer.session(speech.config, ends_at_fault=True)
        self._timer: asyncio.TimerHandle | None = None
        self._expelled: InvalidRequest | None = None
        self._has_begun = False
        """Something is being spoken, or was."""
        self._is_over = False

    # --- text in ---------------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether something is being spoken or will be, even if nothing more comes."""
        return self._has_begun or self._fetching is not None or self._session.has_work

    def push(self, text: str) -> None:
        """More text. Recordings that it names are fetched beside the caller, before the text is spoken. Raises
        TextTooLong, InvalidMarkup, InvalidValue, VoiceRefused and ServerFault."""
        if text:
            self._account.timer.text_came()
        parts = self._preparation.push(text)
        check_parts(self._catalog, self.speech, parts)
        urls = urls_of(parts)
        if urls and self._fetching is None:
            self._fetching = self._work(self, lambda: self._fetch(urls))
        self._add(parts)

    def flush(self) -> None:
        """Speak what has come. Raises ServerFault."""
        self._add(self._preparation.flush())
        self._when_fetched(self._session.flush)

    def finish(self) -> None:
        """No more text comes. Raises ServerFault."""
        self.stop_timer()
        self._add(self._preparation.flush())
        self._when_fetched(self._session.finish)

    def _add(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self._when_fetched(partial(self._session.push, part))

    def _when_fetched(self, action: Callable[[], None]) -> None:
        if self._fetching is None:
            action()
        else:
            self._after_fetching.append(action)

    async def _fetch(self, urls: Iterable[str]) -> None:
        # Only SSML names recordings, and a task with SSML has one text: there is nothing to be fetched later.
        self._session.sounds.update(await self._fetcher.sounds(urls))
        self._fetching = None
        for action in self._after_fetching:
            action()

    def await_text(self) -> None:
        """From now on text has to come within the time that the protocol gives its client."""
        self.stop_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._text_timeout_s, self.fail, TaskTimedOut(self._text_timeout_s))

    def stop_timer(self) -> None:
        """No more text is expected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- speech out ------------------------------------------------------------------------------------------------

    async def speak(self, writable: Callable[[], Coroutine[object, object, None]]) -> None:
        """Tell the core what is spoken, up to the end of the task. Waits in ``writable`` while the peer does not
        read."""
        async with aclosing(self._session.events()) as events:
            async for event in events:
                if self._is_over:
                    return
                self._tell(event)
                await writable()
        self._finish()

    def _tell(self, event: SpeechEvent) -> None:
        match event:
            case ResponseStarted():
                self._has_begun = True
                self._account.open(self.request_uuid, self.speech.model, self.speech.config.voice)
            case SegmentBegun():
                self._sentences.begun(event)
            case ResponseAudio():
                self._account.follow(event)
                self._sentences.audio(event)
                self._flush(self.id)
            case SegmentFailed(fault=fault):
                _log.error("segment failed", code=fault.code, error=fault)
                self._account.follow(event)
            case ResponseEnded():
                self._end_response(event)
            case _:
                assert_never(event)

    def _end_response(self, ended: ResponseEnded) -> None:
        self._account.follow(ended)
        text = self._preparation.text if ended.status == "completed" else self._spoken_text()
        self._account.close(text, ended.status, ended.fault)
        if ended.fault is not None:
            _log.error("response failed", code=ended.fault.code, error=ended.fault)
            self.fail(ended.fault)
        else:
            self._sentences.finish()
            self._flush("")

    def _finish(self) -> None:
        """Everything was spoken."""
        if self._is_over:
            return
        if self._expelled is not None:
            self.fail(self._expelled)
        elif not self._has_begun and self._preparation.has_text:
            self.fail(nothing_to_speak(self.speech))
        else:
            self._core.finish(self.id, characters=self._preparation.billed)
            self._leave()

    # --- what the client is told -----------------------------------------------------------------------------------

    def sentence_begins(self, text: str) -> None:
        """A sentence begins."""
        self._core.begin_sentence(self.id, text)
        self._flush("")

    def sentence_audio(self, audio: bytes, words: tuple[Word, ...]) -> None:
        """Audio of the sentence."""
        self._core.send_audio(self.id, audio, words)
        self._flush(self.id)

    def sentence_ends(
        self, text: str, words: tuple[Word, ...], *, characters: int, begin_ms: float, end_ms: float
    ) -> None:
        """The sentence is complete."""
        self._core.end_sentence(
            self.id,
            original_text=text,
            characters=characters,
            begin_time=round(begin_ms),
            end_time=round(end_ms),
            words=words,
        )
        self._flush("")

    # --- ends ------------------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Its client wants no more of it."""
        ended = ResponseEnded("cancelled", self._spoken_text(), self._account.timer.audio_ms)
        if self._has_begun:
            self._account.follow(ended)
        self.break_off("cancelled")
        self._core.cancel(self.id, characters=self._sentences.characters)
        self._leave()

    def fail(self, fault: SaystreamError) -> None:
        """End it because of ``fault``."""
        if self._is_over:
            return
        if isinstance(fault, InvalidRequest):
            _log.info("task refused", code=fault.code, param=fault.param)
        self.break_off("failed", fault)
        self._core.fail(self.id, fault)
        self._leave()

    def break_off(self, outcome: Outcome, fault: SaystreamError | None = None) -> None:
        """Account for what is being spoken, if anything, as ended here."""
        self._account.close(self._spoken_text(), outcome, fault)

    def _spoken_text(self) -> str:
        return self._preparation.spoken(self._sentences.reached)

    def _leave(self) -> None:
        self.leave()
        self._flush("")
        self._ended(self)

    def leave(self) -> None:
        """Free the engines and the place."""
        self._is_over = True
        self.stop_timer()
        self._session.close()
        self._place.leave()
        for worker in (self.worker, self._fetching):
            if worker is not None and worker is not asyncio.current_task():
                worker.cancel()

    # --- the room --------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Nothing to do: its connection ends it, or lets it end."""

    def cut_off(self) -> None:
        """Nothing to do: its connection cuts it off."""

    def expel(self, why: InvalidRequest) -> None:
        """Take no more text; end when what has come was spoken."""
        self._expelled = why
        if self.has_work:
            self.stop_timer()
            self._when_fetched(self._session.finish)
        else:
            self.fail(why)

    @property
    def is_expelled(self) -> bool:
        """Whether it takes no more text."""
        return self._expelled is not None
