"""Checkpoints with random weights are of the released shape, and speak for as long and as loud as is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from saystream.engines.qwen3.checkpoint import load_checkpoint
from saystream.engines.qwen3.config import read_config
from saystream.engines.qwen3.model import Qwen3Model
from saystream.engines.qwen3.prompt import Layout
from saystream.engines.qwen3.tokens import Tokens

from .random_checkpoint import REAL_CONTROL_IDS, make_checkpoint, make_tokenizer
from .random_shapes import codec_settings, main_settings

TESTS = Path(__file__).parents[2]

ROWS, STEPS = 48, 30


def sampled_lengths(model: Qwen3Model) -> Tensor:
    """Frames [ROWS] until the end of speech was drawn, at most ``STEPS``."""
    model.allocate(ROWS, 64)
    generator = torch.Generator().manual_seed(0)

    def choose(logits: Tensor, group: int) -> Tensor:
        best, codes = (logits / 0.9).topk(50, -1)
        return codes.gather(-1, torch.multinomial(best.softmax(-1), 1, generator=generator))[:, 0]

    prompt = model.prompts.custom_voice("ryan", layout=Layout.WHOLE).with_text(model.tokens.encode("hello"))
    slots = torch.arange(ROWS)
    rows = prompt.prefix.expand(ROWS, -1, -1)
    hidden = model.talker(rows, slots, torch.zeros_like(slots), 64)[:, -1]
    lengths, speaking = torch.zeros(ROWS), torch.ones(ROWS, dtype=torch.bool)
    for step in range(STEPS):
        logits = model.talker.logits(hidden)
        logits[:, 2048:2150] = logits[:, 2151:] = -torch.inf
        first = choose(logits, 0)
        speaking &= first != model.config.talker.eos
        lengths += speaking
        _, summed = model.predictor(hidden, first.clamp(max=2047), choose)
        vectors = (summed + model.pad_vector)[:, None]
        hidden = model.talker(vectors, slots, torch.full_like(slots, rows.shape[1] + step), 64)[:, -1]
    return lengths


def test_sampled_speech_is_about_as_long_as_asked(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, "custom_voice", mean_frames=8)
    lengths = sampled_lengths(load_checkpoint(tmp_path))
    assert 3.5 < lengths.mean() < 11
    assert lengths.max() > 2 * lengths.mean()  # by chance, not by a count


def test_audio_is_loud_as_speech_is(checkpoints: Path) -> None:
    model = load_checkpoint(checkpoints / "voice_design")
    model.allocate(1, 32)
    codes = torch.randint(0, 2048, (1, 16, 20), generator=torch.Generator().manual_seed(1))
    audio = model.codec.step(codes, torch.tensor([0]), torch.tensor([0]))
    assert 0.03 < audio.std() < 0.3
    assert audio.abs().max() < 1


def test_the_same_seed_makes_the_same_checkpoint(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_checkpoint(tmp_path / name, "voice_design", seed=4)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 10
    assert all(
        (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files
    )


@pytest.mark.parametrize(("size", "millions"), [("0.6B", 906), ("1.7B", 1917)])
def test_a_real_shape_has_as_many_parameters_as_the_released_one(
    size: str, millions: int, tmp_path: Path
) -> None:
    """Counted without the codec; the numbers are those of the published package's modules."""
    (tmp_path / "speech_tokenizer").mkdir()
    make_tokenizer(tmp_path, control=REAL_CONTROL_IDS)
    tokens = Tokens.read(tmp_path)
    assert (tokens.control["<|im_start|>"], tokens.control["<tts_pad>"]) == (151_644, 151_671)
    settings = main_settings("custom_voice", "0b6", tokens.control, 151_936, size)
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "speech_tokenizer" / "config.json").write_text(json.dumps(codec_settings(size)))
    with torch.device("meta"):
        model = Qwen3Model(read_config(tmp_path), tokens)
    parts = sum(p.numel() for part in (model.talker, model.predictor) for p in part.parameters())
    assert round(parts / 1e6) == millions
    assert round(sum(p.numel() for p in model.codec.parameters()) / 1e6) == 114


def test_the_program_makes_three_checkpoints(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "engines.qwen3.random_checkpoint", str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=TESTS)
    assert [line.split(": ")[1].split(" ")[0] for line in done.stdout.splitlines()] == [
        "custom_voice",
        "voice_design",
        "base",
    ]
    assert read_config(tmp_path / "base").kind == "base"
