"""Models of a few bytes, for stores of tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from saystream.models import Manifest, ModelStore

from .servers import sha256

FILES = {"model.onnx": bytes(range(256)) * 4000, "voices/a.bin": b"a" * 1000, "voices/b.bin": b"b" * 1000}


def manifest_text(files: Mapping[str, bytes] = FILES, *, sources: str = '{ hub = "owner/name" }') -> str:
    """A model ``m`` with these files, and a model ``listed`` whose files only its source knows."""
    entries = [
        f'"{path}" = {{ size = {len(held)}, sha256 = "{sha256(held)}" }}' for path, held in files.items()
    ]
    lines = [
        *("[models.m]", 'summary = "a test"', 'licence = "none"', 'languages = ["zh"]', "default = true"),
        *("[[models.m.parts]]", f"sources = [{sources}]", "[models.m.parts.files]", *entries),
        *("[models.listed]", 'summary = "a test"', 'licence = "none"', "[[models.listed.parts]]"),
        'sources = [{ hub = "owner/name", include = ["*"] }]',
    ]
    return "\n".join(lines)


def write_files(folder: Path, files: Mapping[str, bytes] = FILES) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def read_files(folder: Path) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in FILES}


def store_in(folder: Path, text: str | None = None) -> ModelStore:
    return ModelStore(folder, manifest=Manifest(text or manifest_text()))
