"""Checkpoints with random weights in the released format: tiny for tests, full-size to measure speed.

What they say is noise, but everything about them is real: the files and their names, the ids, the sixteen codebooks,
the kind of tokenizer. Sampled speech ends after a chosen number of frames, and its level is that of speech.

    scripts/make-tiny-qwen3 FOLDER                              three checkpoints of 15 MB each, in seconds
    scripts/make-tiny-qwen3 FOLDER --real-shape 0.6B            one of 2.5 GB (1.7B: 4.5 GB)
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn

from saystream.engines.qwen3.checkpoint import materialise
from saystream.engines.qwen3.config import Config, Kind, StackConfig, read_config
from saystream.engines.qwen3.layers import unfuse
from saystream.engines.qwen3.model import Qwen3Model
from saystream.engines.qwen3.reference import MimiEncoder
from saystream.engines.qwen3.tokens import WORDS, Tokens

from .random_shapes import codec_settings, main_settings

__all__ = ["CORPUS", "REAL_CONTROL_IDS", "make_checkpoint", "make_tokenizer"]

CONTROL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>", "<|audio_start|>", "<|audio_end|>", "<tts_pad>", "<tts_text_bos>",
    "<tts_text_eod>", "<tts_text_bos_single>", "<|audio_pad|>",
)  # fmt: skip

CORPUS = ("hello world the quick brown fox speech", "你好世界 今天天气", "你好 世界 你好世界今天")
"""What the tokenizer of a tiny checkpoint has words for; it splits any other text into bytes."""

REAL_CONTROL_IDS = (*range(151_643, 151_657), *range(151_669, 151_676))
"""Of the released tokenizer; the ids in between belong to tools."""
REAL_VOCABULARY = 151_936
"""Rows of its text embedding."""

_GENERATION = {
    "do_sample": True, "repetition_penalty": 1.05, "temperature": 0.9, "top_k": 50, "top_p": 1.0,
    "subtalker_dosample": True, "subtalker_temperature": 0.9, "subtalker_top_k": 50, "subtalker_top_p": 1.0,
    "max_new_tokens": 8192,
}  # fmt: skip

_PROCESSOR = {"processor_class": "Qwen3TTSProcessor", "padding_side": "left", "padding_value": 0.0}
_EXTRACTOR = {
    "feature_extractor_type": "EncodecFeatureExtractor", "feature_size": 1, "sampling_rate": 24_000,
    "padding_side": "right", "padding_value": 0.0, "return_attention_mask": True, "chunk_length_s": None,
    "overlap": None,
}  # fmt: skip


def make_tokenizer(
    folder: Path, *, corpus: tuple[str, ...] = CORPUS, size: int = 400, control: Sequence[int] = ()
) -> int:
    """Train a byte-level BPE and write its files; returns the number of ids.

    ``assistant``, ``user`` and a line feed are one token each, as in the released one. Control tokens get the ids in
    ``control``, or by default those after the vocabulary.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    lines = ["assistant\n"] * 50 + ["user\n"] * 50 + list(corpus) * 5
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.model.save(str(folder))
    first = tokenizer.get_vocab_size()
    ids = control or range(first, first + len(CONTROL))
    settings = {
        "add_bos_token": False, "add_prefix_space": False, "additional_special_tokens": list(CONTROL[1:]),
        "bos_token": None, "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace",
        "model_max_length": 131_072, "pad_token": "<|endoftext|>", "processor_class": "Qwen3TTSProcessor",
        "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
        "added_tokens_decoder": {
            str(identity): {
                "content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                "special": True,
            }
            for identity, content in zip(ids, CONTROL, strict=True)
        },
    }  # fmt: skip
    _write(folder / "tokenizer_config.json", settings)
    return max(ids) + 1


def make_checkpoint(
    folder: Path,
    kind: Kind,
    *,
    size: str | None = None,
    mean_frames: float = 12.0,
    model_size: str = "",
    seed: int = 0,
    device: str = "cpu",
) -> None:
    """Write a checkpoint of ``kind`` into ``folder``.

    ``size`` is ``0.6B`` or ``1.7B`` for the released shapes, None for a tiny one. Sampled speech is ``mean_frames``
    long on average. ``model_size`` is what the checkpoint calls itself, ``0b6`` or ``1b7``; it decides whether a
    CustomVoice follows instructions.
    """
    (folder / "speech_tokenizer").mkdir(parents=True, exist_ok=True)
    vocabulary = make_tokenizer(folder, control=() if size is None else REAL_CONTROL_IDS)
    tokens = Tokens.read(folder)
    own_size = {"0.6B": "0b6", "1.7B": "1b7"}.get(size or "", "0b6" if kind == "base" else "1b7")
    rows = vocabulary if size is None else REAL_VOCABULARY
    _write(folder / "config.json", main_settings(kind, model_size or own_size, tokens.control, rows, size))
    _write(folder / "speech_tokenizer" / "config.json", codec_settings(size))
    _write(folder / "generation_config.json", _GENERATION)
    _write(folder / "preprocessor_config.json", _PROCESSOR)
    _write(folder / "speech_tokenizer" / "preprocessor_config.json", _EXTRACTOR)

    config = read_config(folder)
    with torch.device("meta"):
        model, encoder = Qwen3Model(config, tokens), MimiEncoder(config.encoder)
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        for part in (model, encoder):
            part.to_empty(device=device)
            materialise(part, torch.device(device))
            _fill(part, generator)
        model.prepare()
        model.allocate(8, 32)
        _calibrate_level(model, generator)
        _calibrate_end(model, mean_frames, generator)
    _save(folder, model, encoder, torch.float32 if size is None else torch.bfloat16)


def _write(path: Path, settings: Mapping[str, object]) -> None:
    path.write_text(json.dumps(settings, ensure_ascii=False, indent=1), encoding="utf-8")


def _fill(module: nn.Module, generator: torch.Generator) -> None:
    """Random matrices that preserve levels; everything else neutral."""
    for name, tensor in module.state_dict().items():
        last = name.rsplit(".", 1)[-1]
        if last in ("embedding_sum", "embed_sum"):
            tensor.normal_(0, 1.0, generator=generator)
        elif last in ("gamma", "scale"):
            tensor.fill_(0.3)
        elif last in ("bias", "alpha", "beta"):
            tensor.zero_()
        elif tensor.dim() < 2:
            tensor.fill_(1.0)
        else:
            tensor.normal_(0, math.sqrt(tensor.shape[0] / tensor.numel()), generator=generator)


def _calibrate_level(model: Qwen3Model, generator: torch.Generator) -> None:
    """Scale the codec's last convolution to the level of speech: clipping would make rounding audible."""
    codes = torch.randint(
        0, model.config.codec.codebook_entries, (1, 16, 20), generator=generator, device=model.device
    )
    convolution = model.codec.decoder[-1].conv
    convolution.weight.mul_(1e-3)
    slots = torch.zeros(1, dtype=torch.long, device=model.device)
    convolution.weight.mul_(0.1 / model.codec.step(codes, slots, slots).std())


_TEMPERATURE, _BEST = 0.9, 50
"""How the checkpoints' speech is sampled."""


def _calibrate_end(model: Qwen3Model, mean_frames: float, generator: torch.Generator) -> None:
    """Give the end of speech a logit that is drawn once in ``mean_frames`` steps.

    Every row of the talker's input contains one text vector. A constant in the bias of their projection gives its
    hidden vectors a constant direction, and the head's row for the end reads that.
    """
    talker, eos = model.talker, model.config.talker.eos
    talker.text_projection.linear_fc2.bias[0] = 4.0
    head = talker.codec_head.weight
    head[eos] = 0.0
    hidden = _sampled_steps(model, 24, generator)
    others = talker.logits(hidden)[:, : model.config.talker.codec_vocabulary - 1024]
    others = torch.logsumexp(others.topk(_BEST, -1).values / _TEMPERATURE, -1)
    low, high = -1000.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        ending = torch.sigmoid(middle * hidden[:, 0] / _TEMPERATURE - others).mean()
        if (ending > 1 / mean_frames) == (hidden[:, 0].mean() > 0):
            high = middle
        else:
            low = middle
    head[eos, 0] = middle


def _sampled_steps(model: Qwen3Model, steps: int, generator: torch.Generator) -> Tensor:
    """The talker's vectors [N, H] at the first steps of eight sessions that say what was drawn."""
    rows = model.slots
    slots = torch.arange(rows, device=model.device)

    def choose(logits: Tensor, group: int) -> Tensor:
        best, codes = (logits / _TEMPERATURE).topk(_BEST, -1)
        drawn = torch.multinomial(best.softmax(-1), 1, generator=generator)
        return codes.gather(-1, drawn)[:, 0]

    prefix = model.text_vectors(torch.arange(8, device=model.device)).expand(rows, -1, -1)
    hidden = model.talker(prefix, slots, torch.zeros_like(slots), model.max_positions)[:, -1]
    seen = []
    for step in range(steps):
        first = choose(model.talker.logits(hidden)[:, : model.config.talker.codec_vocabulary - 1024], 0)
        _, summed = model.predictor(hidden, first, choose)
        vectors = (summed + model.text_vectors(slots[:1] + 8 + step))[:, None]
        hidden = model.talker(vectors, slots, torch.full_like(slots, 8 + step), model.max_positions)[:, -1]
        seen.append(hidden)
    return torch.cat(seen)


def _save(folder: Path, model: Qwen3Model, encoder: nn.Module, dtype: torch.dtype) -> None:
    config = model.config
    main = dict(_named(model.talker, "talker.", config.talker.stack))
    main |= _named(model.predictor, "talker.code_predictor.", config.predictor.stack)
    if model.speaker_encoder is not None:
        main |= _named(model.speaker_encoder, "speaker_encoder.", None)
    codec = dict(_named(model.codec, "decoder.", config.codec.stack))
    codec |= _named(encoder, "encoder.", config.encoder.stack)
    for path, weights, kept in ((folder, main, dtype), (folder / "speech_tokenizer", codec, torch.float32)):
        tensors = {name: tensor.to("cpu", kept).contiguous() for name, tensor in weights.items()}
        save_file(tensors, str(path / "model.safetensors"), metadata={"format": "pt"})


def _named(module: nn.Module, prefix: str, stack: StackConfig | None) -> Iterator[tuple[str, Tensor]]:
    weights = module.state_dict()
    for name, tensor in (weights if stack is None else unfuse(weights, stack)).items():
        yield prefix + name, tensor


def _describe(folder: Path, config: Config) -> str:
    megabytes = sum(path.stat().st_size for path in folder.rglob("*.safetensors")) / 1e6
    return f"{folder}: {config.kind} {config.size}, {megabytes:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description="Make Qwen3-TTS checkpoints with random weights.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=("custom_voice", "voice_design", "base"), help="only this one")
    parser.add_argument("--real-shape", choices=("0.6B", "1.7B"), help="of a released size instead of tiny")
    parser.add_argument("--mean-frames", type=float, default=12.0, help="average length of sampled speech")
    parser.add_argument("--device", default="cpu", help="where the random numbers are drawn")
    options = parser.parse_args()
    if options.real_shape is None:
        torch.set_num_threads(1)  # tiny steps take less time than waking a second thread
    kinds: tuple[Kind, ...] = ("custom_voice", "voice_design", "base")
    if options.kind or options.real_shape:
        kinds = (options.kind or "custom_voice",)
    for kind in kinds:
        folder = options.folder / kind
        make_checkpoint(
            folder, kind, size=options.real_shape, mean_frames=options.mean_frames, device=options.device
        )
        print(_describe(folder, read_config(folder)))


if __name__ == "__main__":
    main()
