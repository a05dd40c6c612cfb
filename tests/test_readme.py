"""The programs in the README, and the commands of the how-to for shells, do what the pages say."""

from __future__ import annotations

import json
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

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text("utf-8")
SHELL_PAGE = (REPOSITORY / "docs" / "howto" / "use-from-a-shell.md").read_text("utf-8")
OFFICIAL_SDK, OPENAI_SDK, OWN_CLIENT = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
DEMO, SERVE, GENERATE = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
CHECK, SPEAK, HANDSHAKE, WEBSOCAT, SAY = re.findall(r"```sh\n(.*?)```", SHELL_PAGE, re.DOTALL)
SPOKEN_S = 1.0
"""Each program says more than this."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data_dir = tmp_path_factory.mktemp("data")
    environment = {**os.environ, "SAYSTREAM_ENGINE": "tone"}
    with ServerProcess(["--data-dir", str(data_dir)], environment) as server:
        yield server


FAKE_WEBSOCAT = """\
#!{python}
import sys
from websockets.sync.client import connect

with connect(sys.argv[-1], proxy=None) as socket:
    for line in sys.stdin:
        socket.send(line)
    for frame in socket:
        print(frame)
        if "session.finished" in frame:
            break
"""
"""Sends each line and prints each frame as websocat does, but ends with the session."""


def run_in_a_shell(commands: str, server: ServerProcess, folder: Path, *, status: int = 0) -> str:
    """Run the commands with the server and the interpreter of the tests; what they write to standard output."""
    commands = commands.replace("//127.0.0.1:8321", server.url.removeprefix("ws:"))
    commands = commands.replace(".venv/bin/saystream", f"{sys.executable} -m saystream")
    environment = {
        **os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "NO_PROXY": "127.0.0.1",
        "SAYSTREAM_ENGINE": "tone",
    }  # fmt: skip
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder, env=environment, capture_output=True, text=True, errors="replace", timeout=300,
    )  # fmt: skip
    assert finished.returncode == status, finished.stderr
    return finished.stdout


def run(program: str, python: Path, server: ServerProcess, folder: Path) -> None:
    address = "//127.0.0.1:8321"
    assert address in program
    program = program.replace(address, server.url.removeprefix("ws:"))
    finished = subprocess.run(
        [python, "-c", program], cwd=folder, capture_output=True, text=True, timeout=300
    )
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


def test_the_two_commands_of_the_readme_are_scripts_that_are_there() -> None:
    for line in (*DEMO.splitlines(), SERVE.splitlines()[0]):
        assert os.access(REPOSITORY / line, os.X_OK)
    assert SERVE.splitlines()[1] == ".venv/bin/saystream serve"


def test_the_request_of_the_readme_gives_a_link_to_a_file(server: ServerProcess, tmp_path: Path) -> None:
    answer = json.loads(run_in_a_shell(GENERATE, server, tmp_path))
    assert answer["output"]["audio"]["url"].startswith("http://")


def test_the_checks_from_a_shell_answer(server: ServerProcess, tmp_path: Path) -> None:
    assert "saystream_" in run_in_a_shell(CHECK, server, tmp_path)


def test_a_shell_gets_an_mp3_over_http(server: ServerProcess, tmp_path: Path) -> None:
    run_in_a_shell(SPEAK, server, tmp_path)
    assert len((tmp_path / "speech.mp3").read_bytes()) > 1000


def test_curl_shows_the_first_event_of_a_session(server: ServerProcess, tmp_path: Path) -> None:
    timed_out = 28
    assert "session.created" in run_in_a_shell(HANDSHAKE, server, tmp_path, status=timed_out)


def test_a_session_from_a_shell_is_spoken_and_finished(server: ServerProcess, tmp_path: Path) -> None:
    websocat = tmp_path / "websocat"
    websocat.write_text(FAKE_WEBSOCAT.format(python=sys.executable), "utf-8")
    websocat.chmod(0o755)
    events = [json.loads(line)["type"] for line in run_in_a_shell(WEBSOCAT, server, tmp_path).splitlines()]
    assert "response.audio.delta" in events
    assert events[-1] == "session.finished"


def test_saystream_say_writes_the_files_of_the_page(server: ServerProcess, tmp_path: Path) -> None:
    run_in_a_shell(SAY, server, tmp_path)
    for name in ("speech.wav", "speech.mp3", "piped.wav"):
        assert len((tmp_path / name).read_bytes()) > 1000
