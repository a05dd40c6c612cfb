from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from saystream.models.manifest import FileEntry
from saystream.models.mirror import FolderFetcher, UrlFetcher, mirror_fetcher
from saystream.models.record import RECORD_NAME, Record, write_record
from saystream.models.staging import FileRecord, SourceFailed, SourceUnreachable, Staging, measure

from .servers import FileServer, sha256

FILES = {"model.onnx": b"model" * 1000, "voices/a b.bin": b"a"}
RECORD = Record("m", {path: FileRecord(len(held), sha256(held), "a test") for path, held in FILES.items()})
WANTED = RECORD.entries()


def make_folder(place: Path) -> Path:
    for path, content in FILES.items():
        file = place / "m" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    write_record(place / "m", RECORD)
    return place


@pytest.fixture
def digest(tmp_path: Path) -> str:
    return measure(make_folder(tmp_path / "recorded") / "m" / RECORD_NAME).sha256


@pytest.fixture(params=["folder", "address"])
def mirror(
    request: pytest.FixtureRequest, tmp_path: Path, server: FileServer, client: httpx.Client
) -> object:
    place = make_folder(tmp_path / "mirror")
    if request.param == "folder":
        return mirror_fetcher(str(place), "m", client)
    for path in (*FILES, RECORD_NAME):
        server.files[f"/models/m/{path}"] = (place / "m" / path).read_bytes()
    return mirror_fetcher(f"{server.address}/models/", "m", client)


Mirror = FolderFetcher | UrlFetcher


def test_a_mirror_says_what_was_recorded_to_who_knows_the_digest_and_gives_it(
    mirror: Mirror, digest: str, staging: Staging
) -> None:
    assert mirror.recorded(digest.upper()) == WANTED
    mirror.fetch(dict(WANTED), staging)
    assert {path: (staging.files / path).read_bytes() for path in FILES} == FILES


def test_a_record_that_nobody_vouches_for_is_not_believed(mirror: Mirror, digest: str) -> None:
    with pytest.raises(SourceFailed, match=f"its {RECORD_NAME} has the SHA-256 {digest[:12]}… instead"):
        mirror.recorded("0" * 64)


def test_a_file_that_a_mirror_lacks_is_named_and_the_others_come(mirror: Mirror, staging: Staging) -> None:
    with pytest.raises(SourceFailed, match=r"gone\.bin"):
        mirror.fetch({"gone.bin": FileEntry(1, sha256(b"x")), **WANTED}, staging)
    assert sorted(staging.delivered) == sorted(FILES)


def test_a_file_that_is_wrong_in_a_mirror_is_refused(mirror: Mirror, staging: Staging) -> None:
    with pytest.raises(SourceFailed, match="SHA-256"):
        mirror.fetch({"model.onnx": FileEntry(5000, sha256(b"other"))}, staging)
    assert not staging.delivered


def test_a_mirror_without_a_record_says_nothing(
    tmp_path: Path, server: FileServer, client: httpx.Client
) -> None:
    for place in (str(tmp_path), server.address):
        with pytest.raises(SourceFailed, match=f"it has no {RECORD_NAME}"):
            mirror_fetcher(place, "m", client).recorded("0" * 64)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"x":' + b"[" * 100_000])
def test_a_record_that_is_none_is_refused(server: FileServer, client: httpx.Client, content: bytes) -> None:
    server.files[f"/m/{RECORD_NAME}"] = content
    with pytest.raises(SourceFailed, match="cannot be read"):
        mirror_fetcher(server.address, "m", client).recorded(sha256(content))


def test_a_record_without_end_is_not_read_to_its_end(server: FileServer, client: httpx.Client) -> None:
    server.files[f"/m/{RECORD_NAME}"] = b""
    server.endless.add(f"/m/{RECORD_NAME}")
    with pytest.raises(SourceFailed, match="SHA-256"):
        mirror_fetcher(server.address, "m", client).recorded("0" * 64)


def test_a_mirror_that_is_not_there_is_told(tmp_path: Path, client: httpx.Client, staging: Staging) -> None:
    with pytest.raises(SourceFailed, match="no such folder"):
        mirror_fetcher(str(tmp_path / "gone"), "m", client).fetch(dict(WANTED), staging)
    with pytest.raises(SourceUnreachable):
        mirror_fetcher("http://127.0.0.1:9", "m", client).recorded("0" * 64)
    with pytest.raises(SourceFailed, match="InvalidURL"):
        mirror_fetcher("http://host:port", "m", client).recorded("0" * 64)


def test_a_file_of_another_size_is_not_even_copied(mirror: Mirror, staging: Staging) -> None:
    with pytest.raises(SourceFailed, match="model.onnx"):
        mirror.fetch({"model.onnx": FileEntry(4999, sha256(FILES["model.onnx"]))}, staging)
    assert not staging.delivered
