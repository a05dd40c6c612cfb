"""Kills a pull at each step that it makes on the disk, in turn: ``killing.py FOLDER MANIFEST PLACE``.

After each kill another pull goes on. Prints one JSON object a step: what the store had after the kill and after the
other pull.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from saystream.errors import ModelMissing
from saystream.models import Manifest, ModelStore
from saystream.models.hub import Hub
from saystream.models.pull import Pull
from saystream.models.staging import measure

LOADED = (Hub, Pull)
"""Before the first fork, or each child would load them."""

STEPS = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.copyfile", "shutil.rmtree"}


def pull(store: ModelStore, place: str, *, killed_at: int | None = None) -> bool:
    """In a child; whether it came to its end."""
    child = os.fork()
    if child == 0:
        if killed_at is not None:
            sys.addaudithook(killer(killed_at))
        try:
            store.pull("m", mirror=place, only_mirror=True)
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a pull failed"
    return not os.WIFSIGNALED(status)


def killer(step: int) -> Callable[[str, tuple[object, ...]], None]:
    left = step

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if event in STEPS or writes:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def state(store: ModelStore) -> str:
    try:
        folder = store.path("m")
    except ModelMissing:
        return "missing"
    files = dict(store.manifest.model("m").files())
    return "right" if all(measure(folder / path).sha256 == files[path].sha256 for path in files) else "wrong"


def main(folder: str, manifest: str, place: str) -> None:
    content, step, over = Manifest(Path(manifest).read_text("utf-8")), 0, False
    while not over:
        step += 1
        store = ModelStore(Path(folder) / str(step), manifest=content)
        over = pull(store, place, killed_at=step)
        after_kill = state(store)
        pull(store, place)
        print(json.dumps({"after_kill": after_kill, "at_the_end": state(store)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
