"""A PostgreSQL server of the tests' own, from the programs that Debian's package ``postgresql`` brings."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

PROGRAMS = Path("/usr/lib/postgresql")
_PATIENCE_S = 60

# What a test writes need not outlive it.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
}


def postgres_programs() -> Path | None:
    """The folder of ``initdb`` and the others, of the newest version that is installed."""
    found = [path.parent for path in PROGRAMS.glob("*/bin/initdb") if (path.parent / "pg_ctl").exists()]
    return max(found, key=lambda folder: float(folder.parent.name), default=None)


@dataclass
class Cluster:
    """A server that nothing but its socket leads to."""

    programs: Path
    folder: Path
    settings: dict[str, str]
    _numbers: Iterator[int] = field(default_factory=count)

    def run(self, program: str, *arguments: str, **options: Any) -> None:
        """Runs one of PostgreSQL's programs, as somebody who may: it refuses root."""
        subprocess.run(
            [str(self.programs / program), *arguments],
            check=True,
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
            **_as_nobody(),
            **options,
        )

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        self.run("createdb", "--host", str(self.folder), "--username", "tests", name)
        return f"postgresql+asyncpg://tests@/{name}?host={quote(str(self.folder), safe='')}"

    def start(self) -> None:
        options = " ".join(f"-c {name}={setting!r}" for name, setting in self.settings.items())
        self._control("start", "-l", str(self.folder / "log"), "-o", f"-k {self.folder} {options}")

    def stop(self) -> None:
        """Cuts every connection."""
        self._control("stop", "-m", "fast")

    def hang(self) -> None:
        """It takes connections and answers nothing."""
        for process in self._processes():
            process.suspend()

    def go_on(self) -> None:
        """After ``hang``."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        """The first starts the others, and lets go of them last."""
        first = psutil.Process(int((self.folder / "data" / "postmaster.pid").read_text().split("\n")[0]))
        return [first, *first.children()]

    def _control(self, action: str, *arguments: str) -> None:
        self.run("pg_ctl", action, "--wait", "-D", str(self.folder / "data"), *arguments)


@contextmanager
def running_cluster(programs: Path, **settings: str) -> Iterator[Cluster]:
    """A new server, which is gone afterwards with everything in it. ``settings`` are its own."""
    # Not pytest's folder, which no other user may enter; and short: the path of a socket has 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    cluster = Cluster(programs, folder, {**_SETTINGS, **settings})
    try:
        if _as_nobody():
            os.chown(folder, _as_nobody()["user"], _as_nobody()["group"])
        cluster.run(
            "initdb",
            "-D",
            str(folder / "data"),
            "-U",
            "tests",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        )
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)


def _as_nobody() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
