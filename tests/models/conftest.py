from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from saystream.models.download import open_client
from saystream.models.progress import PullWatcher
from saystream.models.staging import Staging

from .servers import FileServer


class Notes(PullWatcher):
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.begun: dict[str, int | None] = {}
        self.ended: list[str] = []
        self.sizes: dict[str, int] = {}

    def begins(self, name: str, size: int | None) -> None:
        self.begun[name] = size

    def reached(self, name: str, size: int) -> None:
        self.sizes[name] = size

    def ends(self, name: str) -> None:
        self.ended.append(name)

    def says(self, sentence: str) -> None:
        self.sentences.append(sentence)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def staging(tmp_path: Path, notes: Notes) -> Staging:
    return Staging(tmp_path / "staging", notes)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer().running() as server:
        yield server


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with open_client() as client:
        yield client
