"""Pulls a model in a process of its own: ``pulling.py STORE MANIFEST PLACE [LARGEST_FILE]``.

Prints what it says; ends with 0, or with 3 and the error on its last line.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from saystream.errors import SaystreamError
from saystream.models import Manifest, ModelStore, PullWatcher


class Printer(PullWatcher):
    def says(self, sentence: str) -> None:
        print(sentence, flush=True)


def main(folder: str, manifest: str, place: str, largest_file: str = "") -> None:
    if largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_file), resource.RLIM_INFINITY))
    store = ModelStore(Path(folder), manifest=Manifest(Path(manifest).read_text("utf-8")))
    try:
        store.pull("m", mirror=place, only_mirror=True, watcher=Printer())
    except SaystreamError as error:
        print(f"{type(error).__name__}: {error.message}", flush=True)
        sys.exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
