"""The programs in the README do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from foreign import foreign_python
from saystream.bench import ServerProcess

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
OFFICIAL_SDK, OPENAI_SDK, OWN_CLIENT = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SPOKEN_S = 1.0
"""Each program says more than this."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data_dir = tmp_path_factory.mktemp("data")
    environment = {**os.environ, "SAYSTREAM_ENGINE": "tone"}
    with ServerProcess(["--data-dir", str(data_dir)], environment) as server:
        yield server


def run(program: str, python: Path, server: ServerProcess, folder: Path) -> None:
    address = "//127.0.0.1:8321"
    assert address in program
    program = program.replace(address, server.url.removeprefix("ws:"))
    finished = subprocess.run([python, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr


def test_the_own_client_writes_speech(server: ServerProcess, tmp_path: Path) -> None:
    run(OWN_CLIENT, Path(sys.executable), server, tmp_path)
    with wave.open(str(tmp_path / "speech.wav")) as file:
        pcm = file.readframes(file.getnframes())
        assert file.getframerate() == 24000
    assert len(pcm) > SPOKEN_S * 24000 * 2


@pytest.mark.sdk
@pytest.mark.parametrize("version", ["1.25.11", "2.0.2"])
def test_the_official_sdk_writes_speech(
    version: str, dashscope_python: Callable[[str], Path], server: ServerProcess, tmp_path: Path
) -> None:
    run(OFFICIAL_SDK, dashscope_python(version), server, tmp_path)
    samples = np.frombuffer((tmp_path / "speech.pcm").read_bytes(), dtype="<i2")
    assert len(samples) > SPOKEN_S * 24000
    assert np.abs(samples).max() > 1000


@pytest.mark.sdk
def test_openais_sdk_writes_speech(server: ServerProcess, tmp_path: Path) -> None:
    run(OPENAI_SDK, foreign_python("openai"), server, tmp_path)
    speech = (tmp_path / "speech.wav").read_bytes()
    samples = np.frombuffer(speech[44:], dtype="<i2")
    assert len(samples) > SPOKEN_S * 24000
    assert np.abs(samples).max() > 1000
