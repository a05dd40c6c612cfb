"""The data files beside these modules."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

__all__ = ["read_tables"]


def read_tables(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
