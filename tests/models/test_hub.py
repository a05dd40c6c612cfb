from __future__ import annotations

import time

import httpx
import pytest

from saystream.models.hub import Hub, HubFetcher
from saystream.models.manifest import FileEntry, HubSource
from saystream.models.staging import SourceFailed, SourceUnreachable, Staging

from .servers import COMMIT, FileServer, git_blob, sha256

NAME = "owner/name"
FILES = {"onnx/model.onnx": b"model" * 1000, "voices/a.bin": b"a", "readme.md": b"hello"}


def fetcher(server: FileServer, client: httpx.Client, **source: object) -> HubFetcher:
    return HubFetcher(HubSource(NAME, **source), Hub(client, server.address))  # type: ignore[arg-type]


@pytest.fixture
def hub(server: FileServer) -> FileServer:
    server.add_repository(NAME, FILES)
    return server


def entry(content: bytes) -> FileEntry:
    return FileEntry(len(content), sha256(content))


def test_files_come_from_the_commit_that_the_revision_names(
    hub: FileServer, client: httpx.Client, staging: Staging
) -> None:
    source = fetcher(hub, client, path="onnx/{path}")
    source.fetch({"model.onnx": entry(FILES["onnx/model.onnx"])}, staging)

    assert (staging.files / "model.onnx").read_bytes() == FILES["onnx/model.onnx"]
    assert staging.delivered["model.onnx"].source == f"model hub, {NAME} at {COMMIT}"
    assert (source.repository, source.commit_if_known) == (NAME, COMMIT)
    assert [path for path, _ in hub.requests][1:] == [f"/{NAME}/resolve/{COMMIT}/onnx/model.onnx"]


def test_a_repository_lists_what_a_source_includes(hub: FileServer, client: httpx.Client) -> None:
    listing = fetcher(hub, client, include=("*.onnx", "*.bin")).listing()
    assert listing == {path: entry(FILES[path]) for path in ("onnx/model.onnx", "voices/a.bin")}


def test_a_small_file_is_known_by_its_name_in_git(server: FileServer, client: httpx.Client) -> None:
    server.add_repository(NAME, FILES, lfs=False)
    listing = fetcher(server, client, include=("*.md",)).listing()
    assert listing == {"readme.md": FileEntry(5, git_blob=git_blob(FILES["readme.md"]))}


def test_the_checksum_that_the_hub_gives_holds(
    hub: FileServer, client: httpx.Client, staging: Staging
) -> None:
    hub.files[f"/{NAME}/resolve/{COMMIT}/readme.md"] = b"HELLO"
    with pytest.raises(SourceFailed, match=r"readme\.md has the SHA-256"):
        fetcher(hub, client).fetch({"readme.md": FileEntry()}, staging)


def test_a_file_that_is_another_one_there_is_not_downloaded(
    hub: FileServer, client: httpx.Client, staging: Staging
) -> None:
    with pytest.raises(SourceFailed, match="not the expected file"):
        fetcher(hub, client).fetch({"readme.md": entry(b"bye")}, staging)
    assert hub.requested("readme.md") == []


def test_a_file_that_is_missing_is_named_and_the_others_come(
    hub: FileServer, client: httpx.Client, staging: Staging
) -> None:
    with pytest.raises(SourceFailed, match=r"owner/name has no gone\.bin"):
        fetcher(hub, client).fetch({"gone.bin": FileEntry(), "readme.md": FileEntry()}, staging)
    assert list(staging.delivered) == ["readme.md"]


def test_a_repository_that_is_not_there_leaves_the_hub_reachable(
    hub: FileServer, client: httpx.Client
) -> None:
    asked = Hub(client, hub.address)
    with pytest.raises(SourceFailed, match="HTTP 404 for owner/gone at main") as raised:
        asked.repository("owner/gone", "main")
    assert not isinstance(raised.value, SourceUnreachable)
    assert asked.repository(NAME, "main").commit == COMMIT
    assert asked.commit("owner/gone", "main") is None


def test_a_hub_that_fails_is_asked_once(server: FileServer, client: httpx.Client) -> None:
    path = f"/api/models/{NAME}/revision/main"
    server.refusals[path] = 500
    asked = Hub(client, server.address)
    for name in (NAME, "owner/other"):
        with pytest.raises(SourceUnreachable, match="does not answer"):
            asked.repository(name, "main")
    assert len(server.requests) == 1


def test_a_hub_that_cannot_be_reached_is_not_waited_for(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(SourceUnreachable, match="does not answer"):
        Hub(client, "http://127.0.0.1:9").repository(NAME, "main")
    assert pauses == []
