"""The model and voice names of OpenAI's speech interface, and what they stand for here (``openai.toml``)."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

__all__ = ["model_names", "voice_names"]


def model_names() -> Mapping[str, str]:
    """Maps OpenAI's model names to ours."""
    return _written()["models"]


def voice_names() -> Mapping[str, str]:
    """Maps OpenAI's voice names to ours."""
    return _written()["voices"]


@functools.cache
def _written() -> Mapping[str, Mapping[str, str]]:
    text = resources.files(__package__).joinpath("openai.toml").read_text(encoding="utf-8")
    return {section: MappingProxyType(names) for section, names in tomllib.loads(text).items()}
