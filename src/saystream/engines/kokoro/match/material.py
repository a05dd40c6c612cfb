"""What is kept of a speaker: a mix of voices, and what is changed in it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

from saystream.dsp.analysis.spectrum import BANDS_HZ
from saystream.errors import InvalidValue

if TYPE_CHECKING:
    from saystream.audio import Samples

__all__ = ["Match", "Tuning"]

_Ratio = Annotated[float, msgspec.Meta(ge=0.2, le=5.0)]
_Hertz = Annotated[float, msgspec.Meta(ge=20.0, le=1000.0)]
_Decibels = Annotated[float, msgspec.Meta(ge=-40.0, le=40.0)]
_Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


@dataclass(frozen=True, slots=True)
class Tuning:
    """Another pitch for the intonation of the model."""

    own_hz: float
    """The median that it has by itself."""
    hz: float
    """The median that it gets."""
    spread: float
    """How much farther from the median it goes, in octaves."""
    voiced_above_hz: float = 10.0
    """Below, there is no voice."""

    def __call__(self, f0: Samples) -> Samples:
        """Hz to Hz, of the same shape."""
        voiced = f0 > self.voiced_above_hz
        tuned = self.hz * (np.maximum(f0, self.voiced_above_hz) / self.own_hz) ** self.spread
        return np.where(voiced, tuned, f0).astype(np.float32)


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A speaker, as Kokoro speaks like him or her."""

    version: int = 1
    timbre: dict[str, _Share]
    """Voices and their shares."""
    rhythm: dict[str, _Share]
    """The same for intonation and lengths of sounds."""
    own_hz: _Hertz
    hz: _Hertz
    spread: _Ratio = 1.0
    """With these three, ``tuning``."""
    formant: _Ratio = 1.0
    """Resonances relative to those of the mix."""
    speed: _Ratio = 1.0
    gain_db: _Decibels = 0.0
    levels_db: tuple[_Decibels, ...] = ()
    """Gains of the bands of ``dsp.equaliser``; none: no change."""

    @property
    def tuning(self) -> Tuning:
        return Tuning(self.own_hz, self.hz, self.spread)

    def pack(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def unpack(cls, material: bytes, voices: Collection[str]) -> Match:
        """Raises InvalidValue for what is not from ``pack``, or names a voice that is not one of ``voices``."""
        try:
            match = msgspec.json.decode(material, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError):
            match = None
        if match is None or match.version != 1 or len(match.levels_db) not in (0, len(BANDS_HZ)):
            raise InvalidValue("material", "…", "what this engine has enrolled")
        for name in (*match.timbre, *match.rhythm):
            if name not in voices:
                raise InvalidValue("voice", name, voices)
        return match
