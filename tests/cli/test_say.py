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
from saystream.cli.say import languages_of
from saystream.config import Settings
from saystream.protocol.realtime.session_config import SessionConfig, SessionPatch

TEXT = "Hello there."


def say(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "saystream", "say", TEXT, *arguments]
    environment = {**os.environ, "SAYSTREAM_ENGINE": "tone"}
    return subprocess.run(command, env=environment, capture_output=True, timeout=60)


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
