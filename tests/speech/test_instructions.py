from __future__ import annotations

import pytest

from saystream.engines.base import EngineInfo, SynthesisRequest
from saystream.errors import InvalidValue
from saystream.speech.instructions import MAX_INSTRUCTION_TOKENS, Instructions, check_instructions

FOLLOWING = EngineInfo("following", 24000, {"en": "native"}, ("v",), instructions=True)
OTHER = EngineInfo("other", 24000, {"en": "native"}, ("v",))
REQUEST = SynthesisRequest("v", "en")


@pytest.mark.parametrize(
    "instructions",
    ["", "fast", "word " * (MAX_INSTRUCTION_TOKENS * 4 // 5), "快" * (MAX_INSTRUCTION_TOKENS * 3 // 2)],
)
def test_instructions_up_to_the_documented_length_pass(instructions: str) -> None:
    assert check_instructions(instructions, "instructions") is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("instructions", ["word " * 1400, "快" * 2500])
def test_longer_ones_are_refused_without_being_quoted(instructions: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        check_instructions(instructions, "session.instructions")
    assert refused.value.param == "session.instructions"
    assert instructions[:8] not in refused.value.message
    assert "1600" in refused.value.message


def test_an_engine_that_follows_instructions_gets_them() -> None:
    request = Instructions.read("very fast").put_into(REQUEST, FOLLOWING)
    assert request == SynthesisRequest("v", "en", instructions="very fast")


def test_another_engine_gets_what_they_ask_for() -> None:
    request = Instructions.read("very fast").put_into(REQUEST, OTHER)
    assert request.speed > 1.2
    assert Instructions.read("as you like").put_into(REQUEST, OTHER).speed == 1.0


def test_optimized_instructions_name_what_follows_from_a_wish() -> None:
    plain = Instructions.read("like a sports commentator", optimize=True).put_into(REQUEST, FOLLOWING)
    assert plain.instructions.startswith("like a sports commentator. Fast pace")
    assert Instructions.read("", optimize=True).text == ""


def test_the_pauses_between_texts_are_those_that_were_asked_for() -> None:
    assert Instructions.read("").pauses == 1.0
    assert Instructions.read("long pauses").pauses > 1.5
