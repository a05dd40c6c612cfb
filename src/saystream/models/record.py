"""What the store records about a model that it has fetched: a file in the model's folder."""

from __future__ import annotations

from pathlib import Path

import msgspec

from saystream.models.manifest import FileEntry
from saystream.models.staging import FileRecord
from saystream.protocol.json import NOT_JSON

__all__ = ["RECORD_NAME", "Record", "read_record", "write_record"]

RECORD_NAME = "saystream-model.json"


class Record(msgspec.Struct, frozen=True):
    """A model as it was when it was fetched."""

    model: str
    files: dict[str, FileRecord]
    """By their path in the model's folder."""
    commits: dict[str, str] = {}
    """The commit of each hub repository that files came from."""

    def entries(self) -> dict[str, FileEntry]:
        """What its files must be."""
        return {path: FileEntry(file.size, file.sha256) for path, file in self.files.items()}


def read_record(folder: Path) -> Record | None:
    """``None`` if there is none, or none that can be read."""
    try:
        return msgspec.json.decode((folder / RECORD_NAME).read_bytes(), type=Record)
    except (OSError, *NOT_JSON):
        return None


def write_record(folder: Path, record: Record) -> None:
    content = msgspec.json.format(msgspec.json.encode(record), indent=1)
    (folder / RECORD_NAME).write_bytes(content)
