"""Values of fields as programs in many languages write them: numbers in strings, words in any case.

Each reader takes the path of the field and its value, and gives what is meant or raises InvalidValue.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from saystream.errors import InvalidValue
from saystream.protocol.json import type_name

__all__ = ["Reader", "as_number", "flag", "number", "one_of", "shown", "string", "whole"]

Reader: TypeAlias = Callable[[str, Any], Any]

_NUMBER: Final = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,9})?")


def string(param: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidValue(param, type_name(value), "a string")
    return value


def flag(param: str, value: Any) -> bool:
    """A boolean, 0 or 1, or a string with one of those in any case."""
    wanted = value.strip().lower() if isinstance(value, str) else value
    if wanted in (True, "true", "1"):
        return True
    if wanted in (False, "false", "0"):
        return False
    raise InvalidValue(param, shown(value), "true or false")


def number(lowest: float, highest: float, unit: str = "") -> Reader:
    """A number, or a string with one; both ends are allowed."""
    allowed = f"a number from {lowest} to {highest}{unit}"

    def read(param: str, value: Any) -> float:
        given = as_number(value)
        if given is None or not lowest <= given <= highest:
            raise InvalidValue(param, shown(value), allowed)
        return float(given)

    return read


def whole(lowest: int, highest: int, unit: str = "") -> Reader:
    """An integer, which may be written as a double or in a string; both ends are allowed."""
    allowed = f"an integer from {lowest} to {highest}{unit}"

    def read(param: str, value: Any) -> int:
        given = as_number(value)
        if given is None or given != int(given) or not lowest <= given <= highest:
            raise InvalidValue(param, shown(value), allowed)
        return int(given)

    return read


def one_of(*allowed: str, default: tuple[str, ...] = ()) -> Reader:
    """In any case; ``default`` are words that mean the same as no value."""

    def read(param: str, value: Any) -> str:
        wanted = string(param, value).strip().lower()
        if wanted in default:
            return ""
        kept = next((own for own in allowed if own.lower() == wanted), None)
        if kept is None:
            raise InvalidValue(param, value, allowed)
        return kept

    return read


def as_number(value: Any) -> float | None:
    """A number, or what a string says of one; ``None`` for anything else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def shown(value: Any) -> object:
    """For an error: a number itself, of anything else only what it is."""
    # Python refuses to print integers with thousands of digits; no allowed number needs more than 64 bits.
    if isinstance(value, int) and value.bit_length() > 64:
        return "an integer of more than 64 bits"
    return value if isinstance(value, int | float | str) else type_name(value)
