from __future__ import annotations

from pathlib import Path

import pytest

from saystream.models.manifest import FileEntry
from saystream.models.record import RECORD_NAME, Record, read_record, write_record
from saystream.models.staging import FileRecord

RECORD = Record("m", {"voices/a": FileRecord(3, "f" * 64, "npm, x@1")}, {"owner/name": "abc"})


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD
    assert RECORD.entries() == {"voices/a": FileEntry(3, "f" * 64)}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"model": "m"}', b'"\xff"', b'{"x":' + b"[" * 100_000]
)
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    assert read_record(tmp_path) is None
    (tmp_path / RECORD_NAME).write_bytes(content)
    assert read_record(tmp_path) is None
