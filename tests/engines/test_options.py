from typing import Annotated, Literal

import msgspec
import pytest

from saystream.engines.options import read_options
from saystream.errors import ConfigurationError


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    threads: Annotated[int, msgspec.Meta(ge=1)] = 1
    style: Literal["plain", "fancy"] = "plain"
    fast: bool = False


def test_options_that_are_not_given_have_their_defaults() -> None:
    assert read_options("mine", Options, {"threads": 2}) == Options(threads=2)


def test_numbers_and_switches_may_come_as_text_as_environment_variables_do() -> None:
    assert read_options("mine", Options, {"threads": "3", "fast": "true"}) == Options(threads=3, fast=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"threads": 0}, "Expected `int` >= 1 - at `$.threads`"),
        ({"threads": "some"}, "Expected `int`"),
        ({"style": "secret"}, "Invalid choice - at `$.style`"),
        ({"thread": "secret"}, "unknown field `thread`"),
    ],
)
def test_a_refusal_names_the_engine_and_the_option_and_never_the_value(
    given: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_options("mine", Options, given)
    assert refused.value.message.startswith("Option of engine 'mine' refused: ")
    assert said in refused.value.message
    assert "Its options: threads, style, fast." in refused.value.message
    assert "secret" not in refused.value.message
    assert refused.value.param == "engines.mine"
