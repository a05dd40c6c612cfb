"""The parts of the model: what a stream is made by, beside the export that they are cut from."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "CONSTANTS",
    "CROP_SAMPLES",
    "MODELS",
    "PARTS_FOLDER",
    "VERSION",
    "VERSION_FILE",
    "folder_of_parts",
]

PARTS_FOLDER = "parts"
"""In the folder of the export."""

MODELS = ("bert", "prosody", "decoder", "window", "whole")
CONSTANTS = "constants.npz"
VERSION_FILE = "version"
VERSION = "1"
"""Of the form of the parts: those of another are made anew."""

CROP_SAMPLES = 70
"""At 800 Hz, cut from each side of a window between the generator's levels."""


def folder_of_parts(folder: Path) -> Path | None:
    """Where the parts of the export in ``folder`` are; ``None`` where they are not made, or of another version."""
    parts = folder / PARTS_FOLDER
    try:
        version = (parts / VERSION_FILE).read_text("utf-8")
    except OSError:
        return None
    return parts if version == VERSION else None
