"""What the words of a description or an instruction say about a voice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["AXES", "Age", "Description", "Sex"]

Sex: TypeAlias = Literal["", "female", "male", "neutral"]
Age: TypeAlias = Literal["", "child", "teenager", "young", "middle", "old"]
"""Child to 12 years, teenager to 18, young to 35, middle to 55."""

AXES: Final = ("pitch", "speed", "range", "loudness", "pauses", "size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Levels go from -3 to 3: 1 is "slightly", 2 is the plain word such as "high", 3 is "very"; 0 is usual."""

    sex: Sex = ""
    """"" if nothing was said."""
    age: Age = ""
    emotions: tuple[str, ...] = ()
    """As ``lexicon.toml`` names them, in the order of the text; each once."""
    timbres: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    dialect: str = ""
    """Of Chinese, as in the catalogue, such as ``Sichuan``."""
    pitch: float = 0.0
    speed: float = 0.0
    range: float = 0.0
    """Of the pitch within a sentence: below 0 monotonous, above 0 lively."""
    loudness: float = 0.0
    pauses: float = 0.0
    """Their length."""
    size: float = 0.0
    """Of the vocal tract: above 0 a smaller speaker, below 0 a larger one."""
    named: frozenset[str] = frozenset()
    """The axes of which the text speaks itself; the others follow from emotion, timbre and use."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was understood."""
        return self == Description()
