"""Effects on a voice that SSML names: a robot, a child, an echo, filters and an equaliser (protocol reference,
inference §6).

What comes out never exceeds the limit of a limiter: an effect that makes a voice louder does not clip it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saystream.dsp.filters import FilterChain
from saystream.dsp.loudness import PEAK_LIMIT
from saystream.dsp.stage import flush_all, push_all, within
from saystream.dsp.tempo import make_tempo
from saystream.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saystream.audio import Samples
    from saystream.dsp.stage import Stage

__all__ = ["EFFECTS", "EQUALISER_DB", "EQUALISER_HZ", "check_effect", "make_effect"]

EFFECTS: Final = ("robot", "lolita", "lowpass", "echo", "eq", "lpfilter", "hpfilter")

EQUALISER_HZ: Final = (40, 100, 200, 400, 800, 1600, 4000, 12000)
"""Centres of the bands of ``eq``."""
EQUALISER_DB: Final = (-20, 20)

_LOWPASS_HZ = 1500
"""Of ``lowpass``, which takes no value: as through a door."""

_ROBOT_WINDOW_MS = 20
"""All harmonics of a window of about this length begin together, so that the voice hums on one note."""
_ROBOT_GAIN_DB = 10
"""About what is lost by that."""

_GIRL = 1.4
"""How much higher ``lolita`` is, resonances included: a woman becomes a girl."""

_ECHO = "0.8:0.9:260:0.35"
"""Gains before and after, the delay in milliseconds, and how much of it comes back."""

_LIMITER_MS = 5


def check_effect(name: str, values: Sequence[float], sample_rate: int) -> None:
    """Raises InvalidValue, whose ``param`` is ``effect`` or ``effectValue``, for an effect that there is not."""
    if name not in EFFECTS:
        raise InvalidValue("effect", name, EFFECTS)
    if name == "eq":
        if len(values) != len(EQUALISER_HZ):
            raise InvalidValue("effectValue", f"{len(values)} numbers", f"{len(EQUALISER_HZ)} numbers")
        for value in values:
            within("effectValue", value, EQUALISER_DB)
    elif name in ("lpfilter", "hpfilter"):
        if len(values) != 1:
            raise InvalidValue("effectValue", f"{len(values)} numbers", "one frequency in Hz")
        within("effectValue", values[0], (1, sample_rate / 2))
    elif values:
        raise InvalidValue("effectValue", f"{len(values)} numbers", f"none for the effect {name}")


def make_effect(name: str, values: Sequence[float], sample_rate: int) -> Stage:
    """The effect for audio of ``sample_rate``. Raises what ``check_effect`` raises."""
    check_effect(name, values, sample_rate)
    limit = f"limit={PEAK_LIMIT}:attack={_LIMITER_MS}:release=50:level=false:latency=true"
    filters = [*_FILTERS[name](values, sample_rate), ("alimiter", limit)]
    window_ms = 2 * _ROBOT_WINDOW_MS if name == "robot" else 0
    stage = _Filters(sample_rate, filters, delay_ms=_LIMITER_MS + window_ms)
    if name != "lolita":
        return stage
    return _Row([make_tempo(sample_rate, speed=1.0, pitch=_GIRL), stage])


def _robot(_: Sequence[float], sample_rate: int) -> list[tuple[str, str]]:
    size = 1 << round(sample_rate * _ROBOT_WINDOW_MS / 1000).bit_length()
    real, imaginary = "hypot(re,im)*sin(0)", "hypot(re,im)*cos(0)"
    return [
        ("afftfilt", f"real='{real}':imag='{imaginary}':win_size={size}:overlap=0.75"),
        ("volume", f"{_ROBOT_GAIN_DB}dB"),
    ]


def _equaliser(values: Sequence[float], sample_rate: int) -> list[tuple[str, str]]:
    bands = zip(EQUALISER_HZ, values, strict=True)
    return [
        ("equalizer", f"f={centre}:t=o:w=1:g={gain:g}")
        for centre, gain in bands
        if gain and centre < sample_rate / 2
    ]


def _steep(kind: str, frequency: float, sample_rate: int) -> list[tuple[str, str]]:
    """Four poles: 24 dB an octave. At the end of the band there is nothing to filter."""
    return [(kind, f"f={frequency:g}:p=2")] * 2 if frequency < sample_rate / 2 else []


_FILTERS: Final[dict[str, Callable[[Sequence[float], int], list[tuple[str, str]]]]] = {
    "robot": _robot,
    "lolita": lambda _, __: [],
    "lowpass": lambda _, rate: _steep("lowpass", _LOWPASS_HZ, rate),
    "echo": lambda _, __: [("aecho", _ECHO)],
    "eq": _equaliser,
    "lpfilter": lambda values, rate: _steep("lowpass", values[0], rate),
    "hpfilter": lambda values, rate: _steep("highpass", values[0], rate),
}


class _Filters(FilterChain):
    def __init__(self, sample_rate: int, filters: Sequence[tuple[str, str]], *, delay_ms: float) -> None:
        super().__init__(sample_rate, filters)
        self.delay_ms = delay_ms


class _Row:
    """Stages as one."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages
        self.delay_ms = sum(stage.delay_ms for stage in stages)

    def push(self, samples: Samples) -> list[Samples]:
        return push_all(self._stages, [samples])

    def flush(self) -> list[Samples]:
        return flush_all(self._stages)
