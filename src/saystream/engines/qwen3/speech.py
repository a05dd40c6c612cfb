"""One stream of speech: its text as it arrives, the takes that speak it, and its audio as it leaves."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from saystream.audio import SpeechChunk
from saystream.dsp.effects import shaped
from saystream.engines.base import EngineStream, Span
from saystream.engines.qwen3.batch import Take
from saystream.engines.qwen3.packets import Packetizer
from saystream.engines.qwen3.text_queue import TextCutter, TextQueue

if TYPE_CHECKING:
    from saystream.audio import Samples
    from saystream.dsp.stage import Stage

__all__ = ["Speech", "SpeechStream", "Tokenizer", "Wake"]

_CHARACTERS_AT_ONCE = 2048
"""Cut and tokenized in a few milliseconds: a book in one push delays no other stream."""

Wake = Callable[[], None]
"""Tells the engine's thread that there may be something to do."""


class Tokenizer(Protocol):
    """Gives ids as soon as later text can no longer change them."""

    def push(self, text: str) -> list[int]: ...

    def finish(self) -> list[int]: ...


class SpeechStream(EngineStream):
    """The side of a stream that other threads see; the engine's thread takes its text and gives it audio."""

    def __init__(self, wake: Wake, stages: Sequence[Stage] = ()) -> None:
        """Audio passes through ``stages`` before it is read."""
        self._wake = wake
        self._stages = stages
        self._changed = threading.Condition()
        self._text: deque[str] = deque()
        self._pushed_characters = 0
        self._taken_characters = 0
        self._packets: deque[Samples] = deque()
        self._unread_samples = 0
        self._ended = False
        self._fault: BaseException | None = None
        self.input_ended = False
        self.cancelled = False

    # For its caller.

    def push(self, span: Span) -> None:
        with self._changed:
            self._text.append(span.text)
            self._pushed_characters += len(span.text)
        self._wake()

    def end_input(self) -> None:
        self.input_ended = True
        self._wake()

    def chunks(self) -> Iterator[SpeechChunk]:
        yield from map(SpeechChunk, shaped(self._packets_read(), self._stages))

    @property
    def waiting_characters(self) -> int:
        with self._changed:
            return self._pushed_characters - self._taken_characters

    def cancel(self) -> None:
        self.cancelled = True
        with self._changed:
            self._packets.clear()
            self._changed.notify_all()
        self._wake()

    def _packets_read(self) -> Iterator[Samples]:
        while (packet := self._next()) is not None:
            self._wake()
            yield packet

    def _next(self) -> Samples | None:
        with self._changed:
            while not (self._packets or self._ended or self.cancelled):
                self._changed.wait()
            if self.cancelled:
                return None
            if self._packets:
                packet = self._packets.popleft()
                self._unread_samples -= len(packet)
                return packet
            if self._fault is not None:
                raise self._fault
            return None

    # For the engine's thread.

    @property
    def unread_samples(self) -> int:
        """Audio given but not yet read."""
        with self._changed:
            return self._unread_samples

    def take_text(self, num_characters: int) -> tuple[str, bool]:
        """The next text, at most ``num_characters`` of it, and whether it was the last."""
        ended = self.input_ended  # first: if the end is seen, everything pushed before it is seen too
        parts = []
        with self._changed:
            while self._text and num_characters > 0:
                text = self._text.popleft()
                if len(text) > num_characters:
                    self._text.appendleft(text[num_characters:])
                    text = text[:num_characters]
                parts.append(text)
                num_characters -= len(text)
            return "".join(parts), ended and not self._text

    @property
    def has_text(self) -> bool:
        """Whether text was pushed and not yet taken."""
        return bool(self._text)

    def text_waits(self, num_characters: int) -> None:
        """This much of the text that was taken is not spoken yet."""
        with self._changed:
            untaken = sum(map(len, self._text))
            self._taken_characters = self._pushed_characters - untaken - num_characters

    def give(self, packet: Samples) -> None:
        with self._changed:
            self._packets.append(packet)
            self._unread_samples += len(packet)
            self._changed.notify_all()

    def end(self, fault: BaseException | None = None) -> None:
        """No more audio will come; ``fault`` is raised to the reader after the audio so far."""
        with self._changed:
            self._ended = True
            self._fault = fault
            self._changed.notify_all()


class Speech:
    """What the engine's thread keeps of one stream.

    Its text is cut into stretches, each with a queue of ids. A take speaks the first of them; if it ends before its
    text does, the next one continues with the rest. So the codes depend only on the text, not on when it arrived.
    """

    def __init__(
        self,
        stream: SpeechStream,
        *,
        new_tokenizer: Callable[[], Tokenizer],
        new_queue: Callable[[], TextQueue],
        cutter: TextCutter,
        packetizer: Packetizer,
    ) -> None:
        self.stream = stream
        self.take: Take | None = None
        self.takes = 0
        """How many it has had."""
        self.codec_frames = 0
        """Frames that the codec of its slot has had."""
        self.packetizer = packetizer
        self._new_tokenizer = new_tokenizer
        self._new_queue = new_queue
        self._cutter = cutter
        self._tokenizer = new_tokenizer()
        self._queues = deque([new_queue()])
        self._blank = True
        """Only white space has come since the last stretch began."""

    @property
    def text(self) -> TextQueue:
        """What the current take speaks, or the next one."""
        return self._queues[0]

    @property
    def spoken(self) -> bool:
        """Whether there is nothing left to say."""
        return len(self._queues) == 1 and self.text.spoken

    def accept_text(self) -> None:
        """Take some of the text pushed since."""
        text, ended = self.stream.take_text(_CHARACTERS_AT_ONCE)
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()  # half of a surrogate pair is not text
        open_queue = self._queues[-1]
        if not open_queue.closed:
            for part, ends in self._cutter.push(text):
                self._push(part)
                if ends:
                    self._end_stretch()
                    self._tokenizer = self._new_tokenizer()
                    self._queues.append(self._new_queue())
                    self._blank = True
            if ended:
                self._end_stretch()
        self.count_text()

    def go_on(self) -> bool:
        """Move on to the text of the next take; False if nothing is left to say."""
        self.text.restart()
        while self.text.spoken and len(self._queues) > 1:
            self._queues.popleft()
        return not self.text.spoken

    def count_text(self) -> None:
        """Report how much of the text is not spoken yet."""
        self.stream.text_waits(sum(queue.waiting_characters for queue in self._queues))

    def _push(self, text: str) -> None:
        spaces = 0
        if self._blank:
            # A prompt begins with a word, as users of the reference write it.
            spaces = len(text) - len(text.lstrip())
            self._blank = spaces == len(text)
        if not self._blank:
            self._queues[-1].push(self._tokenizer.push(text[spaces:]), len(text))

    def _end_stretch(self) -> None:
        queue = self._queues[-1]
        queue.push(self._tokenizer.finish(), 0)
        queue.close()
