"""Which sessions take part in the next step. Pure: no tensors, no clock, no threads.

A session is spoken as one or more *takes*: a take is one prompt in one slot, with text that is fed to it while it
speaks. Takes join and leave between any two steps. A take whose next text is not known yet, or whose listener has
enough, is held: it keeps its slot and its state and is simply not in the batch, so its codes are those of a run in
which everything was known from the start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from saystream.engines.qwen3.text_queue import TextQueue

__all__ = ["Batch", "Ending", "Plan", "Take"]

Ending = Literal["spoken", "cut off", "full", "cancelled"]
"""``spoken``: the model said that it has finished. ``cut off``: it did not, for far more frames than its text can need.
``full``: its positions are used up."""


class Take:
    """One prompt, and the text that it speaks."""

    def __init__(
        self,
        *,
        prompt_rows: int,
        text_rows: int,
        text: TextQueue,
        frame_limit: Callable[[int], int],
        lead_ids: Iterable[int] = (),
        ids_in_prompt: int = 0,
    ) -> None:
        """``prompt_rows`` come first and need no text, then ``text_rows`` with one id each. ``lead_ids`` come before
        those of ``text``: the text of a reference. ``ids_in_prompt`` ids of its text are already in the prompt.
        ``frame_limit(num_ids)``: frames after which speech of that many ids is a runaway."""
        self.prompt_rows = prompt_rows
        self.text_rows = text_rows
        self.text = text
        self.paused = False
        """Its listener has enough audio for now."""
        self.slot: int | None = None
        """Its own slot while it speaks."""
        self.position = 0
        """Rows in its cache."""
        self.frames = 0
        """Frames that it has given."""
        self.ending: Ending | None = None
        self._frame_limit = frame_limit
        self._lead_ids = deque(lead_ids)
        self._ids_in_prompt = ids_in_prompt
        self._given_before = text.given

    @property
    def rows(self) -> int:
        """Of its whole prompt."""
        return self.prompt_rows + self.text_rows

    @property
    def frame_limit(self) -> int:
        """For the text that it has received so far."""
        return self._frame_limit(self._ids_in_prompt + self.text.given - self._given_before)

    @property
    def can_start(self) -> bool:
        # With nothing to say the model would make something up.
        anything = self._ids_in_prompt > 0 or self.text.speakable
        return anything and not self.paused and self._knows(self.text_rows)

    @property
    def can_step(self) -> bool:
        return not self.paused and self._knows(1)

    def take_ids(self, count: int) -> list[int]:
        """The next ids of text, for ``count`` rows. Raises RuntimeError if they are not known yet."""
        lead = [self._lead_ids.popleft() for _ in range(min(count, len(self._lead_ids)))]
        return lead + self.text.take(count - len(lead))

    def _knows(self, count: int) -> bool:
        return self.text.has(max(0, count - len(self._lead_ids)))


@dataclass(slots=True)
class Plan:
    """What to do next."""

    starts: list[Take] = field(default_factory=list)
    """Takes that get their prompts now; they have their slots."""
    steps: list[Take] = field(default_factory=list)
    """Takes that get one frame each, after the starts; the starts are not among them."""

    def __bool__(self) -> bool:
        return bool(self.starts or self.steps)


class Batch:
    """The takes of one engine and its slots."""

    def __init__(self, *, num_slots: int, max_positions: int, max_start_rows: int) -> None:
        """``max_start_rows``: prompt rows computed before one step, so that takes that already speak wait little for
        those that join; a longer prompt is computed alone."""
        self.num_slots = num_slots
        self._max_positions = max_positions
        self._max_start_rows = max_start_rows
        self._free = list(range(num_slots - 1, -1, -1))
        self._waiting: deque[Take] = deque()
        self._speaking: list[Take] = []

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def speaking(self) -> int:
        return len(self._speaking)

    def join(self, take: Take) -> None:
        """Let it wait for a slot and its first text. Raises ValueError if its prompt leaves no room to speak."""
        if take.rows >= self._max_positions:
            raise ValueError(
                f"a prompt of {take.rows} rows leaves no room in {self._max_positions} positions"
            )
        self._waiting.append(take)

    def leave(self, take: Take, ending: Ending = "cancelled") -> None:
        """Free its slot at once; has no effect once it has ended."""
        if take.ending is not None:
            return
        take.ending = ending
        if take.slot is None:
            self._waiting.remove(take)
        else:
            self._speaking.remove(take)
            self._free.append(take.slot)
            take.slot = None

    def plan(self) -> Plan:
        """Which takes start and step now. Call ``started`` and ``stepped`` for each of them afterwards."""
        plan = Plan(steps=[take for take in self._speaking if take.can_step])
        rows = 0
        for take in [take for take in self._waiting if take.can_start]:
            if not self._free or (rows and rows + take.rows > self._max_start_rows):
                break
            rows += take.rows
            take.slot = self._free.pop()
            self._waiting.remove(take)
            self._speaking.append(take)
            plan.starts.append(take)
        return plan

    def started(self, take: Take) -> None:
        """Its prompt is in its cache, with ``text_rows`` of its text."""
        take.position = take.rows

    def stepped(self, take: Take, *, ended: bool) -> None:
        """It gave one frame and received one id; ``ended`` if the model said that this was the last."""
        take.position += 1
        take.frames += 1
        if ended:
            self.leave(take, "spoken")
        elif take.frames >= take.frame_limit:
            self.leave(take, "cut off")
        elif take.position >= self._max_positions:
            self.leave(take, "full")
