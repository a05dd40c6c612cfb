"""Whatever happens to a pull: the store has the right model, or says that it has none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from saystream.errors import (
    ModelDamaged,
    ModelMissing,
    ModelsFault,
    ModelUnknown,
    ModelUnreachable,
    StorageFull,
)
from saystream.models import ModelStore, default_models_dir
from saystream.models.record import RECORD_NAME

from .conftest import Notes
from .servers import FileServer
from .stores import FILES, manifest_text, read_files, store_in, write_files

HERE = Path(__file__).parent
PATIENCE_S = 60


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return store_in(tmp_path / "store")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    write_files(tmp_path / "mirror" / "m")
    return tmp_path / "mirror"


@pytest.fixture
def manifest_file(tmp_path: Path) -> Path:
    file = tmp_path / "manifest.toml"
    file.write_text(manifest_text(), "utf-8")
    return file


@pytest.fixture
def web(server: FileServer) -> FileServer:
    server.files.update({f"/m/{path}": content for path, content in FILES.items()})
    return server


def pull(store: ModelStore, mirror: Path) -> Path:
    return store.pull("m", mirror=str(mirror), only_mirror=True)


Pulling = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def pulling(store: ModelStore, manifest_file: Path) -> Iterator[Pulling]:
    """``pulling(place)`` pulls in a process of its own, see ``pulling.py``."""
    with ExitStack() as cleanup:

        def start(place: str, *more: str) -> subprocess.Popen[str]:
            command = [sys.executable, HERE / "pulling.py", store.folder, manifest_file, place, *more]
            process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
            cleanup.enter_context(process)
            cleanup.callback(process.kill)
            return process

        yield start


def what_it_said(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=PATIENCE_S)
    return said


def sizes_in(folder: Path) -> list[int]:
    """Also while files in it come and go."""
    with suppress(FileNotFoundError):
        return [file.stat().st_size for file in folder.iterdir()]
    return []


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


# --- what is here


def test_a_model_that_is_not_here_says_what_gets_it(store: ModelStore) -> None:
    with pytest.raises(ModelMissing) as raised:
        store.path("m")
    assert (
        raised.value.message
        == f"The model 'm' is not in {store.folder}. Get it with: saystream models pull m"
    )
    assert (raised.value.model, raised.value.languages) == ("m", {"zh": "native"})
    assert not store.folder.exists(), "asking makes nothing"


def test_a_model_that_nobody_knows_is_refused(store: ModelStore) -> None:
    for act in (store.path, store.pull, store.verify, store.remove):
        with pytest.raises(ModelUnknown, match="no model 'k'"):
            act("k")


def test_a_model_that_was_pulled_is_here_and_complete(store: ModelStore, mirror: Path) -> None:
    folder = pull(store, mirror)
    assert folder == store.path("m") == store.folder / "m"
    assert read_files(folder) == FILES
    assert store.pulled() == ("m",)
    assert names_in(store.folder) == {"m"}
    assert list((store.folder / ".staging").iterdir()) == []


def test_a_model_that_is_here_is_not_fetched_again(store: ModelStore, mirror: Path) -> None:
    pull(store, mirror)
    shutil.rmtree(mirror)
    assert pull(store, mirror) == store.path("m")


@pytest.mark.parametrize("harm", ["cut", "remove", "no record"])
def test_a_model_that_lost_something_is_not_used_and_a_pull_repairs_it(
    store: ModelStore, mirror: Path, harm: str
) -> None:
    file = pull(store, mirror) / "model.onnx"
    if harm == "cut":
        os.truncate(file, 1000)
    elif harm == "remove":
        file.unlink()
    else:
        (store.folder / "m" / RECORD_NAME).unlink()
    with pytest.raises(
        ModelMissing, match="damaged: its file model.onnx" if harm != "no record" else "is not in"
    ):
        store.path("m")
    pull(store, mirror)
    assert read_files(store.path("m")) == FILES


def test_a_model_of_another_version_is_not_used_and_a_pull_renews_it(
    store: ModelStore, mirror: Path, tmp_path: Path
) -> None:
    pull(store, mirror)
    newer = {"model.onnx": FILES["model.onnx"], "voices/a.bin": b"new"}
    write_files(mirror / "m", newer)
    renewed = store_in(store.folder, manifest_text(newer))
    with pytest.raises(ModelMissing, match="another version"):
        renewed.path("m")
    folder = pull(renewed, mirror)
    assert (folder / "voices/a.bin").read_bytes() == b"new"
    assert names_in(folder / "voices") == {"a.bin"}, "nothing of the other version is left"


def test_the_folder_is_that_of_the_environment_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAYSTREAM_MODELS_DIR", str(tmp_path / "elsewhere"))
    assert ModelStore().folder == default_models_dir() == tmp_path / "elsewhere"
    monkeypatch.delenv("SAYSTREAM_MODELS_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ModelStore().folder == tmp_path / ".local/share/saystream/models"


# --- check and removal


def test_a_right_model_is_verified(store: ModelStore, mirror: Path) -> None:
    pull(store, mirror)
    assert set(store.verify("m").files) == set(FILES)


def test_a_file_that_changed_without_changing_its_size_is_found_and_removed(
    store: ModelStore, mirror: Path
) -> None:
    file = pull(store, mirror) / "voices/a.bin"
    file.write_bytes(b"z" * file.stat().st_size)
    with pytest.raises(
        ModelDamaged, match=r"removed: voices/a\.bin\. Download it again with: saystream models pull m$"
    ):
        store.verify("m")
    with pytest.raises(ModelMissing, match="damaged"):
        store.path("m")
    pull(store, mirror)
    assert read_files(store.path("m")) == FILES


def test_a_removed_model_is_gone_with_what_a_pull_left(store: ModelStore, mirror: Path) -> None:
    pull(store, mirror)
    left = store.folder / ".staging" / "m" / "parts"
    left.mkdir(parents=True)
    store.remove("m")
    assert store.pulled() == () and not left.exists() and not (store.folder / "m").exists()
    with pytest.raises(ModelMissing):
        store.remove("m")


def test_a_model_that_the_manifest_no_longer_has_can_be_removed(store: ModelStore, mirror: Path) -> None:
    pull(store, mirror)
    os.rename(store.folder / "m", store.folder / "old")
    store.remove("old")
    assert store.pulled() == ()
    with pytest.raises(ModelUnknown):
        store.remove("old")
    with pytest.raises(ModelUnknown):
        store.remove("../m")


def test_models_that_are_found_by_name_alone_are_counted_too(store: ModelStore, mirror: Path) -> None:
    pull(store, mirror)
    shutil.copytree(store.folder / "m", store.folder / "n")
    assert store.pulled() == ("m", "n")


# --- a pull that is interrupted


def test_a_pull_that_is_killed_at_any_step_leaves_no_bad_file_and_the_next_one_succeeds(
    mirror: Path, manifest_file: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        str(HERE / "killing.py"),
        str(tmp_path / "killed"),
        str(manifest_file),
        str(mirror),
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    steps = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(steps) > 20
    assert {step["at_the_end"] for step in steps} == {"right"}
    assert {step["after_kill"] for step in steps} == {"missing", "right"}
    assert steps[-1]["after_kill"] == "right" and steps[0]["after_kill"] == "missing"


@pytest.mark.parametrize("received", [100_000, 1_000_000])
def test_a_download_that_is_killed_is_gone_on_with(
    store: ModelStore, web: FileServer, pulling: Pulling, received: int
) -> None:
    web.holds_after["/m/model.onnx"] = received
    process = pulling(web.address)
    assert web.holding.wait(PATIENCE_S)
    while sizes_in(store.folder / ".staging" / "m" / "parts") != [received]:
        assert process.poll() is None
    process.kill()
    process.wait(PATIENCE_S)
    what_it_said(process)
    with pytest.raises(ModelMissing):
        store.path("m")

    web.holds_after.clear()
    web.go_on.set()
    store.pull("m", mirror=web.address, only_mirror=True)

    assert read_files(store.path("m")) == FILES
    assert web.requested("model.onnx") == [0, received]


# --- two at once


def test_two_pulls_at_once_fetch_once_and_both_succeed(
    store: ModelStore, web: FileServer, pulling: Pulling
) -> None:
    web.holds_after["/m/model.onnx"] = 1000
    first = pulling(web.address)
    assert web.holding.wait(PATIENCE_S)
    second = pulling(web.address)
    assert second.stdout is not None
    assert second.stdout.readline() == "Another process is at work on 'm'; waiting for it.\n"
    web.go_on.set()
    assert (what_it_said(first), what_it_said(second)) == ("", "")
    assert (first.returncode, second.returncode) == (0, 0)
    assert read_files(store.path("m")) == FILES
    assert sorted(path for path, _ in web.requests) == sorted(f"/m/{path}" for path in FILES)


def test_when_one_of_two_pulls_is_killed_the_other_goes_on(
    store: ModelStore, web: FileServer, pulling: Pulling
) -> None:
    web.holds_after["/m/model.onnx"] = 1000
    first = pulling(web.address)
    assert web.holding.wait(PATIENCE_S)
    second = pulling(web.address)
    assert second.stdout is not None
    second.stdout.readline()
    web.holds_after.clear()
    first.kill()
    what_it_said(first)
    what_it_said(second)
    assert second.returncode == 0
    assert read_files(store.path("m")) == FILES


# --- what goes wrong


def test_a_disk_that_fills_up_is_told_and_given_back(
    store: ModelStore, mirror: Path, pulling: Pulling
) -> None:
    """The system refuses files over 100 kB to the process, as a full disk would."""
    process = pulling(str(mirror), "100000")
    said = what_it_said(process)
    assert process.returncode == 3
    assert said.splitlines()[-1].startswith(f"StorageFull: There is no room in {store.folder}")
    assert list((store.folder / ".staging").iterdir()) == []
    with pytest.raises(ModelMissing):
        store.path("m")
    pull(store, mirror)
    assert read_files(store.path("m")) == FILES


def test_a_download_that_fills_the_disk_is_told_and_given_back(
    store: ModelStore, web: FileServer, pulling: Pulling
) -> None:
    process = pulling(web.address, "100000")
    assert what_it_said(process).splitlines()[-1].startswith("StorageFull: ")
    assert list((store.folder / ".staging").iterdir()) == []


def test_a_model_that_does_not_fit_is_refused_before_it_is_fetched(tmp_path: Path, mirror: Path) -> None:
    text = manifest_text().replace("size = 1000", "size = 1000000000000000", 1)
    with pytest.raises(StorageFull, match=r"1\d{9} MB more are needed"):
        pull(store_in(tmp_path / "store", text), mirror)


def test_a_corrupted_file_is_never_put_into_the_store(store: ModelStore, mirror: Path) -> None:
    (mirror / "m" / "voices/b.bin").write_bytes(b"c" * 1000)
    with pytest.raises(ModelUnreachable, match=r"voices/b\.bin has the SHA-256"):
        pull(store, mirror)
    with pytest.raises(ModelMissing):
        store.path("m")
    write_files(mirror / "m")
    pull(store, mirror)
    assert read_files(store.path("m")) == FILES


def test_a_pull_that_gets_nothing_leaves_nothing(store: ModelStore, tmp_path: Path, notes: Notes) -> None:
    with pytest.raises(ModelUnreachable):
        store.pull("m", mirror=str(tmp_path / "gone"), only_mirror=True, watcher=notes)
    assert list((store.folder / ".staging").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, mirror: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(
        ModelsFault, match=r"The store of weights in .*file/models cannot be used: Not a directory\."
    ):
        pull(store_in(tmp_path / "file" / "models"), mirror)
