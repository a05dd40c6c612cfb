"""What a response puts into its chain besides the speech of engines: pauses, sounds, music, and other manners."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from saystream.audio import Effects
from saystream.dsp.voice_effects import make_effect
from saystream.dsp.voicing import Music
from saystream.text.script import Manner, Pause, Sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saystream.audio import AudioChunk
    from saystream.dsp.chain import Chain, EncodedAudio
    from saystream.text.script import Background

__all__ = ["Interludes"]


class Interludes:
    """Changes the chain of one response, and says what comes out by that."""

    def __init__(self, chain: Chain, effects: Effects, sounds: Mapping[str, AudioChunk]) -> None:
        """``effects`` are those of the session; ``sounds`` are what the parts of the response name, by their URLs."""
        self._chain = chain
        self._effects = effects
        self._sounds = sounds
        self._manner = Manner()
        self._music: tuple[Background, Music] | None = None
        """What is playing, and its name."""

    def change(self, manner: Manner) -> Iterator[EncodedAudio]:
        """The speech that comes next is in this manner."""
        if manner == self._manner:
            return iter(())
        self._manner = manner
        own = self._effects
        effects = Effects(
            own.speech_rate if manner.rate is None else manner.rate,
            own.pitch_rate if manner.pitch is None else manner.pitch,
            own.volume if manner.volume is None else manner.volume,
        )
        make = partial(make_effect, manner.effect, manner.effect_values) if manner.effect else None
        return self._chain.change(effects, make_effect=make, music=self._music_of(manner.background))

    def put(self, part: Pause | Sound) -> Iterator[EncodedAudio]:
        """Between the speech before and after."""
        if isinstance(part, Pause):
            return self._chain.pause(part.duration_ms)
        return self._chain.play(self._sounds[part.url])

    def _music_of(self, background: Background | None) -> Music | None:
        if background is None:
            self._music = None
            return None
        if self._music is None or self._music[0] != background:
            self._music = background, Music(self._sounds[background.url], background.volume)
        return self._music[1]
