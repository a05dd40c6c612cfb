"""The same as ``normalizer`` for Chinese and Japanese, whose grammars in a library of C++ are slow."""

from __future__ import annotations

from fuzzing.reading import Reader
from fuzzing.targets.normalizer import check

MAX_BYTES = 64
DICTIONARY = "numbers"


def one(data: bytes) -> None:
    reader = Reader(data)
    check(reader.choice(("zh", "ja")), reader.text())
