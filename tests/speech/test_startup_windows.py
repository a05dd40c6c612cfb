"""Listeners of an engine that makes windows side by side, simulated with the costs of Kokoro: nobody runs dry."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate

import pytest

from saystream.hosting.admission import Speed
from saystream.hosting.front import Forecast
from saystream.hosting.playback import Playback
from saystream.hosting.turns import Turn, Turns
from saystream.speech.startup import hold_ms

WINDOWS_MS = (*[450.0] * 3, *[1200.0] * 4)
"""Of sound, in each: 6.15 s of speech."""
SOUND_MS = sum(WINDOWS_MS)
AROUND_MS = 225.0
"""Context that is made with each window, and thrown away."""
READ_MS = 300.0
"""Of sound that could be made in the time that reading the text takes."""
LOOK_AGAIN_MS = 50.0
GO_FIRST = 0.25


@dataclass(eq=False, slots=True)
class Listener:
    """One text, from when it came to the last of its sound."""

    came_ms: float
    turn: Turn
    further: list[Turn]
    playback: Playback
    taken: int = 0
    """Windows that are made or being made."""
    done: set[int] = field(default_factory=set)
    read: bool = False
    heard: int = 0
    """Windows that have come to the gateway, in their order."""
    first_sound_ms: float = 0.0
    lag_ms: float | None = None
    first_ms: float | None = None
    late_ms: float = 0.0

    @property
    def sounded_ms(self) -> float:
        return sum(WINDOWS_MS[: self.heard])


@dataclass(slots=True)
class Engine:
    """``cores``, each of which makes a second of sound in ``factor`` seconds, but for what is around each window."""

    cores: int
    factor: float
    speed: Speed = field(default_factory=Speed)
    now_ms: float = 0.0
    turns: Turns = field(init=False)
    listeners: list[Listener] = field(default_factory=list)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _added: int = 0
    _computing: dict[Turn, Listener] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.turns = Turns(self.cores)
        whole_ms = SOUND_MS + AROUND_MS * len(WINDOWS_MS) + READ_MS
        factor = self.factor * whole_ms / SOUND_MS
        self.speed.announced(factor, lag_ms=1200 * factor / self.cores)

    def run(self, arrivals_ms: list[float]) -> None:
        for at_ms in arrivals_ms:
            self._at(at_ms, self._arrive)
        while self._events:
            self.now_ms, _, event = heapq.heappop(self._events)
            event()
            self._compute()

    def _at(self, when_ms: float, event: Callable[[], None]) -> None:
        self._added += 1
        heapq.heappush(self._events, (when_ms, self._added, event))

    def _arrive(self) -> None:
        turn = Turn(self.now_ms)
        further = [turn.further() for _ in range(self.cores)]
        self.listeners.append(Listener(self.now_ms, turn, further, Playback(self.now_ms)))
        self.turns.ask(turn, self.now_ms)

    def _compute(self) -> None:
        """Begin what has got a turn. Each turn is a window, the first also the reading."""
        for listener in self.listeners:
            for turn in (listener.turn, *listener.further):
                if turn.taken and turn not in self._computing:
                    self._begin(listener, turn)

    def _begin(self, listener: Listener, turn: Turn) -> None:
        if listener.taken == len(WINDOWS_MS) or (turn is not listener.turn and not listener.read):
            self.turns.leave(turn, self.now_ms)
            return
        window = listener.taken
        listener.taken += 1
        self._computing[turn] = listener
        work_ms = (WINDOWS_MS[window] + AROUND_MS) * self.factor
        if not listener.read:
            read_ms = READ_MS * self.factor
            self._at(self.now_ms + read_ms, partial(self._read, listener))
            work_ms += read_ms
        self._at(self.now_ms + work_ms, partial(self._made, listener, turn, window))

    def _read(self, listener: Listener) -> None:
        listener.read = True
        self._ask_for_help(listener)

    def _ask_for_help(self, listener: Listener) -> None:
        for turn in listener.further:
            if not turn.taken and listener.taken < len(WINDOWS_MS):
                self.turns.leave(turn, self.now_ms)
                self.turns.ask_further(turn, self.now_ms)

    def _made(self, listener: Listener, turn: Turn, window: int) -> None:
        del self._computing[turn]
        listener.done.add(window)
        while listener.heard in listener.done:
            self._heard(listener, WINDOWS_MS[listener.heard])
        if turn is not listener.turn:
            self.turns.leave(turn, self.now_ms)
        waits = listener.heard < listener.taken  # what it reads next is being made
        if waits or listener.taken == len(WINDOWS_MS):
            self.turns.leave(listener.turn, self.now_ms)
        elif listener.turn not in self._computing:
            self.turns.ask(listener.turn, self.now_ms)
        self._ask_for_help(listener)

    def _heard(self, listener: Listener, sound_ms: float) -> None:
        if listener.heard == 0:
            listener.first_sound_ms = self.now_ms
        else:
            lag_ms = self.now_ms - listener.first_sound_ms - listener.sounded_ms
            listener.lag_ms = max(listener.lag_ms or 0.0, lag_ms)
        listener.heard += 1
        listener.turn.playback.audio_sent(sound_ms, self.now_ms)
        if listener.first_ms is None:
            self._release(listener)
        else:
            listener.late_ms = max(listener.late_ms, -listener.playback.lead_ms(self.now_ms))
            listener.playback.audio_sent(sound_ms, self.now_ms)
        if listener.heard == len(WINDOWS_MS):
            used_ms = listener.turn.stream_used_ms
            self.speed.measured(SOUND_MS, used_ms, size=100, lag_ms=listener.lag_ms)

    def _release(self, listener: Listener) -> None:
        if listener.first_ms is not None:
            return
        if hold_ms(listener.sounded_ms, [self._forecast(listener)]) > 0:
            self._at(self.now_ms + LOOK_AGAIN_MS, partial(self._release, listener))
            return
        listener.first_ms = self.now_ms
        listener.playback.audio_sent(listener.sounded_ms, self.now_ms)

    def _forecast(self, listener: Listener) -> Forecast:
        left_ms = SOUND_MS - listener.sounded_ms
        if not left_ms:
            return Forecast(0.0, 0.0)
        sounding = sum(each.heard < len(WINDOWS_MS) for each in self.listeners)
        others = max(0.0, sounding / self.cores - 1)
        turn_in_ms = GO_FIRST * others * self.speed.work_of_sound_ms(1200)
        lag_ms = listener.first_sound_ms + self.speed.lag_ms + turn_in_ms - self.now_ms
        made_in_ms = self.speed.work_of_sound_ms(left_ms) * sounding / self.cores
        sound_in_ms = listener.sounded_ms + lag_ms if lag_ms > 0 else 0.0
        return Forecast(sound_in_ms, left_ms, made_in_ms, min(left_ms, 1200))

    @property
    def latest_ms(self) -> float:
        return max(each.late_ms for each in self.listeners)

    def firsts_ms(self) -> list[float]:
        return [(each.first_ms or float("inf")) - each.came_ms for each in self.listeners]


@pytest.mark.parametrize(
    ("cores", "factor", "first_ms"),
    [
        (1, 0.1, 97.5),
        (1, 0.3, 292.5),
        (1, 0.5, 525),
        (1, 0.8, 1500),
        (2, 0.5, 487.5),
        (2, 0.8, 780),
        (2, 1.0, 1050),
        (8, 1.0, 975),
    ],
)
def test_a_listener_never_runs_dry_and_once_the_engine_is_known_hears_it_about_as_soon_as_can_be(
    cores: int, factor: float, first_ms: float
) -> None:
    """``first_ms`` is when the sound could begin at the soonest without a gap, which only its end shows."""
    engine = Engine(cores, factor)
    engine.run([number * 20_000.0 for number in range(6)])
    assert engine.latest_ms == 0
    assert first_ms <= engine.firsts_ms()[-1] <= 1.25 * first_ms
    assert engine.firsts_ms()[0] <= first_ms + 2000 * factor


@pytest.mark.parametrize(("cores", "factor"), [(1, 0.1), (2, 0.1), (2, 0.3), (4, 0.3)])
def test_of_listeners_who_come_at_random_at_three_quarters_of_its_speed_hardly_any_runs_dry(
    cores: int, factor: float
) -> None:
    work_ms = (SOUND_MS + AROUND_MS * len(WINDOWS_MS) + READ_MS) * factor
    late_ms: list[float] = []
    for seed in range(4):
        chance = random.Random(seed)
        came_ms = accumulate(chance.expovariate(0.75 * cores / work_ms) for _ in range(40))
        engine = Engine(cores, factor)
        engine.run(list(came_ms))
        late_ms += [each.late_ms for each in engine.listeners]
    assert max(late_ms) <= 200
    assert sum(each > 100 for each in late_ms) <= 0.02 * len(late_ms)
