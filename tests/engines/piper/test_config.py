import json
from pathlib import Path
from typing import Any

import pytest

from saystream.engines.piper.config import VoiceConfig, read_config
from saystream.errors import EngineUnavailable

LEAST: dict[str, Any] = {
    "audio": {"sample_rate": 22050},
    "espeak": {"voice": "de"},
    "phoneme_id_map": {"_": [0], "^": [1], "$": [2], "a": [3]},
    "num_symbols": 256,
    "num_speakers": 1,
}


def read(folder: Path, **changes: object) -> VoiceConfig:
    path = folder / "voice.onnx.json"
    path.write_text(json.dumps({**LEAST, **changes}))
    return read_config(path)


def test_the_file_of_a_real_voice_is_read(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        inference={"noise_scale": 0.5, "length_scale": 1, "noise_w": 0.7},
        phoneme_type="espeak",
        phoneme_map={},
        speaker_id_map={},
        piper_version="1.0.0",
        language={"code": "de_DE", "family": "de", "region": "DE", "name_native": "Deutsch"},
        dataset="somebody",
    )
    assert config.iso_639_1 == "de"
    assert (config.audio.sample_rate, config.espeak.voice, config.speakers) == (22050, "de", {})
    inference = config.inference
    assert (inference.noise_scale, inference.length_scale, inference.noise_w) == (0.5, 1.0, 0.7)


def test_what_is_left_out_is_what_piper_takes(tmp_path: Path) -> None:
    config = read(tmp_path)
    inference = config.inference
    assert (inference.noise_scale, inference.length_scale, inference.noise_w) == (0.667, 1.0, 0.8)
    assert (config.phoneme_type, config.default_speaker_id) == ("espeak", 0)


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ({"language": {"family": "pt"}, "espeak": {"voice": "pt-br"}}, "pt"),
        ({"espeak": {"voice": "en-gb-x-rp"}}, "en"),
        ({"espeak": {"voice": "cmn"}}, "zh"),
        ({"espeak": {"voice": "nb"}}, "no"),
    ],
)
def test_the_language_is_that_of_the_file_else_that_of_its_phonemes(
    tmp_path: Path, fields: dict[str, Any], language: str
) -> None:
    assert read(tmp_path, **fields).iso_639_1 == language


def test_several_speakers_have_their_names_or_their_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, num_speakers=2, speaker_id_map={"anna": 0, "ben": 1}).speakers == {
        "anna": 0,
        "ben": 1,
    }
    assert read(tmp_path, num_speakers=3).speakers == {"0": 0, "1": 1, "2": 2}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"audio": {"sample_rate": 0}}, "sample_rate"),
        ({"audio": {}}, "sample_rate"),
        ({"phoneme_id_map": {"_": [0], "^": [1]}}, r"no number for \$"),
        ({"phoneme_id_map": {"_": [0], "^": [1], "$": []}}, r"no number for \$"),
        ({"phoneme_id_map": {"_": "0"}}, "phoneme_id_map"),
        ({"phoneme_type": "pinyin"}, "'pinyin'; known are espeak and text"),
        ({"espeak": {"voice": ""}}, "no voice of eSpeak"),
        ({"language": {"family": "yue"}}, "'yue', which is no code of ISO 639-1"),
        ({"num_speakers": 0}, "num_speakers"),
        ({"inference": {"length_scale": 0}}, "length_scale"),
        ({"inference": {"noise_w": "much"}}, "noise_w"),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(EngineUnavailable, match=problem):
        read(tmp_path, **fields)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null", b'{"x":' + b"[" * 100_000])
def test_what_is_no_object_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "voice.onnx.json"
    path.write_bytes(content)
    with pytest.raises(EngineUnavailable, match=r"voice\.onnx\.json does not describe a Piper voice"):
        read_config(path)


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"voice\.onnx\.json cannot be read: No such file"):
        read_config(tmp_path / "voice.onnx.json")
