"""The program that most listeners' players are made of reads the same streams as the grid, and has nothing to say."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from saystream.audio import SAMPLE_RATES, AudioFormat, Container, Effects

from .test_grid import spoken

FFMPEG = shutil.which("ffmpeg")

INPUTS: dict[Container, str] = {"wav": "wav", "mp3": "mp3", "opus": "ogg"}

OPEN_LENGTH = (
    "Ignoring maximum wav data size",
    "Packet corrupt",
    "corrupt input packet",
    "Guessed Channel Layout",
)
"""What it says of every wav whose header leaves the length open (ruling 13)."""


@pytest.mark.skipif(FFMPEG is None, reason="the program ffmpeg is not installed")
@pytest.mark.parametrize(
    "effects", [Effects(), Effects(speech_rate=1.3, pitch_rate=0.8, volume=70)], ids=["plain", "all effects"]
)
@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
@pytest.mark.parametrize("container", INPUTS)
def test_ffmpeg_reads_every_format_without_a_warning(
    container: Container, sample_rate: int, effects: Effects
) -> None:
    stream, _ = spoken(AudioFormat(container, sample_rate), effects, f"{container}{sample_rate}")
    assert FFMPEG is not None
    command = [FFMPEG, "-nostdin", "-hide_banner", "-v", "warning", "-f", INPUTS[container], "-i", "-"]
    run = subprocess.run([*command, "-f", "null", "-"], input=stream, capture_output=True, timeout=30)
    said = run.stderr.decode().splitlines()
    if container == "wav":
        said = [line for line in said if not any(known in line for known in OPEN_LENGTH)]
    assert (run.returncode, said) == (0, [])
