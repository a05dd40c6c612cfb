"""The text side of a session: where one stretch of text ends and the next begins, and what waits to be spoken."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable

__all__ = ["TextCutter", "TextQueue"]

_SENTENCE_END = re.compile(r"[.!?…](?=\s)|[。！？]|\n")


class TextQueue:
    """The ids of one text, in order, then the end of the text for one row, then padding without end."""

    def __init__(self, *, eos_id: int, pad_id: int, is_speakable: Callable[[int], bool]) -> None:
        """``is_speakable(id)``: whether it contains something to hear."""
        self._eos_id = eos_id
        self._pad_id = pad_id
        self._is_speakable = is_speakable
        self._speakable_left = 0
        self._ids: deque[int] = deque()
        self._pieces: deque[list[int]] = deque()
        """Remaining ids and characters of every push, in order."""
        self._loose_characters = 0
        """Pushed, but no id has come from them yet."""
        self._eos_given = False
        self.given = 0
        """Ids of text given out so far."""
        self.closed = False
        self.waiting_characters = 0
        """Pushed characters whose ids have not been given out; in a push each id has an equal share of them."""

    def __len__(self) -> int:
        """Ids of text not yet given out."""
        return len(self._ids)

    @property
    def speakable(self) -> bool:
        """Whether the ids not yet given out contain something to hear."""
        return self._speakable_left > 0

    def push(self, ids: Iterable[int], characters: int) -> None:
        """``ids`` come from the text up to here, ``characters`` more than at the last push."""
        if self.closed:
            raise RuntimeError("push after close")
        before = len(self._ids)
        for one in ids:
            self._ids.append(one)
            self._speakable_left += self._is_speakable(one)
        self.waiting_characters += characters
        self._loose_characters += characters
        if len(self._ids) > before:
            self._pieces.append([len(self._ids) - before, self._loose_characters])
            self._loose_characters = 0

    def close(self) -> None:
        """The text has ended."""
        self.closed = True
        self.waiting_characters -= self._loose_characters
        self._loose_characters = 0

    @property
    def spoken(self) -> bool:
        """Nothing more will come, and the ids not yet given out contain nothing to hear."""
        return self.closed and not self._speakable_left

    def has(self, count: int) -> bool:
        """Whether ``take(count)`` may be called: the next ids are known."""
        return self.closed or len(self._ids) >= count

    def take(self, count: int) -> list[int]:
        """The next ``count`` ids. Raises RuntimeError if they are not known yet."""
        if not self.has(count):
            raise RuntimeError(f"{count} ids were asked for, and {len(self._ids)} are known")
        taken = [self._ids.popleft() for _ in range(min(count, len(self._ids)))]
        self.given += len(taken)
        self._speakable_left -= sum(map(self._is_speakable, taken))
        self._count_taken(len(taken))
        if len(taken) < count and not self._eos_given:
            self._eos_given = True
            taken.append(self._eos_id)
        return taken + [self._pad_id] * (count - len(taken))

    def take_all(self) -> list[int]:
        """All ids of a closed text, for a prompt that contains them and their end: only padding follows."""
        if not self.closed:
            raise RuntimeError("the text is still open")
        taken = self.take(len(self))
        self._eos_given = True
        return taken

    def restart(self) -> None:
        """The rest is spoken by another prompt, which needs its own end."""
        self._eos_given = False

    def _count_taken(self, num_ids: int) -> None:
        while num_ids:
            piece = self._pieces[0]
            some = min(num_ids, piece[0])
            characters = piece[1] * some // piece[0]
            num_ids -= some
            piece[0] -= some
            piece[1] -= characters
            self.waiting_characters -= characters
            if not piece[0]:
                self._pieces.popleft()


class TextCutter:
    """Cuts a text that never ends into stretches that fit into the positions of one prompt.

    A stretch ends with the first sentence that ends after ``soft_bytes`` of it, else with the first word after
    ``hard_bytes``, else in the middle of a word of the same length again. UTF-8 bytes, because speech of a byte lasts
    about a frame in every script: 15 letters or 4 Chinese characters a second, at 12.5 frames. The cuts do not depend
    on how the text was split into pushes.
    """

    def __init__(self, *, soft_bytes: int, hard_bytes: int) -> None:
        if not 0 < soft_bytes <= hard_bytes:
            raise ValueError(
                f"soft_bytes is {soft_bytes} and hard_bytes {hard_bytes}; 0 < soft <= hard is needed"
            )
        self._soft_bytes = soft_bytes
        self._hard_bytes = hard_bytes
        self._bytes = 0
        self._before = ""
        """The last character, which may turn out to end a sentence."""

    def push(self, text: str) -> list[tuple[str, bool]]:
        """``text`` in parts, each with whether a stretch ends with it."""
        parts: list[tuple[str, bool]] = []
        start = 0
        for index, character in enumerate(text):
            if self._ends_before(character):
                parts.append((text[start:index], True))
                start = index
                self._bytes = 0
            self._bytes += len(character.encode("utf-8", "surrogatepass"))
            self._before = character
        if start < len(text):
            parts.append((text[start:], False))
        return parts

    def _ends_before(self, character: str) -> bool:
        if self._bytes >= 2 * self._hard_bytes:
            return True
        if self._bytes >= self._hard_bytes and character.isspace():
            return True
        if self._bytes < self._soft_bytes:
            return False
        return _SENTENCE_END.match(self._before + character) is not None
