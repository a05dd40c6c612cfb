from __future__ import annotations

import errno
import threading
from functools import partial
from pathlib import Path

import pytest

from saystream.errors import StorageFull
from saystream.models.manifest import FileEntry
from saystream.models.progress import PullWatcher
from saystream.models.staging import (
    SourceFailed,
    SourceUnreachable,
    Staging,
    is_full,
    measure,
    megabytes,
)

from .servers import sha256

PATIENCE_S = 60.0


def entry(content: bytes) -> FileEntry:
    return FileEntry(len(content), sha256(content))


def candidate(staging: Staging, content: bytes) -> Path:
    file = staging.part("candidate", "")
    file.write_bytes(content)
    return file


def test_a_right_file_is_delivered_and_measured(staging: Staging) -> None:
    staging.deliver("voices/a.bin", entry(b"right"), candidate(staging, b"right"), "a test")
    assert (staging.files / "voices/a.bin").read_bytes() == b"right"
    record = staging.delivered["voices/a.bin"]
    assert (record.size, record.sha256, record.source) == (5, sha256(b"right"), "a test")


@pytest.mark.parametrize("unknown", [FileEntry(), FileEntry(8), FileEntry(sha256=sha256(b"whatever"))])
def test_a_file_of_which_too_little_is_known_is_refused_and_removed(
    staging: Staging, unknown: FileEntry
) -> None:
    file = candidate(staging, b"whatever")
    with pytest.raises(SourceFailed, match="a has no known checksum"):
        staging.deliver("a", unknown, file, "a test")
    assert not file.exists() and not staging.delivered


def test_a_small_file_of_the_hub_is_checked_by_the_name_that_git_gives_it(staging: Staging) -> None:
    # As `printf hello | git hash-object --stdin` prints it.
    hello = FileEntry(5, git_blob="b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0")
    staging.deliver("a", hello, candidate(staging, b"hello"), "a test")
    assert staging.delivered["a"].sha256 == sha256(b"hello")
    with pytest.raises(SourceFailed, match="a has git's SHA-1"):
        staging.deliver("a", hello, candidate(staging, b"HELLO"), "a test")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../a",
        "a/../../b",
        "a//b",
        "./a",
        "a/",
        "a\0b",
        "a\nb",
        "\x1b[2Ja",
        "a\\b",
        "\udc80",
    ]
    + ["a" * 241, "ä" * 121, "a/" * 16 + "a"],
)
def test_a_path_that_is_none_is_refused_in_one_line(staging: Staging, path: str) -> None:
    with pytest.raises(SourceFailed, match="outside the model's folder|no path of a file") as refused:
        staging.deliver(path, entry(b"x"), candidate(staging, b"x"), "a test")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("content", [b"wrong", b"right and more", b""])
def test_a_wrong_file_is_refused_and_removed(staging: Staging, content: bytes) -> None:
    file = candidate(staging, content)
    with pytest.raises(SourceFailed, match="a.bin has"):
        staging.deliver("a.bin", entry(b"right"), file, "a test")
    assert not file.exists() and not staging.delivered and not list(staging.files.iterdir())


@pytest.mark.parametrize("path", ["../a", "/tmp/a", "a/../../b"])
def test_a_path_that_leads_out_of_the_folder_is_refused(staging: Staging, path: str) -> None:
    with pytest.raises(SourceFailed, match="outside"):
        staging.deliver(path, FileEntry(), candidate(staging, b"x"), "a test")


def test_what_an_interrupted_pull_left_is_kept_when_it_is_right(staging: Staging, tmp_path: Path) -> None:
    for name in ("right", "wrong", "unknown"):
        staging.deliver(name, entry(name.encode()), candidate(staging, name.encode()), "a test")
    again = Staging(tmp_path / "staging", PullWatcher())
    wanted = {"right": entry(b"right"), "wrong": entry(b"other"), "unknown": FileEntry(), "new": FileEntry()}

    again.keep_checked(wanted)

    assert list(again.missing(wanted)) == ["wrong", "unknown", "new"]
    assert sorted(file.name for file in again.files.iterdir()) == ["right"]


def test_work_folders_of_a_killed_pull_go_away(staging: Staging, tmp_path: Path) -> None:
    with staging.work_folder() as work:
        (work / "left").write_bytes(b"x")
        Staging(tmp_path / "staging", PullWatcher())
        assert not work.exists()


def test_what_belongs_to_another_version_is_pruned(staging: Staging) -> None:
    staging.deliver("new", entry(b"x"), candidate(staging, b"x"), "a test")
    (staging.files / "voices").mkdir()
    (staging.files / "voices" / "old").write_bytes(b"x")
    staging.prune()
    assert [file.name for file in staging.files.rglob("*") if file.is_file()] == ["new"]


def test_a_job_that_fails_leaves_the_others_alone(staging: Staging) -> None:
    done: list[int] = []

    def job(number: int) -> None:
        if number == 0:
            raise SourceFailed("the first is wrong")
        done.append(number)

    with pytest.raises(SourceFailed, match="the first is wrong"):
        staging.each(partial(job, number) for number in range(20))
    assert sorted(done) == list(range(1, 20))


def test_nothing_more_is_begun_once_a_source_does_not_answer(staging: Staging) -> None:
    begun: list[int] = []

    def job(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise SourceUnreachable("nobody there")
        assert staging.stopped.wait(PATIENCE_S)

    with pytest.raises(SourceUnreachable):
        staging.each(partial(job, number) for number in range(100))
    assert len(begun) < 10
    assert not staging.stopped.is_set(), "the next source may be asked"


def test_jobs_run_beside_each_other(staging: Staging) -> None:
    both = threading.Barrier(2)

    met = []

    def meet() -> None:
        met.append(both.wait(PATIENCE_S))

    staging.each([meet, meet])
    assert sorted(met) == [0, 1]


def test_more_than_fits_is_refused_before_it_is_fetched(staging: Staging) -> None:
    staging.need(1000)
    with pytest.raises(
        StorageFull, match=r"1000000000000 MB more are needed, and \d+ MB are free\. .* models_dir"
    ):
        staging.need(10**18)


def test_an_empty_staging_leaves_nothing(staging: Staging, tmp_path: Path) -> None:
    candidate(staging, b"begun")
    staging.remove_if_empty()
    assert (tmp_path / "staging").exists()
    staging.part("candidate", "").unlink()
    staging.remove_if_empty()
    assert not (tmp_path / "staging").exists()


def test_sizes_are_said_for_people(tmp_path: Path) -> None:
    assert [megabytes(size) for size in (1_500_000, 353_733_192)] == ["1.5 MB", "354 MB"]


def test_a_file_is_measured(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(content)
    measured = measure(tmp_path / "file")
    assert (measured.size, measured.sha256) == (len(content), sha256(content))


@pytest.mark.parametrize(
    ("number", "full"), [(errno.ENOSPC, True), (errno.EFBIG, True), (errno.EACCES, False)]
)
def test_a_full_disk_is_told_from_other_errors(number: int, full: bool) -> None:
    assert is_full(OSError(number, "")) is full
