"""Reading what a checkpoint says of itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saystream.engines.qwen3.config import read_config
from saystream.errors import CheckpointInvalid

Change = Callable[[dict[str, Any]], object]


def changed(checkpoints: Path, folder: Path, file: str, change: Change) -> Path:
    """A copy of a checkpoint's settings in which one thing is different."""
    for name in ("config.json", "speech_tokenizer/config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(checkpoints / "base" / name, folder / name)
    settings = json.loads((folder / file).read_text())
    change(settings)
    (folder / file).write_text(json.dumps(settings))
    return folder


def test_a_checkpoint_says_what_it_is(checkpoints: Path) -> None:
    config = read_config(checkpoints / "custom_voice")
    assert (config.kind, config.size) == ("custom_voice", "1b7")
    assert config.talker.eos == 2150
    assert config.talker.speakers["ono_anna"] == 2873
    assert config.talker.dialects == {"eric": "sichuan_dialect", "dylan": "beijing_dialect"}
    assert config.codec.stack.window == 72
    assert config.speaker is None


def test_only_base_reads_voices(checkpoints: Path) -> None:
    speaker = read_config(checkpoints / "base").speaker
    assert speaker is not None and speaker.size == 48


@pytest.mark.parametrize(
    ("checkpoint", "follows"),
    [("custom_voice", True), ("custom_voice_small", False), ("voice_design", True), ("base", False)],
)
def test_who_follows_instructions(checkpoint: str, follows: bool, checkpoints: Path) -> None:
    assert read_config(checkpoints / checkpoint).follows_instructions == follows


def test_settings_with_a_default_may_be_left_out(checkpoints: Path, tmp_path: Path) -> None:
    def leave_out(settings: dict[str, Any]) -> None:
        del settings["decoder_config"]["sliding_window"], settings["encoder_config"]["upsampling_ratios"]

    config = read_config(changed(checkpoints, tmp_path, "speech_tokenizer/config.json", leave_out))
    assert config.codec.stack.window == 72
    assert config.encoder.rates == (8, 6, 5, 4)


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("config.json", lambda it: it.pop("talker_config"), "lacks talker_config"),
        ("config.json", lambda it: it["talker_config"].pop("text_vocab_size"), "text_vocab_size must be"),
        ("config.json", lambda it: it["talker_config"].update(hidden_size="48"), "hidden_size must be a whole number"),
        ("config.json", lambda it: it["talker_config"].update(num_code_groups=32), "16 code groups"),
        ("config.json", lambda it: it["talker_config"].update(rope_theta=0), "rope_theta must be a number above 0"),
        ("config.json", lambda it: it["talker_config"].update(spk_id=[1]), "spk_id must be an object"),
        ("config.json", lambda it: it.update(tts_model_type="singer"), "'singer'; known are custom_voice"),
        ("config.json", lambda it: it.update(tokenizer_type="qwen3_tts_tokenizer_25hz"), "25hz"),
        ("config.json", lambda it: it.update(tts_model_size=6), "tts_model_size must be a string"),
        ("config.json", lambda it: it.update(speaker_encoder_config=[]), "speaker_encoder_config is not a JSON object"),
        ("config.json", lambda it: it["speaker_encoder_config"].update(enc_channels=[]), "enc_channels must be a list"),
        ("speech_tokenizer/config.json", lambda it: it["decoder_config"].update(num_quantizers=8), "16 codebooks"),
        ("speech_tokenizer/config.json", lambda it: it["decoder_config"].update(upsample_rates=[8, 5]), "160 samples"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_with_the_reason(
    file: str, change: Change, says: str, checkpoints: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointInvalid, match=says):
        read_config(changed(checkpoints, tmp_path, file, change))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointInvalid, match=r"config\.json is missing"):
        read_config(tmp_path)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("<html>")
    with pytest.raises(CheckpointInvalid, match=r"config\.json is not JSON"):
        read_config(tmp_path)
