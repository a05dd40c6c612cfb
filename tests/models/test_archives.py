from __future__ import annotations

import io
import random
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from saystream.models.archives import join_pieces, unpack
from saystream.models.manifest import FileEntry
from saystream.models.staging import SourceFailed


def make_tar(path: Path, files: Mapping[str, bytes], top: str = "package") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def make_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


class Delivered:
    def __init__(self, *, refuse: str = "") -> None:
        self.files: dict[str, bytes] = {}
        self._refuse = refuse

    def __call__(self, path: str, entry: FileEntry, candidate: Path) -> None:
        if path == self._refuse:
            raise SourceFailed(f"{path} is wrong")
        self.files[path] = candidate.read_bytes()


WANTED = {"a.bin": FileEntry(), "b/c.bin": FileEntry()}
CONTENTS = {"data/a.bin": b"a", "data/b/c.bin": b"c", "data/other": b"other"}


def test_only_what_is_wanted_is_taken_out(tmp_path: Path) -> None:
    for archive in (make_tar(tmp_path / "x.tgz", CONTENTS), make_zip(tmp_path / "x.whl", CONTENTS)):
        delivered = Delivered()
        unpack([archive], "data/{path}", WANTED, tmp_path, delivered)
        assert delivered.files == {"a.bin": b"a", "b/c.bin": b"c"}


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "x.tgz", {"data/a.bin": b"a"})
    with pytest.raises(SourceFailed, match="it has no data/b/c.bin"):
        unpack([archive], "data/{path}", WANTED, tmp_path, Delivered())


def test_a_file_that_is_refused_does_not_keep_the_others_out(tmp_path: Path) -> None:
    delivered = Delivered(refuse="a.bin")
    with pytest.raises(SourceFailed, match="a.bin is wrong"):
        unpack([make_tar(tmp_path / "x.tgz", CONTENTS)], "data/{path}", WANTED, tmp_path, delivered)
    assert delivered.files == {"b/c.bin": b"c"}


def test_what_names_a_place_outside_is_not_written_there(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    archive = make_tar(work / "x.tgz", {"../../evil": b"evil", "data/a.bin": b"a"})
    unpack([archive], "data/{path}", {"a.bin": FileEntry()}, work, Delivered())
    assert sorted(tmp_path.rglob("evil")) == []


def test_pieces_are_joined_by_their_numbers_over_all_archives(tmp_path: Path) -> None:
    first = make_tar(
        tmp_path / "1.tgz", {f"m.part{number}.bin": bytes([number]) for number in (10, 2, 0, 11)}
    )
    second = make_tar(
        tmp_path / "2.tgz", {f"m.part{number}.bin": bytes([number]) for number in (1, *range(3, 10))}
    )
    joined = join_pieces([first, second], "m.part*.bin", tmp_path)
    assert joined.read_bytes() == bytes(range(12))
    assert list(tmp_path.glob("piece-*")) == []


@pytest.mark.parametrize("numbers", [[], [0, 1, 3]])
def test_a_missing_piece_is_noticed(tmp_path: Path, numbers: list[int]) -> None:
    archive = make_tar(
        tmp_path / "1.tgz", {"readme": b"", **{f"m.part{number}.bin": b"x" for number in numbers}}
    )
    with pytest.raises(SourceFailed, match="not all pieces"):
        join_pieces([archive], "m.part*.bin", tmp_path)


@pytest.mark.parametrize("kept", [0, 0.01, 0.5, 0.99])
def test_an_archive_that_is_cut_short_is_refused(tmp_path: Path, kept: float) -> None:
    noise = random.Random(1).randbytes(100_000)
    for archive in (make_tar(tmp_path / "x.tgz", {"a": noise}), make_zip(tmp_path / "x.whl", {"a": noise})):
        whole = archive.read_bytes()
        archive.write_bytes(whole[: int(kept * len(whole))])
        with pytest.raises(SourceFailed):
            unpack([archive], "{path}", {"a": FileEntry()}, tmp_path, Delivered())
