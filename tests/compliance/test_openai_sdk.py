"""OpenAI's own SDK, unmodified but for its ``base_url``."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from foreign import foreign_python
from saystream.bench import ServerProcess

DRIVER = Path(__file__).parent / "openai_driver.py"
FORMATS = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
}

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audio")


@pytest.fixture(scope="module")
def seen(
    start_server: Callable[..., ServerProcess], tmp_path_factory: pytest.TempPathFactory, folder: Path
) -> dict[str, Any]:
    """What the driver saw of a server that has a key."""
    python = foreign_python("openai")
    data_dir = str(tmp_path_factory.mktemp("keys"))
    environment = {**os.environ, "SAYSTREAM_DATA_DIR": data_dir}
    make_key = [sys.executable, "-m", "saystream", "keys", "create", "test"]
    key = subprocess.run(make_key, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    base_url = start_server("tone", data_dir=data_dir).url.replace("ws://", "http://") + "/v1"
    command: list[str | Path] = [python, DRIVER, base_url, key, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def pcm_duration_s(pcm: bytes) -> float:
    return len(pcm) / 2 / 24_000


@pytest.fixture(scope="module")
def spoken_s(seen: dict[str, Any], folder: Path) -> float:
    return pcm_duration_s((folder / "pcm").read_bytes())


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_decodes_to_the_same_duration(
    name: str, seen: dict[str, Any], folder: Path, spoken_s: float
) -> None:
    assert name not in seen["errors"]
    assert seen["content_types"][name] == FORMATS[name]
    with av.open(io.BytesIO((folder / name).read_bytes()), "r") as container:
        frames = list(container.decode(audio=0))
    duration_s = sum(frame.samples / frame.sample_rate for frame in frames)
    assert spoken_s > 1
    # The codecs that look back over frames pad the beginning and the end.
    assert duration_s == pytest.approx(spoken_s, abs=0.1 if name in ("mp3", "opus", "aac") else 1e-6)


def test_pcm_is_sound_at_24_khz(seen: dict[str, Any], folder: Path) -> None:
    samples = np.frombuffer((folder / "pcm").read_bytes(), "<i2")
    assert np.abs(samples).max() > 1000
    assert seen["content_types"]["pcm"] == "audio/pcm"


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_speed_divides_the_duration(
    speed: float, seen: dict[str, Any], folder: Path, spoken_s: float
) -> None:
    duration_s = pcm_duration_s((folder / f"speed-{speed}").read_bytes())
    assert duration_s == pytest.approx(spoken_s / speed, rel=0.02, abs=0.05)


def test_a_streamed_answer_comes_in_parts_and_is_the_same(seen: dict[str, Any], folder: Path) -> None:
    assert seen["chunks"]["audio"] > 1
    assert (folder / "streamed.pcm").read_bytes() == (folder / "pcm").read_bytes()


def test_events_carry_the_same_audio_and_end_with_the_usage(
    seen: dict[str, Any], folder: Path, spoken_s: float
) -> None:
    assert seen["content_types"]["sse"].startswith("text/event-stream")
    *deltas, last = seen["events"]
    assert set(deltas) == {"speech.audio.delta"}
    assert last == "speech.audio.done"
    assert (folder / "events.pcm").read_bytes() == (folder / "pcm").read_bytes()
    usage = seen["usage"]
    assert usage["output_tokens"] == 50 * int(-(-spoken_s // 1))
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize(
    ("case", "exception", "code", "param"),
    [
        ("model", "NotFoundError", "model_not_found", "model"),
        ("voice", "BadRequestError", "invalid_value", "voice"),
        ("long", "BadRequestError", "text_too_long", "input"),
        ("empty", "BadRequestError", "invalid_value", "input"),
        ("speed", "BadRequestError", "invalid_value", "speed"),
        ("key", "AuthenticationError", "invalid_api_key", None),
    ],
)
def test_a_refusal_is_the_exception_that_its_users_expect(
    case: str, exception: str, code: str, param: str | None, seen: dict[str, Any]
) -> None:
    *said, request_id = seen["errors"][case]
    assert said == [exception, code, param]
    assert request_id


def test_models_are_listed_and_found(seen: dict[str, Any]) -> None:
    assert {"tts-1", "gpt-4o-mini-tts", "qwen3-tts-flash"} <= set(seen["models"])
    assert seen["model"] == "tts-1"
