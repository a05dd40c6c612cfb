"""Loading: from a folder in the released format to a model ready to run, by the names of the tensors in its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from saystream.engines.qwen3.config import read_config
from saystream.engines.qwen3.layers import fuse
from saystream.engines.qwen3.model import Qwen3Model
from saystream.engines.qwen3.tokens import Tokens
from saystream.errors import CheckpointInvalid

__all__ = ["load_checkpoint", "materialise"]


def load_checkpoint(
    folder: Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    codec_dtype: torch.dtype | None = None,
) -> Qwen3Model:
    """The model in ``folder``, without caches: call ``allocate`` next.

    Talker and predictor are kept in ``dtype``, the codec in ``codec_dtype`` (by default the same), and what reads
    reference audio in float32. Raises CheckpointInvalid, which names the file and what is wrong with it.
    """
    config, tokens = read_config(folder), Tokens.read(folder)
    with torch.device("meta"):
        model = Qwen3Model(config, tokens)
    for name, module in _parts(model).items():
        wanted = {"codec": codec_dtype or dtype, "talker": dtype, "predictor": dtype}.get(name, torch.float32)
        source = folder / "speech_tokenizer" if name in ("codec", "reference_encoder") else folder
        _load(module, source, _PREFIXES[name], torch.device(device), wanted)
    model.requires_grad_(False)
    model.eval()
    with torch.inference_mode(False), torch.no_grad():
        model.prepare()
    return model


_PREFIXES = {
    "talker": "talker.",
    "predictor": "talker.code_predictor.",
    "codec": "decoder.",
    "speaker_encoder": "speaker_encoder.",
    "reference_encoder": "encoder.",
}
"""Our module -> the prefix of its tensors' names."""


def _parts(model: Qwen3Model) -> dict[str, nn.Module]:
    return {name: module for name in _PREFIXES if (module := getattr(model, name)) is not None}


def _load(module: nn.Module, folder: Path, prefix: str, device: torch.device, dtype: torch.dtype) -> None:
    nested = "talker.code_predictor." if prefix == "talker." else None
    weights = {}
    for name, tensor in _tensors(folder, prefix, device):
        if nested is None or not name.startswith(nested):
            weights[name.removeprefix(prefix)] = tensor.to(dtype)
    expected = module.state_dict()
    try:
        weights = fuse(weights)
        missing = next(iter(expected.keys() - weights.keys()), None)
    except KeyError as error:
        missing = error.args[0]
    if missing is not None:
        raise CheckpointInvalid(f"The weights in {folder} lack {prefix}{missing}.")
    for name, tensor in expected.items():
        if weights[name].shape != tensor.shape:
            has, needs = tuple(weights[name].shape), tuple(tensor.shape)
            raise CheckpointInvalid(f"{folder}: {prefix}{name} is {has}; its config.json asks for {needs}.")
    module.load_state_dict({name: weights[name] for name in expected}, assign=True)
    materialise(module, device)


def materialise(module: nn.Module, device: torch.device) -> None:
    """Create the buffers that are in no file, for a module built without memory: angles computed anew, caches empty."""
    for part in module.modules():
        for name, buffer in part.named_buffers(recurse=False):
            if buffer.is_meta:
                setattr(part, name, torch.empty(0, device=device))
        if hasattr(part, "compute_frequencies"):
            part.compute_frequencies(device)


def _tensors(folder: Path, prefix: str, device: torch.device) -> Iterator[tuple[str, Tensor]]:
    """The tensors of the folder's safetensors, in one file or several, whose names begin with ``prefix``."""
    for path in _files(folder):
        try:
            with safe_open(str(path), "pt", device=str(device)) as file:
                for name in file.keys():
                    if name.startswith(prefix):
                        yield name, file.get_tensor(name)
        except FileNotFoundError:
            raise CheckpointInvalid(f"{path} is missing; a Qwen3-TTS checkpoint must have it.") from None
        except SafetensorError as error:
            raise CheckpointInvalid(f"{path} cannot be read: {error}") from None


def _files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [folder / "model.safetensors"]
    try:
        return [folder / name for name in sorted(set(json.loads(index.read_bytes())["weight_map"].values()))]
    except (KeyError, TypeError, AttributeError, ValueError):
        raise CheckpointInvalid(f"{index} does not list the files of the weights correctly.") from None
