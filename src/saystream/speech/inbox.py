"""What a session is given, and the responses that it becomes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from saystream.errors import ServerFault, TextTooLong
from saystream.speech.parts import is_audible, length, url_of, with_joined_text
from saystream.speech.plain_text import PlainText
from saystream.speech.response import SpeechResponse
from saystream.text.inline_pauses import InlinePauses
from saystream.text.rewriting import Rewritten
from saystream.text.script import Manner, Passage, Pause, Sound
from saystream.text.segmenter import Segmenter, is_speakable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from saystream.audio import AudioChunk
    from saystream.config import Settings
    from saystream.speech.events import SpeechConfig
    from saystream.speech.pace import Pace
    from saystream.speech.services import StreamOpener
    from saystream.text.script import Part

__all__ = ["Inbox"]


class Inbox:
    """Takes text and other parts, and puts them into responses: into an open one as they come, or all that was
    committed into one of its own. Nothing here waits."""

    def __init__(self, settings: Settings, config: SpeechConfig, opener: StreamOpener, pace: Pace) -> None:
        """``opener`` is configured here, and opens the streams of the responses."""
        self._settings = settings
        self._config = config
        self._opener = opener
        self._pace = pace
        self.sounds: dict[str, AudioChunk] = {}
        """What parts name by a URL."""
        self._inline = InlinePauses() if settings.inline_pauses else None
        self._buffer: list[str | Part] = []
        """``commit`` mode: what has not been committed…"""
        self._buffered_characters = 0
        """…and how much it is."""
        self.responses: deque[SpeechResponse] = deque()
        """In order; with ``server_commit`` the last one may still take text and may have nothing to say yet."""
        self.speaking: SpeechResponse | None = None
        """The first of them, once its ``ResponseStarted`` has been sent."""
        self._idle_timer: asyncio.TimerHandle | None = None
        self._hold_timer: asyncio.TimerHandle | None = None
        """For text that is held back, because it may be the beginning of markup."""

    @property
    def waiting_characters(self) -> int:
        """Text that no engine speaks yet."""
        held = 0 if self._inline is None else len(self._inline.held)
        held += sum(response.plain.held_characters for response in self.responses if response.plain)
        return (
            held + self._buffered_characters + sum(response.waiting_characters for response in self.responses)
        )

    def configure(self, config: SpeechConfig) -> None:
        """As ``SynthesisSession.configure``; likewise the following."""
        parts = [*(part for response in self.responses for part in response.parts), *self._buffer]
        self.close()
        self._clear_buffer()
        self._config = config
        self._opener.configure(config)
        for part in with_joined_text(parts):
            self._take(part)

    def push(self, part: str | Part) -> None:
        limit, waiting = self._settings.limits.max_buffered_characters, self.waiting_characters
        if waiting + length(part) > limit:
            raise TextTooLong(
                f"{length(part)} characters do not fit: {waiting} of at most {limit} are already waiting to be spoken."
                " Send more when some of it has been spoken, or cancel the response.",
                param="text",
            )
        if (url := url_of(part)) is not None:
            self.sounds[url]
        if not isinstance(part, str) or self._inline is None:
            self._take(part)
            return
        held = self._inline.held
        try:
            for each in self._inline.push(part):
                self._take(each)
        except ServerFault:
            self._inline.held = held
            raise

    def commit(self) -> None:
        self._take_held()
        if not self._config.server_commit:
            if self._add_whole(self._buffer):
                self._clear_buffer()
        elif (response := self.open_response()) is not None:
            self.release(response)
            if response.speakable or _had_words(response):
                response.close()
            else:
                self.responses.pop()
            self._pace.wake()

    def flush(self) -> None:
        self._take_held()
        if (response := self.open_response()) is not None:
            self.release(response)
        if response is not None and response.speakable:
            response.flush(self._pace.now_ms())
            self.restart_idle_timer(response)
            self._pace.wake()

    def clear(self) -> None:
        self._clear_buffer()
        self.drop_held()
        response = self.open_response()
        if response is not None and response is self.speaking:
            response.drop_unspoken()
        elif response is not None:
            response.stop()
            self.responses.pop()

    def close(self) -> None:
        """Free the engines at once."""
        for response in self.responses:
            response.stop()
        self.responses.clear()
        for timer in (self._idle_timer, self._hold_timer):
            if timer is not None:
                timer.cancel()

    def restart_idle_timer(self, response: SpeechResponse) -> None:
        """A fed response ends like any other when nothing has come in or gone out for a while."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if response.is_fed and not self._config.one_response:
            delay_s = self._settings.realtime.response_idle_ms / 1000
            self._idle_timer = asyncio.get_running_loop().call_later(delay_s, self.end, response)

    def end(self, response: SpeechResponse) -> None:
        """Nothing more came for a response that could take more."""
        self.release(response)
        response.close()

    def release(self, response: SpeechResponse) -> None:
        """What may have been the beginning of markup is text: nothing more comes, or not soon."""
        if response.plain is not None and not response.closed:
            self._add_text(response, response.plain.finish())
            self._pace.wake()

    def _take(self, part: str | Part) -> None:
        if self._config.server_commit:
            self._add_to_open_response(part)
        else:
            self._buffer.append(part)
            self._buffered_characters += length(part)

    def _clear_buffer(self) -> None:
        self._buffer.clear()
        self._buffered_characters = 0

    def _take_held(self) -> None:
        """What might have been a tag is text: nothing more comes."""
        if self._inline is not None and (text := self._inline.flush()):
            self._take(text)

    def drop_held(self) -> None:
        if self._inline is not None:
            self._inline.flush()
        if (response := self.open_response()) is not None and response.plain is not None:
            response.plain.finish()

    def open_response(self) -> SpeechResponse | None:
        """The response that text can still join."""
        return self.responses[-1] if self.responses and not self.responses[-1].closed else None

    def _new_response(self) -> SpeechResponse:
        segmenter = Segmenter(**self._settings.segmenter.model_dump(), language_of=self._opener.language.of)
        response = SpeechResponse(segmenter, self._opener.open, self._opener.readable_parts)
        wanted = self._config.markup
        if (self._settings.markup if wanted == "auto" else wanted) == "strip":
            response.plain = PlainText()
        return response

    def _add_to_open_response(self, part: str | Part) -> None:
        present = self.open_response()
        response = present or self._new_response()
        self._say(response, part)
        self.restart_idle_timer(response)
        if response is not self.speaking:
            response.parts.append(part)
        if present is None:
            self.responses.append(response)  # not before: an engine may have refused its text
        self._pace.wake()

    def _add_whole(self, parts: Iterable[str | Part]) -> bool:
        """Add a response of its own, with all that it says known; False if nothing to hear was given."""
        response = self._new_response()
        plain = [*self._plain(response, parts)]
        if not any(map(is_audible, plain)) and not _had_words(response):
            return False
        for part in plain:
            self._add(response, part)
        response.parts += parts
        response.close()
        self.responses.append(response)
        self._pace.wake()
        return True

    def _plain(self, response: SpeechResponse, parts: Iterable[str | Part]) -> Iterator[str | Part]:
        """What a response says for ``parts``, which are complete."""
        plain = response.plain
        for part in with_joined_text(parts):
            if plain is not None and isinstance(part, str):
                yield plain.push(part) + plain.finish()
            else:
                if plain is not None and isinstance(part, Passage):
                    plain.passage(part.text.text)
                yield part

    def _say(self, response: SpeechResponse, part: str | Part) -> None:
        """``part`` is what an open response says next."""
        plain = response.plain
        if plain is not None and isinstance(part, str):
            self._add_text(response, plain.push(part))
            self._restart_hold_timer(response)
            return
        self.release(response)
        if plain is not None and isinstance(part, Passage):
            plain.passage(part.text.text)
        self._add(response, part)

    def _add_text(self, response: SpeechResponse, text: str) -> None:
        if text:
            self._add(response, text)

    def _restart_hold_timer(self, response: SpeechResponse) -> None:
        """Text waits no longer for what it may become than a sentence waits for its end."""
        if self._hold_timer is not None:
            self._hold_timer.cancel()
        if response.plain is not None and response.plain.held_characters:
            delay_s = self._settings.segmenter.max_wait_ms / 1000
            self._hold_timer = asyncio.get_running_loop().call_later(delay_s, self.release, response)

    def _add(self, response: SpeechResponse, part: str | Part) -> None:
        if isinstance(part, Pause | Sound):
            response.add_between(part, self._pace.now_ms())
            return
        passage = part if isinstance(part, Passage) else Passage(Rewritten.of(part))
        text, can_be_fed = passage.text.text, passage.manner == Manner()
        begins = not response.speakable and is_speakable(text)
        if can_be_fed and (response.is_fed or (begins and self._opener.takes_text_uncut(text))):
            response.feed(text, passage.pronunciations)
            return
        if response.is_fed:
            response.part()
        response.add(text, self._pace.now_ms(), manner=passage.manner, pronunciations=passage.pronunciations)


def _had_words(response: SpeechResponse) -> bool:
    """Whether it was given words, if only those of tags."""
    return response.plain is not None and response.plain.had_words
