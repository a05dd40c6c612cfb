from __future__ import annotations

import gzip
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
    joined = join_pieces([first, second], "m.part*.bin", tmp_path, size=12)
    assert joined.read_bytes() == bytes(range(12))
    assert list(tmp_path.glob("piece-*")) == []


@pytest.mark.parametrize("numbers", [[], [0, 1, 3]])
def test_a_missing_piece_is_noticed(tmp_path: Path, numbers: list[int]) -> None:
    archive = make_tar(
        tmp_path / "1.tgz", {"readme": b"", **{f"m.part{number}.bin": b"x" for number in numbers}}
    )
    with pytest.raises(SourceFailed, match="not all pieces"):
        join_pieces([archive], "m.part*.bin", tmp_path, size=10)


@pytest.mark.parametrize("kept", [0, 0.01, 0.5, 0.99])
def test_an_archive_that_is_cut_short_is_refused(tmp_path: Path, kept: float) -> None:
    noise = random.Random(1).randbytes(100_000)
    for archive in (make_tar(tmp_path / "x.tgz", {"a": noise}), make_zip(tmp_path / "x.whl", {"a": noise})):
        whole = archive.read_bytes()
        archive.write_bytes(whole[: int(kept * len(whole))])
        with pytest.raises(SourceFailed):
            unpack([archive], "{path}", {"a": FileEntry()}, tmp_path, Delivered())


def test_an_archive_whose_files_begin_before_it_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "x.whl", {"a": b"a"})
    whole = bytearray(archive.read_bytes())
    end = whole.rindex(b"PK\5\6")
    whole[end + 16 : end + 20] = (whole.index(b"PK\1\2") + 1000).to_bytes(
        4, "little"
    )  # where its list begins
    archive.write_bytes(whole)
    with pytest.raises(SourceFailed, match="not complete"):
        unpack([archive], "{path}", {"a": FileEntry()}, tmp_path, Delivered())


def test_a_file_that_does_not_end_after_its_size_is_not_unpacked_further(tmp_path: Path) -> None:
    long = {"a": bytes(1 << 19)}
    for archive in (make_tar(tmp_path / "x.tgz", long), make_zip(tmp_path / "x.whl", long)):
        with pytest.raises(SourceFailed, match="a file in an archive does not end after its 5 bytes"):
            unpack([archive], "{path}", {"a": FileEntry(size=5)}, tmp_path, Delivered())
    with pytest.raises(SourceFailed, match="does not end after its 5 bytes"):
        join_pieces([archive], "a", tmp_path, size=5)


def test_a_small_archive_of_endless_zeros_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "x.tgz"
    with tarfile.open(bomb, "w:gz") as archive:
        for name, num_bytes in (("package/other", 32 << 20), ("package/a", 1)):
            member = tarfile.TarInfo(name)
            member.size = num_bytes
            archive.addfile(member, io.BytesIO(bytes(num_bytes)))
    with pytest.raises(SourceFailed, match="an archive holds more than"):
        unpack([bomb], "{path}", {"a": FileEntry(size=1)}, tmp_path, Delivered())


def test_an_archive_whose_header_claims_gigabytes_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("package/pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 40
    bomb = tmp_path / "x.tgz"
    bomb.write_bytes(gzip.compress(header.tobuf(tarfile.PAX_FORMAT) + bytes(8 << 20)))
    with pytest.raises(SourceFailed, match="an archive"):
        unpack([bomb], "{path}", {"a": FileEntry(size=1)}, tmp_path, Delivered())


def test_a_file_that_is_encrypted_or_in_pieces_of_itself_is_not_there(tmp_path: Path) -> None:
    encrypted = make_zip(tmp_path / "x.whl", {"a": b"a"})
    content = bytearray(encrypted.read_bytes())
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        content[content.index(mark) + (6 if mark[2] == 3 else 8)] |= 1
    encrypted.write_bytes(content)
    with pytest.raises(SourceFailed, match="not complete"):
        unpack([encrypted], "{path}", {"a": FileEntry(size=1)}, tmp_path, Delivered())
    with zipfile.ZipFile(tmp_path / "y.whl", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"a")
    with pytest.raises(SourceFailed, match="it has no a"):
        unpack([tmp_path / "y.whl"], "{path}", {"a": FileEntry(size=1)}, tmp_path, Delivered())


def test_a_piece_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "1.tgz", {"m.part1.bin": b"x", "m.part01.bin": b"y"})
    with pytest.raises(SourceFailed, match="piece 1 is there twice"):
        join_pieces([archive], "m.part*.bin", tmp_path, size=10)
