"""The Java programs printed in the vendor's documents, compiled with the official Java SDK."""

from __future__ import annotations

import ast
import io
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hums import speech
from saystream.bench import ServerProcess
from uploads import written

# What plays its sound takes as long as the sound, so they run beside each other.
GROUPS = (
    ("qwen-server-commit-en", "qwen-commit-en"),
    ("qwen-server-commit-zh", "qwen-commit-zh"),
    ("cosyvoice-call", "http-call", "http-stream-call", "qwen-clone-zh"),
)
TYPED = "Good morning.\nThe second round, please.\nquit\n"
BYTES_PER_S = 48_000
REPORT = re.compile(r"^== (\S+): (.+) rc=(\S+) \S+ files=(.*)\n   out: (.*)$", re.MULTILINE)

# What lives for seconds is not worth its optimising.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

pytestmark = [pytest.mark.sdk, pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Sample:
    """What one program left behind."""

    verdict: str
    files: dict[str, int]
    """Sizes by name."""
    printed: str
    """The last 500 characters."""


@pytest.fixture(scope="module")
def java(shared_dir: Path) -> Path:
    """The script that takes the programs out of the documents, compiles and runs them."""
    if shutil.which("javac") is None:
        pytest.skip("there is no javac: install a JDK from version 17 on")
    folder = shared_dir / "java"
    if not any((folder / "lib").glob("dashscope-sdk-java-*.jar")):
        pytest.skip("the official Java SDK is not in the shared folder")
    return folder / "run_samples.py"


@pytest.fixture(scope="module")
def server(
    start_server: Callable[..., ServerProcess], tmp_path_factory: pytest.TempPathFactory
) -> ServerProcess:
    """One that nobody else talks to: what it counts is what these programs were sent."""
    return start_server("tone", data_dir=str(tmp_path_factory.mktemp("server-for-java")))


@pytest.fixture(scope="module")
def samples(java: Path, server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    """All programs, by the name that the script gives them."""
    port = str(urllib.parse.urlsplit(server.url).port)
    voice = tmp_path_factory.mktemp("recording") / "voice.mp3"
    voice.write_bytes(written("mp3", "lame", 24_000, speech(12, 24_000)[np.newaxis]))
    environment = {**os.environ, "JAVA_TOOL_OPTIONS": JAVA_OPTIONS, "LINES": TYPED, "VOICE_MP3": str(voice)}
    running = [
        subprocess.Popen(
            [sys.executable, java, port, *names],
            env={**environment, "TMPDIR": str(tmp_path_factory.mktemp("java"))},
            stdout=subprocess.PIPE,
            text=True,
        )
        for names in GROUPS
    ]
    try:
        reports = [process.communicate(timeout=800)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    return {
        name: Sample(f"{verdict} {status}", ast.literal_eval(files), printed)
        for report in reports
        for name, verdict, status, files, printed in REPORT.findall(report)
    }


def file_behind(link: str) -> float:
    """The length of a linked WAV file in seconds."""
    with urllib.request.urlopen(link, timeout=60) as answer, wave.open(io.BytesIO(answer.read())) as spoken:
        return spoken.getnframes() / spoken.getframerate()


def last_link(printed: str) -> str:
    return re.findall(r'"url":"([^"]+)"', printed)[-1]


@pytest.mark.parametrize("name", [name for names in GROUPS for name in names])
def test_a_program_ends_well(samples: dict[str, Sample], name: str) -> None:
    assert samples[name].verdict == "ok 0", samples[name]


def test_the_program_of_cosyvoice_writes_an_mp3_file(samples: dict[str, Sample]) -> None:
    assert samples["cosyvoice-call"].files["output.mp3"] > 10_000
    delay = re.search(r"first package delay \(ms\): (\d+)", samples["cosyvoice-call"].printed)
    assert delay is not None


def test_the_program_of_the_realtime_door_writes_what_was_spoken(samples: dict[str, Sample]) -> None:
    assert samples["qwen-server-commit-en"].files["TotalAudio_24000.pcm"] > 8 * BYTES_PER_S


@pytest.mark.parametrize("name", ["qwen-commit-en", "qwen-commit-zh"])
def test_every_typed_line_is_answered(samples: dict[str, Sample], name: str) -> None:
    """No more than that is certain: after "quit" these programs end without waiting for the end of the session, and
    while two of their threads write the same file."""
    assert samples[name].printed.count("response done") == 2


def test_the_cloning_program_is_told_its_voice(samples: dict[str, Sample]) -> None:
    assert re.search(
        r'"voice":"qwen-tts-vc-guanyu-voice-\d{17}-[0-9a-f]{4}"', samples["qwen-clone-zh"].printed
    )


@pytest.mark.parametrize("name", ["http-call", "http-stream-call"])
def test_the_programs_over_http_get_a_link_to_the_sound(samples: dict[str, Sample], name: str) -> None:
    assert file_behind(last_link(samples[name].printed)) > 2


def test_the_programs_that_only_play_were_sent_sound_as_well(
    samples: dict[str, Sample], server: ServerProcess
) -> None:
    """They leave nothing behind that is certain: the server counts what it sent to all of them."""
    with urllib.request.urlopen(server.url.replace("ws://", "http://") + "/metrics", timeout=60) as answer:
        families = {each.name: each for each in text_string_to_metric_families(answer.read().decode())}
    sent_s = families["saystream_audio_seconds"].samples[0].value
    written = samples["qwen-server-commit-en"].files["TotalAudio_24000.pcm"]
    linked_s = sum(
        file_behind(last_link(samples[name].printed)) for name in ("http-call", "http-stream-call")
    )
    mp3_at_most_s = 4
    assert sent_s - written / BYTES_PER_S - linked_s > 6 + mp3_at_most_s
