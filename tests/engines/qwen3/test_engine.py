from __future__ import annotations

import json
import shutil
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saystream.conformance import check_engine
from saystream.engines.base import Recording, Span, SynthesisRequest
from saystream.engines.qwen3.engine import Qwen3BaseEngine, Qwen3DesignEngine, Qwen3Engine
from saystream.errors import (
    AudioTooShort,
    CheckpointInvalid,
    ConfigurationError,
    EngineUnavailable,
    InvalidValue,
    ModelMissing,
)

from .random_checkpoint import make_checkpoint

TEXT = "hello world, the quick brown fox"
OPTIONS = {"slots": 4, "max_positions": 384, "threads": 1}


@contextmanager
def running(kind: type[Qwen3Engine], folder: Path, **options: Any) -> Iterator[Any]:
    engine = kind(folder=str(folder), **{**OPTIONS, **options})
    engine.load()
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="module")
def engine(checkpoints: Path) -> Iterator[Qwen3Engine]:
    with running(Qwen3Engine, checkpoints / "custom_voice") as loaded:
        yield loaded


def say(
    engine: Qwen3Engine, text: str = TEXT, voice: str = "", language: str = "en", **more: Any
) -> np.ndarray:
    stream = engine.open(SynthesisRequest(voice or engine.info.voices[0], language, **more))
    stream.push(Span(text))
    stream.end_input()
    return np.concatenate([*(chunk.samples for chunk in stream.chunks()), np.zeros(0, np.float32)])


@pytest.mark.timeout(900)
def test_it_conforms(tmp_path: Path) -> None:
    """Half a minute of a core that is free. What it says beyond its text is short, as with real weights, and its noise
    is one of those that no pitch is found in."""
    make_checkpoint(tmp_path, "custom_voice", mean_frames=5, seed=4)
    engine = Qwen3Engine(folder=str(tmp_path), **{**OPTIONS, "max_positions": 512})
    try:
        sentence = "hello world the train leaves quick brown fox"
        assert check_engine(engine, sentence=sentence) == []
    finally:
        engine.close()


def test_it_says_what_it_is(engine: Qwen3Engine) -> None:
    info = engine.info
    assert (info.name, info.sample_rate, info.concurrency) == ("qwen3", 24_000, 4)
    assert info.incremental_text and info.normalizes_text and info.instructions
    assert {"vivian", "ryan"} <= set(info.voices)
    assert set(info.languages) == {"zh", "en", "de", "it", "pt", "es", "ja", "ko", "fr", "ru"}


def test_voice_language_and_instructions_are_heard(engine: Qwen3Engine) -> None:
    plain = say(engine, voice="vivian")
    others = [
        say(engine, voice="ryan"),
        say(engine, voice="vivian", language="de"),
        say(engine, voice="vivian", instructions="Whisper."),
    ]
    np.testing.assert_allclose(say(engine, voice="vivian"), plain, atol=1e-4)
    for other in others:
        assert len(other) != len(plain) or not np.allclose(other, plain, atol=1e-2)


def test_instructions_that_the_checkpoint_does_not_follow_change_nothing(checkpoints: Path) -> None:
    with running(Qwen3Engine, checkpoints / "custom_voice_small") as engine:
        assert not engine.info.instructions
        np.testing.assert_allclose(say(engine, instructions="Whisper."), say(engine), atol=1e-4)


def test_an_instruction_that_leaves_no_room_for_speech_is_refused(engine: Qwen3Engine) -> None:
    with pytest.raises(InvalidValue, match="instructions: '4000 characters'") as refused:
        say(engine, instructions="Loud" * 1000)
    assert "LoudLoud" not in str(refused.value)
    assert len(say(engine)) > 0


def test_an_unknown_voice_is_refused(engine: Qwen3Engine) -> None:
    with pytest.raises(InvalidValue, match="nobody"):
        engine.open(SynthesisRequest("nobody", "en"))


def test_without_a_seed_it_never_says_the_same_twice(checkpoints: Path) -> None:
    with running(Qwen3Engine, checkpoints / "custom_voice", seed=-1) as engine:
        first, second = say(engine), say(engine)
        assert len(first) != len(second) or not np.allclose(first, second, atol=1e-2)


def test_the_seed_of_a_request_comes_before_that_of_the_engine(checkpoints: Path) -> None:
    with running(Qwen3Engine, checkpoints / "custom_voice", seed=-1) as engine:
        first, again, other = (say(engine, seed=seed) for seed in (7, 7, 8))
    np.testing.assert_allclose(first, again, atol=1e-4)
    assert len(first) != len(other) or not np.allclose(first, other, atol=1e-2)


def test_greedy_needs_no_seed(checkpoints: Path) -> None:
    heard = []
    for seed in (1, 2):
        with running(Qwen3Engine, checkpoints / "custom_voice", greedy=True, seed=seed) as engine:
            heard.append(say(engine, "hello world")[: 1920 * 8])
    np.testing.assert_allclose(heard[0], heard[1], atol=1e-4)


def test_the_whole_layout_takes_no_text_while_it_speaks(checkpoints: Path) -> None:
    with running(Qwen3Engine, checkpoints / "custom_voice", text_layout="whole") as engine:
        assert not engine.info.incremental_text
        assert len(say(engine)) > 0


def test_voices_are_designed_by_description_or_by_the_sessions_own_words(checkpoints: Path) -> None:
    descriptions = {"captain": "An old man with a deep voice.", "child": "A girl of six."}
    with running(Qwen3DesignEngine, checkpoints / "voice_design", descriptions=descriptions) as engine:
        assert engine.info.voices == ("captain", "child")
        captain, child = say(engine, voice="captain"), say(engine, voice="child")
        own = say(engine, voice="captain", instructions=descriptions["child"])
        np.testing.assert_allclose(own, child, atol=1e-4)
        assert len(captain) != len(child) or not np.allclose(captain, child, atol=1e-2)


def test_a_design_without_descriptions_has_a_voice_of_its_own(checkpoints: Path) -> None:
    with running(Qwen3DesignEngine, checkpoints / "voice_design") as engine:
        assert engine.info.voices == ("designed",)
        assert len(say(engine)) > 0


def write_wav(file: Path, frequency_hz: float, *, seconds: float = 1.5, sample_rate: int = 24_000) -> None:
    time_s = np.arange(int(seconds * sample_rate)) / sample_rate
    samples = (np.sin(2 * np.pi * frequency_hz * time_s) * 8000).astype("<i2")
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(samples.tobytes())


def test_recordings_are_cloned_with_and_without_what_they_say(checkpoints: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "anna.wav", 220)
    (tmp_path / "anna.txt").write_text("hello world\n")
    write_wav(tmp_path / "ben.wav", 110, sample_rate=16_000)
    (tmp_path / "notes.txt").write_text("not a voice")
    with running(Qwen3BaseEngine, checkpoints / "base", voices=str(tmp_path)) as engine:
        assert engine.info.voices == ("anna", "ben")
        assert not engine.info.instructions
        anna = say(engine, "the quick brown fox, " * 4, voice="anna")
        assert len(anna) and len(say(engine, voice="ben"))
        again = say(engine, "the quick brown fox, " * 4, voice="anna")
        np.testing.assert_allclose(again, anna, atol=1e-4), "the second time from the cache"
        assert engine._cache.num_bytes > 0


def test_a_recording_that_is_enrolled_speaks_as_it_would_from_the_folder(
    checkpoints: Path, tmp_path: Path
) -> None:
    write_wav(tmp_path / "anna.wav", 220)
    (tmp_path / "anna.txt").write_text("hello world\n")
    time_s = np.arange(36_000) / 24_000
    samples = ((np.sin(2 * np.pi * 220 * time_s) * 8000).astype("<i2") / 32768).astype(np.float32)
    with running(Qwen3BaseEngine, checkpoints / "base", voices=str(tmp_path)) as engine:
        assert engine.info.enrolls == "clone"
        enrolled = engine.enroll(Recording(samples, 24_000, "hello world"))
        by_name = say(engine, "the quick brown fox, " * 4, voice="anna")
        by_material = say(engine, "the quick brown fox, " * 4, voice="", material=enrolled.material)
        np.testing.assert_allclose(by_material, by_name, atol=1e-4)
        assert len(say(engine, voice="", material=engine.enroll(Recording(samples[::3], 8000)).material))
        with pytest.raises(AudioTooShort):
            engine.enroll(Recording(samples[:1000], 24_000))


def test_an_engine_that_enrolls_nothing_takes_no_material(engine: Qwen3Engine) -> None:
    assert engine.info.enrolls == ""
    with pytest.raises(InvalidValue, match="enrolls no voices"):
        engine.open(SynthesisRequest("", "en", material=b"voice"))


Arrange = Callable[[Path], None]


def no_folder(folder: Path) -> None:
    folder.rmdir()


def nothing(folder: Path) -> None:
    return


def too_short(folder: Path) -> None:
    write_wav(folder / "anna.wav", 220, seconds=0.1)


def no_audio(folder: Path) -> None:
    (folder / "anna.wav").write_bytes(b"no audio")


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        (no_folder, "does not name a folder"),
        (nothing, "no voice in"),
        (too_short, "anna.wav cannot be a voice"),
        (no_audio, "anna.wav cannot be a voice"),
    ],
)
def test_a_folder_without_voices_is_refused(
    checkpoints: Path, tmp_path: Path, arrange: Arrange, said: str
) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    arrange(folder)
    engine = Qwen3BaseEngine(folder=str(checkpoints / "base"), voices=str(folder), **OPTIONS)
    with pytest.raises(ConfigurationError, match=said):
        engine.load()


def test_a_checkpoint_of_another_kind_is_refused(checkpoints: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a base checkpoint; the engine qwen3 runs custom_voice"):
        Qwen3Engine(folder=str(checkpoints / "base"), **OPTIONS).load()


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointInvalid):
        Qwen3Engine(folder=str(tmp_path), **OPTIONS).load()


def test_weights_that_are_not_here_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSTREAM_MODELS_DIR", str(tmp_path))
    for kind in (Qwen3Engine, Qwen3DesignEngine, Qwen3BaseEngine):
        with pytest.raises(ModelMissing, match=f"saystream models pull {kind.default_model}"):
            kind(**OPTIONS).load()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"slots": -1}, "slots"),
        ({"dtype": "float16"}, "dtype"),
        ({"no_such": 1}, "no_such"),
        ({"temperature": 0}, "temperature"),
        ({"max_positions": 10}, "max_positions"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Qwen3Engine(**options)


def test_devices_that_are_not_here_are_refused(checkpoints: Path) -> None:
    folder = str(checkpoints / "custom_voice")
    with pytest.raises(ConfigurationError, match="may be auto, cpu, cuda"):
        Qwen3Engine(folder=folder, device="toaster").load()
    with pytest.raises(EngineUnavailable, match="no device cuda:99"):
        Qwen3Engine(folder=folder, device="cuda:99").load()


def test_the_checkpoints_own_sampling_holds_unless_an_option_says_otherwise(
    checkpoints: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoints / "custom_voice", folder)
    file = folder / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "top_k": 7, "temperature": 0.5}))
    with running(Qwen3Engine, folder, temperature=0.7) as engine:
        assert (engine._sampling.top_k, engine._sampling.temperature) == (7, 0.7)
        assert engine._sampling.repetition_penalty == 1.05
