"""What interludes do to the chain of a response."""

from __future__ import annotations

import numpy as np
import pytest

from saystream.audio import AudioChunk, AudioFormat, Effects
from saystream.dsp.chain import Chain
from saystream.dsp.voicing import Music
from saystream.speech.manners import Interludes
from saystream.text.script import Background, Manner, Pause, Sound

SOUND = AudioChunk(np.full(2400, 0.5, np.float32), 24000)


class NotingChain(Chain):
    """Notes what it is changed to."""

    def __init__(self) -> None:
        super().__init__(AudioFormat(), first_delta_ms=40, delta_ms=100)
        self.effects: list[Effects] = []
        self.music: list[Music | None] = []

    def change(self, effects: Effects, **more: object) -> object:  # type: ignore[override]
        self.effects.append(effects)
        music = more.get("music")
        assert music is None or isinstance(music, Music)
        self.music.append(music)
        return super().change(effects, **more)  # type: ignore[arg-type]


@pytest.fixture
def chain() -> NotingChain:
    return NotingChain()


@pytest.fixture
def interludes(chain: NotingChain) -> Interludes:
    return Interludes(chain, Effects(1.2, 0.9, 70), {"a": SOUND, "b": SOUND})


def test_a_manner_takes_the_place_of_what_the_session_says_and_leaves_the_rest(
    chain: NotingChain, interludes: Interludes
) -> None:
    for manner in (Manner(), Manner(rate=2.0), Manner(rate=2.0), Manner(pitch=1.5, volume=0), Manner()):
        list(interludes.change(manner))
    assert chain.effects == [Effects(2.0, 0.9, 70), Effects(1.2, 1.5, 0), Effects(1.2, 0.9, 70)]
    assert chain.music == [None] * 3


def test_the_same_music_goes_on_and_another_begins(chain: NotingChain, interludes: Interludes) -> None:
    first, second = Background("a", 30), Background("b")
    for manner in (
        Manner(background=first), Manner(rate=2.0, background=first), Manner(background=second), Manner(),
        Manner(background=second),
    ):  # fmt: skip
        list(interludes.change(manner))
    one, same, other, none, again = chain.music
    assert one is same
    assert one is not None and one.volume == 30
    assert other is not None and other is not one
    assert none is None
    assert again is not None and again is not other


def test_pauses_and_sounds_are_heard(chain: NotingChain, interludes: Interludes) -> None:
    deltas = [*interludes.put(Pause(500)), *interludes.put(Sound("a")), *chain.flush()]
    assert sum(delta.duration_ms for delta in deltas) == pytest.approx(600)
