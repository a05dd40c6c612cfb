"""Voices and mixes of them, as written in a request: ``af_heart``, ``zf_xiaoxiao:0.6+af_heart:0.4``."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Collection, Mapping
from importlib import resources

from saystream.errors import InvalidValue

__all__ = ["MAX_PARTS", "clear_in_english", "gain", "is_british", "parse_voice"]

MAX_PARTS = 4
"""Voices in one mix; with more than a few, none can be recognised."""

_ENGLISH = ("a", "b")
"""First letters of the names of American and British voices; the second letter is the sex."""
_HELPERS = {"f": "af_heart", "m": "am_michael"}
_TIMBRE_SHARE = 0.6
_RHYTHM_SHARE = 0.4
"""With these, Whisper heard every English word in 18 of 20 Chinese sentences by zf_xiaoxiao, instead of in 10. The
speaker stayed the same to 0.90, as between two of her sentences."""

_LOUDNESS: dict[str, float] = tomllib.loads(
    resources.files(__package__).joinpath("loudness.toml").read_text(encoding="utf-8")
)
_WANTED_LUFS = -24.0
"""Within 2 of hibari, Piper's Joe and eSpeak NG: a session may change engines with the language. The model's own voices
lie between -26 and -13, some of them beyond full scale."""

_FORM = "a voice such as 'af_heart', or a mix such as 'zf_xiaoxiao:0.6+af_heart:0.4'"


def parse_voice(expression: str, voices: Collection[str]) -> dict[str, float]:
    """The voices of a mix and their shares, which add up to 1.

    Raises InvalidValue for a voice that is not one of ``voices``, a weight that is not a positive number, a voice named
    twice, and more than ``MAX_PARTS`` of them.
    """
    parts = expression.split("+")
    if len(parts) > MAX_PARTS:
        raise InvalidValue("voice", expression, f"at most {MAX_PARTS} voices in a mix")
    weights: dict[str, float] = {}
    for part in parts:
        name, _, weight = part.partition(":")
        if name not in voices:
            raise InvalidValue("voice", name, voices)
        if name in weights:
            raise InvalidValue("voice", expression, "each voice once")
        weights[name] = _weight(weight, expression) if ":" in part else 1.0
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def is_british(weights: dict[str, float]) -> bool:
    """Whether most of the mix is a British voice: their names begin with "b"."""
    return sum(share for name, share in weights.items() if name.startswith("b")) > 0.5


def gain(weights: Mapping[str, float]) -> float:
    """The factor that makes the mix as loud as any other. Voices that are not Kokoro's own are left unchanged."""
    above = sum(share * (_LOUDNESS.get(name, _WANTED_LUFS) - _WANTED_LUFS) for name, share in weights.items())
    return float(10 ** (-above / 20))


def clear_in_english(
    weights: dict[str, float], voices: Collection[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """The mixes, for timbre and for rhythm, that say English words clearly although the voice is of another language:
    with a share of an English voice of the same sex, as far as the mix does not have one already."""
    helper = _HELPERS.get(max(weights, key=lambda name: weights[name])[1:2], "")
    if helper not in voices:
        return weights, weights
    return _with_english(weights, helper, _TIMBRE_SHARE), _with_english(weights, helper, _RHYTHM_SHARE)


def _with_english(weights: dict[str, float], helper: str, wanted: float) -> dict[str, float]:
    """The mix with enough of ``helper`` to make ``wanted`` of it English."""
    english = sum(share for name, share in weights.items() if name[0] in _ENGLISH)
    if english >= wanted:
        return weights
    added = (wanted - english) / (1 - english)
    mix = {name: share * (1 - added) for name, share in weights.items()}
    mix[helper] = mix.get(helper, 0.0) + added
    return mix


def _weight(written: str, expression: str) -> float:
    try:
        weight = float(written)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise InvalidValue("voice", expression, _FORM)
    return weight
