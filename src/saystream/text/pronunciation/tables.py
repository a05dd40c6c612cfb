"""The data files beside these modules."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["read_tables"]


@cache
def read_tables(name: str) -> dict[str, Any]:
    """Not to be changed."""
    return tomllib.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
