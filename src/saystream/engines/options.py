"""Reads the options of an engine: its configuration section, as keyword arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from saystream.errors import ConfigurationError

__all__ = ["read_options"]

_Options = TypeVar("_Options", bound=msgspec.Struct)


def read_options(engine: str, kind: type[_Options], options: Mapping[str, object]) -> _Options:
    """``options`` as a ``kind``, whose field types say what is allowed.

    Numbers may come as text, because an environment variable can hold nothing else. Raises ConfigurationError, which
    names the option and what is allowed, never the value given.
    """
    try:
        return msgspec.convert(dict(options), kind, strict=False)
    except msgspec.ValidationError as error:
        # The value may be secret, such as a key under a misspelt name.
        refusal = re.sub(r"enum value '.*'", "choice", str(error), flags=re.DOTALL)
        known = ", ".join(kind.__struct_fields__)
        message = f"Option of engine '{engine}' refused: {refusal}. Its options: {known}."
        raise ConfigurationError(message, param=f"engines.{engine}") from error
