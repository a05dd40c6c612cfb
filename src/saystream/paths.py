"""Where things are kept unless a setting says otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["default_data_dir", "default_models_dir"]


def default_data_dir() -> Path:
    """Keys, audio files, weights."""
    return Path.home() / ".local" / "share" / "saystream"


def default_models_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Weights: what ``SAYSTREAM_MODELS_DIR`` says, else a folder of the data.

    An engine's process has no settings: its gateway tells it by that variable.
    """
    return Path(environment.get("SAYSTREAM_MODELS_DIR") or default_data_dir() / "models")
