"""Where files are kept unless a setting says otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["default_data_dir", "default_models_dir"]


def default_data_dir() -> Path:
    """Keys, audio files, weights."""
    return Path.home() / ".local" / "share" / "saystream"


def default_models_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Weights: ``SAYSTREAM_MODELS_DIR`` if set, else a folder in the data directory.

    An engine's process has no settings: the server passes the folder in that variable.
    """
    return Path(environment.get("SAYSTREAM_MODELS_DIR") or default_data_dir() / "models")
