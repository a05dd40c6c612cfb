"""Loading a folder of the released shape."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from saystream.engines.qwen3.checkpoint import load_checkpoint
from saystream.errors import CheckpointInvalid

from .conftest import ModelOf


@pytest.fixture
def copy(checkpoints: Path, tmp_path: Path) -> Path:
    return shutil.copytree(checkpoints / "custom_voice", tmp_path / "copy")


def change_weights(file: Path, **changes: torch.Tensor | None) -> None:
    weights = load_file(str(file))
    for name, tensor in changes.items():
        weights.pop(name)
        if tensor is not None:
            weights[name] = tensor
    save_file(weights, str(file))


def test_every_tensor_of_the_files_is_used_but_those_of_the_encoder(
    checkpoints: Path, model_of: ModelOf
) -> None:
    model = model_of("custom_voice")
    published = load_file(str(checkpoints / "custom_voice" / "model.safetensors"))
    tokenizer = load_file(str(checkpoints / "custom_voice" / "speech_tokenizer" / "model.safetensors"))
    decoder = [tensor for name, tensor in tokenizer.items() if name.startswith("decoder.")]
    loaded = sum(tensor.numel() for tensor in model.state_dict().values())
    assert loaded == sum(tensor.numel() for tensor in [*published.values(), *decoder])


def test_only_base_loads_what_reads_voices(model_of: ModelOf) -> None:
    assert model_of("custom_voice").speaker_encoder is None
    assert model_of("custom_voice").reference_encoder is None
    assert model_of("base").reference_encoder is not None


def test_types_are_chosen_by_part(checkpoints: Path) -> None:
    model = load_checkpoint(checkpoints / "base", dtype=torch.bfloat16, codec_dtype=torch.float32)
    assert model.talker.codec_head.weight.dtype == torch.bfloat16
    assert model.predictor.lm_head[0].weight.dtype == torch.bfloat16
    assert model.codec.decoder[0].conv.weight.dtype == torch.float32
    assert model.speaker_encoder is not None
    assert model.speaker_encoder.fc.weight.dtype == torch.float32
    assert model.talker.model.rotary.frequencies.dtype == torch.float32


def test_a_model_in_bfloat16_speaks(checkpoints: Path) -> None:
    model = load_checkpoint(checkpoints / "custom_voice", dtype=torch.bfloat16)
    model.allocate(1, 32)
    slots = torch.tensor([0])
    prompt = model.prompts.custom_voice("vivian", language="en")
    hidden = model.talker(prompt.prefix[None], slots, torch.tensor([0]), 32)[:, -1]
    codes, _ = model.predictor(hidden, torch.tensor([7]), lambda logits, group: logits.argmax(-1))
    audio = model.codec.step(codes[:, :, None], slots, torch.tensor([0]))
    assert audio.dtype == torch.bfloat16 and bool(audio.float().isfinite().all())


def test_weights_in_several_files_are_found_by_their_index(copy: Path, model_of: ModelOf) -> None:
    weights = load_file(str(copy / "model.safetensors"))
    names = sorted(weights)
    parts = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: weights[name] for name in part}, str(copy / file))
    (copy / "model.safetensors").unlink()
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    loaded, whole = load_checkpoint(copy).state_dict(), model_of("custom_voice").state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in whole.items())


def test_a_missing_file_of_weights_is_named(copy: Path) -> None:
    (copy / "speech_tokenizer" / "model.safetensors").unlink()
    with pytest.raises(CheckpointInvalid, match=r"speech_tokenizer/model\.safetensors is missing"):
        load_checkpoint(copy)


def test_a_broken_file_of_weights_is_named(copy: Path) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointInvalid, match=r"model\.safetensors cannot be read"):
        load_checkpoint(copy)


def test_a_broken_index_is_named(copy: Path) -> None:
    (copy / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(CheckpointInvalid, match="does not list the files"):
        load_checkpoint(copy)


def test_a_missing_tensor_is_named(copy: Path) -> None:
    change_weights(copy / "model.safetensors", **{"talker.codec_head.weight": None})
    with pytest.raises(CheckpointInvalid, match=r"lack talker\.codec_head\.weight"):
        load_checkpoint(copy)


def test_a_tensor_that_is_missing_from_a_fused_one_is_named(copy: Path) -> None:
    change_weights(copy / "model.safetensors", **{"talker.model.layers.1.self_attn.v_proj.weight": None})
    with pytest.raises(CheckpointInvalid, match=r"lack talker\.model\.layers\.1\.self_attn\.v_proj\.weight"):
        load_checkpoint(copy)


def test_a_tensor_of_another_shape_is_named(copy: Path) -> None:
    change_weights(copy / "model.safetensors", **{"talker.codec_head.weight": torch.zeros(3072, 47)})
    with pytest.raises(
        CheckpointInvalid, match=r"codec_head\.weight is \(3072, 47\).* asks for \(3072, 48\)"
    ):
        load_checkpoint(copy)
