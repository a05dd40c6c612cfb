"""``saystream voices`` with voices of one's own."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hums import speech
from saystream.bench import ServerProcess
from saystream.cli import app
from uploads import written

from .test_say import environment_in

RATE = 24_000
RECORDING = written("wav", "pcm_s16le", RATE, speech(11.0, RATE)[None])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess([], environment_in(tmp_path_factory.mktemp("server"))) as running:
        yield running


def voices(server: ServerProcess, *arguments: str | Path) -> Result:
    url = server.url.replace("ws://", "http://")
    return CliRunner().invoke(app, ["voices", *map(str, arguments), "--url", url])


@pytest.mark.slow
def test_a_voice_is_made_listed_heard_kept_and_removed(server: ServerProcess, tmp_path: Path) -> None:
    recording, archive, spoken = tmp_path / "anna.wav", tmp_path / "anna.zip", tmp_path / "hello.wav"
    recording.write_bytes(RECORDING)
    made = voices(server, "create", recording, "--name", "anna")
    assert made.exit_code == 0, made.output
    name = made.stdout.strip()
    assert name.startswith("qwen-tts-vc-anna-") and "not the speaker's own voice" in made.stderr
    assert name in [each["name"] for each in json.loads(voices(server, "list", "--json").stdout)]
    assert json.loads(voices(server, "show", name).stdout)["origin"] == "cloned"
    assert voices(server, "play", name, "Hello.", "-o", spoken).exit_code == 0
    with wave.open(str(spoken)) as heard:
        assert heard.getnframes() > 0
    assert voices(server, "export", name, "-o", archive).exit_code == 0
    assert voices(server, "rm", name).exit_code == 0
    assert voices(server, "import", archive).stdout.strip() == name


@pytest.mark.slow
def test_a_voice_is_designed_with_a_preview(server: ServerProcess, tmp_path: Path) -> None:
    preview = tmp_path / "preview.wav"
    made = voices(server, "design", "A cheerful girl.", "-o", preview, "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["name"].startswith("qwen-tts-vd-voice-")
    assert preview.read_bytes().startswith(b"RIFF")
    assert "designed" in voices(server, "list").stdout


@pytest.mark.slow
def test_a_refusal_is_one_line(server: ServerProcess) -> None:
    refused = voices(server, "show", "nobody")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: ") and refused.stderr.count("\n") == 1


def test_without_a_server_it_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSTREAM_DATA_DIR", str(tmp_path))
    alone = CliRunner().invoke(app, ["voices", "list"])
    assert alone.exit_code == 1 and "saystream serve" in alone.stderr
