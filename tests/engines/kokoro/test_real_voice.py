"""With the real weights. About 15 s of two calm cores; ``benchmarks/kokoro.py`` measures more."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saystream.audio import SpeechChunk
from saystream.dsp.pitch import median_pitch_hz
from saystream.dsp.silence import LEADING_MS, QUIETEST
from saystream.engines.base import EngineStream, Span, SynthesisRequest
from saystream.engines.kokoro.engine import KokoroEngine
from saystream.engines.kokoro.model import Reading

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(kokoro_folder: Path) -> KokoroEngine:
    loaded = KokoroEngine(folder=str(kokoro_folder))
    loaded.load()
    return loaded


def stream_of(
    engine: KokoroEngine, text: str, voice: str, language: str = "en", **request: Any
) -> EngineStream:
    stream = engine.open(SynthesisRequest(voice, language, **request))
    stream.push(Span(text))
    stream.end_input()
    return stream


def speak(engine: KokoroEngine, text: str, voice: str, language: str = "en", **request: Any) -> np.ndarray:
    return np.concatenate(
        [chunk.samples for chunk in stream_of(engine, text, voice, language, **request).chunks()]
    )


def test_all_54_voices_are_there_and_the_first_is_the_best(engine: KokoroEngine) -> None:
    assert len(engine.info.voices) == 54
    assert engine.info.voices[0] == "af_heart"
    assert {voice[:2] for voice in engine.info.voices} >= {"af", "am", "bf", "bm", "zf", "zm", "jf", "jm"}


@pytest.mark.parametrize(
    ("language", "voice", "text", "seconds"),
    [
        ("zh", "zm_yunxi", "我们使用WebSocket服务器。", (1.6, 3.6)),
        ("ja", "jf_alpha", "今日の天気は晴れです。", (1.2, 3.2)),
        ("fr", "ff_siwis", "Bonjour, tout le monde.", (0.9, 2.6)),
    ],
)
def test_a_sentence_lasts_as_long_as_a_speaker_would_take(
    engine: KokoroEngine, language: str, voice: str, text: str, seconds: tuple[float, float]
) -> None:
    sound = speak(engine, text, voice, language)
    assert seconds[0] < len(sound) / 24000 < seconds[1]
    assert 0.1 < np.abs(sound).max() <= 1.0
    assert np.flatnonzero(np.abs(sound) > QUIETEST)[0] <= 24 * LEADING_MS


def test_the_same_text_gives_the_same_sound(engine: KokoroEngine) -> None:
    np.testing.assert_array_equal(speak(engine, "Hello.", "af_heart"), speak(engine, "Hello.", "af_heart"))


def test_a_mix_is_a_voice_between_its_parts(engine: KokoroEngine) -> None:
    low, mixed, high = (
        median_pitch_hz(speak(engine, "My name is Morgan.", voice), 24000)
        for voice in ("am_michael", "am_michael:0.5+af_heart:0.5", "af_heart")
    )
    assert low is not None and mixed is not None and high is not None
    assert low < mixed < high


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_speed_is_what_was_asked_for(engine: KokoroEngine, speed: float) -> None:
    text = "The train to the airport leaves at nine."
    heard = len(speak(engine, text, "af_heart")) / len(speak(engine, text, "af_heart", speed=speed))
    assert heard == pytest.approx(speed, rel=0.1)


def test_a_cancel_ends_the_sound_that_is_under_way(
    engine: KokoroEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifteen seconds of speech in one breath take the model many seconds."""
    begun = threading.Event()
    read_pass = engine._model.read

    def read_and_tell(*arguments: Any, **options: Any) -> Reading:
        begun.set()
        return read_pass(*arguments, **options)

    monkeypatch.setattr(engine._model, "read", read_and_tell)
    stream = stream_of(engine, "one two three four five six seven eight nine ten " * 5, "af_heart")
    chunks: list[SpeechChunk] = []
    reader = threading.Thread(target=lambda: chunks.extend(stream.chunks()))
    reader.start()
    assert begun.wait(60)
    stream.cancel()
    reader.join(60)
    assert not reader.is_alive()
    assert sum(len(chunk.samples) for chunk in chunks) < 2 * 24000
