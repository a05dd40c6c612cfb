"""The instructions of a session: how long they may be, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from saystream.errors import InvalidValue
from saystream.text.counting import estimated_text_tokens
from saystream.text.description import Description, described, in_plain_words
from saystream.voices.instructed import instructed, pauses_of

if TYPE_CHECKING:
    from saystream.engines.base import EngineInfo, SynthesisRequest

__all__ = ["MAX_INSTRUCTION_TOKENS", "Instructions", "check_instructions"]

MAX_INSTRUCTION_TOKENS: Final = 1600
"""As documented for the instruct models; estimated, because the server has no tokenizer."""


def check_instructions(instructions: str, param: str) -> None:
    """Raises InvalidValue for more than ``MAX_INSTRUCTION_TOKENS``."""
    tokens = estimated_text_tokens(instructions)
    if tokens > MAX_INSTRUCTION_TOKENS:
        raise InvalidValue(param, f"about {tokens} tokens", f"at most {MAX_INSTRUCTION_TOKENS} tokens")


@dataclass(frozen=True, slots=True)
class Instructions:
    """What a session was told, read once."""

    text: str
    """For an engine that follows instructions."""
    wanted: Description
    """For the others."""

    @classmethod
    def read(cls, instructions: str, *, optimize: bool = False) -> Instructions:
        """``optimize``: what follows from a vague wish is said in plain words as well."""
        text = in_plain_words(instructions) if optimize and instructions else instructions
        return cls(text, described(instructions) if instructions else Description())

    @property
    def pauses(self) -> float:
        """Length of the pauses between two texts, relative to the usual one."""
        return pauses_of(self.wanted)

    def put_into(self, request: SynthesisRequest, engine: EngineInfo) -> SynthesisRequest:
        """``request`` to ``engine``, to be spoken like that."""
        if not engine.instructions and not self.wanted.is_empty:
            request = instructed(request, self.wanted)
        return replace(request, instructions=self.text)
