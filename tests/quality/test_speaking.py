from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from saystream.bench import ServerProcess
from saystream.config import Settings
from saystream.errors import ConnectionFailed, EngineUnavailable, RemoteError
from saystream.quality.speaking import DirectSpeaker, WireSpeaker, write_wav

TEXT = "One short sentence is enough here."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = ["--data-dir", str(tmp_path_factory.mktemp("data"))]
    with ServerProcess(["--engine", "tone", *data], os.environ) as running:
        yield running


def test_the_wire_and_the_engine_alone_say_the_same_for_about_as_long(server: ServerProcess) -> None:
    heard, rate = WireSpeaker(server.url).speak(TEXT, voice="Cherry", language="en")
    made, own_rate = DirectSpeaker(Settings(engine="tone")).speak(TEXT, voice="Cherry", language="en")

    assert len(heard) / rate == pytest.approx(len(made) / own_rate, rel=0.2)
    assert np.abs(heard).max() > 0.05
    assert np.abs(made).max() > 0.05


def test_a_server_that_refuses_is_reported(server: ServerProcess) -> None:
    with pytest.raises(RemoteError, match="voice"):
        WireSpeaker(server.url).speak(TEXT, voice="Nobody", language="en")


def test_a_server_that_is_not_there_is_reported() -> None:
    with pytest.raises(ConnectionFailed):
        WireSpeaker("ws://127.0.0.1:9").speak(TEXT, voice="Cherry", language="en")


def test_the_engine_alone_takes_the_first_of_the_order_that_can_run() -> None:
    speaker = DirectSpeaker(Settings(engine="auto", engine_order=("absent", "tone")))

    samples, rate = speaker.speak(TEXT, voice="Cherry", language="en")
    assert len(samples) > rate


def test_a_language_that_no_engine_speaks_is_refused() -> None:
    with pytest.raises(EngineUnavailable, match="Chinese"):
        DirectSpeaker(Settings(engine="hibari")).speak("你好", voice="Cherry", language="zh")


def test_a_recording_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    samples = np.array([0.0, 0.5, -0.5, 2.0, -2.0], np.float32)
    write_wav(tmp_path / "a.wav", samples, 8000)

    with wave.open(str(tmp_path / "a.wav")) as file:
        read = np.frombuffer(file.readframes(9), "<i2")
        assert file.getparams()[:3] == (1, 2, 8000)
    assert read == pytest.approx(np.array([0, 16383, -16383, 32767, -32767]), abs=1)
