from __future__ import annotations

from typing import Any

import pytest

from saystream.errors import InvalidValue
from saystream.protocol.values import Reader, as_number, flag, number, one_of, string, whole


@pytest.mark.parametrize(
    "read, value, meant",
    [
        (string, "a", "a"),
        (flag, True, True),
        (flag, " TRUE ", True),
        (flag, "1", True),
        (flag, 0, False),
        (flag, "false", False),
        (number(1, 2), "1.5", 1.5),
        (number(1, 2), 2, 2.0),
        (whole(1, 2), 2.0, 2),
        (whole(1, 2), "1", 1),
        (one_of("Mp3", "wav"), " MP3", "Mp3"),
        (one_of("mp3", default=("",)), "", ""),
    ],
)
def test_what_is_meant_is_read(read: Reader, value: Any, meant: Any) -> None:
    read_value = read("x", value)
    assert read_value == meant and type(read_value) is type(meant)


@pytest.mark.parametrize(
    "read, value, shown",
    [
        (string, 5, "a number"),
        (flag, "yes", "yes"),
        (flag, [], "an array"),
        (number(1, 2), 2.1, "2.1"),
        (number(1, 2), True, "True"),
        (number(1, 2), "1e0", "1e0"),
        (whole(1, 2), 1.5, "1.5"),
        (whole(1, 2), 1 << 70, "an integer of more than 64 bits"),
        (whole(1, 2), {}, "an object"),
        (one_of("a", "b"), "c", "c"),
        (one_of("a"), 1, "a number"),
    ],
)
def test_anything_else_is_refused_by_name(read: Reader, value: Any, shown: str) -> None:
    with pytest.raises(InvalidValue, match=f"Invalid value for x: '{shown}'"):
        read("x", value)


def test_a_number_may_be_a_string_but_not_a_boolean() -> None:
    assert as_number(" 12.5 ".strip()) == 12.5
    assert as_number("1" * 10) is None
    assert as_number(True) is None
