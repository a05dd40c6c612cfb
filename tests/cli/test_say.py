"""``saystream say``, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from listening import decoded
from saystream.bench import ServerProcess
from saystream.cli.say import languages_of
from saystream.config import Settings
from saystream.protocol.realtime.session_config import SessionConfig, SessionPatch

TEXT = "Hello there."


def environment_in(data_dir: Path) -> dict[str, str]:
    return {**os.environ, "SAYSTREAM_ENGINE": "tone", "SAYSTREAM_DATA_DIR": str(data_dir)}


@pytest.fixture(scope="module")
def no_server(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of commands that find no server, whatever runs on the machine."""
    return environment_in(tmp_path_factory.mktemp("alone"))


@pytest.fixture(autouse=True)
def alone(no_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in no_server.items():
        monkeypatch.setenv(name, value)


def say(*arguments: str | Path, text: str = TEXT) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "saystream", "say", text, *arguments]
    return subprocess.run(command, capture_output=True, timeout=300)


@pytest.mark.slow
def test_a_server_with_the_same_settings_speaks_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = environment_in(tmp_path)
    monkeypatch.setenv("SAYSTREAM_DATA_DIR", str(tmp_path))
    with ServerProcess([], environment) as server:
        by_server = say("-o", "-", "--sample-rate", "16000")
        assert f"spoken by the server at {server.url}" in by_server.stderr.decode()
        alone = say("-o", "-", "--sample-rate", "16000", "--local")
        assert b"server" not in alone.stderr
        assert by_server.stdout == alone.stdout != b""

        made = subprocess.run(
            [sys.executable, "-m", "saystream", "keys", "create", "somebody"],
            capture_output=True,
            timeout=300,
        )
        assert made.returncode == 0, made.stderr
        # That there is no key is known to the server for some seconds.
        refusal = f"not spoken by the server at {server.url}"
        tries = (say("-o", "-", "--sample-rate", "16000") for _ in range(60))
        refused = next(said for said in tries if refusal in said.stderr.decode())
        assert refused.stdout == alone.stdout
        monkeypatch.setenv("SAYSTREAM_API_KEY", made.stdout.decode().split()[-1])
        assert b"spoken by the server" in say("-o", "-").stderr


def test_a_wav_file_has_its_length_in_its_header(tmp_path: Path) -> None:
    file = tmp_path / "said.wav"
    assert say("-o", file, "--sample-rate", "16000").returncode == 0
    with wave.open(str(file)) as said:
        assert said.getframerate() == 16000
        assert said.getnframes() * 2 == file.stat().st_size - 44
        assert said.getnframes() / 16000 == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("extension", ["mp3", "opus"])
def test_the_extension_chooses_the_format_and_every_effect_is_heard(tmp_path: Path, extension: str) -> None:
    file = tmp_path / f"said.{extension}"
    effects = (
        "--rate",
        "0.5",
        "--pitch",
        "2",
        "--volume",
        "25",
        "--bit-rate",
        "64",
        "--sample-rate",
        "48000",
    )
    assert say("-o", file, *effects).returncode == 0
    heard = decoded(file.read_bytes(), extension)
    assert heard.warnings == []
    assert len(heard.samples) / heard.sample_rate == pytest.approx(1.6, abs=0.06)
    assert np.abs(heard.samples).max() == pytest.approx(0.15, rel=0.1)
    samples = heard.samples[2000:-4000]
    strongest = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax()
    assert strongest * heard.sample_rate / len(samples) == pytest.approx(440, abs=2)


def test_standard_output_takes_any_format(tmp_path: Path) -> None:
    assert len(say("-o", "-").stdout) == 38400
    assert say("-o", "-", "--format", "opus").stdout.startswith(b"OggS")
    assert say("-o", "-", "--format", "wav").stdout.startswith(b"RIFF")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "said.txt"), b"'.opus'"),
        (("--format", "mp3"), b"-o FILE"),
        (("-o", "-", "--rate", "3"), b"speech_rate"),
        (("-o", "-", "--format", "mp3", "--model", "qwen-tts-realtime"), b"'pcm'"),
    ],
)
def test_what_cannot_be_said_is_refused_with_what_can(arguments: tuple[str, ...], said: bytes) -> None:
    refused = say(*arguments)
    assert refused.returncode != 0
    assert said in refused.stderr
    assert b"Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("text", "language", "languages"),
    [
        ("Hello there.", "Auto", {"en"}),
        ("今天很好。Das ist ein ganz normaler deutscher Satz.", "Auto", {"zh", "de"}),
        ("Hello there. 今天很好。", "German", {"de", "zh"}),
    ],
)
def test_the_languages_of_a_text_are_known_before_any_engine_is_started(
    text: str, language: str, languages: set[str]
) -> None:
    config = SessionConfig().merged(SessionPatch(language_type=language))
    assert languages_of(text, config, Settings()) == languages


def test_instructions_are_for_models_that_take_them() -> None:
    refused = say("-o", "-", "--instructions", "Whisper.")
    assert refused.returncode != 0
    assert b"instructions" in refused.stderr
    assert b"Whisper" not in refused.stderr
    assert say("-o", "-", "--instructions", "Whisper.", "--model", "qwen3-tts-instruct-flash-realtime").stdout
