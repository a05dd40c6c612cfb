"""Runs the published package on checkpoints and writes what it computes: ``reference_program.py CHECKPOINTS OUT``.

A program of its own: the package imports half of the machine learning world, warns a lot, and its unused imports must
be stood in for.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import torch
from cases import CASES, FRAMES, REFERENCE_TEXT, TEXTS, Case, random_codes, reference_audio
from safetensors.torch import save_file

LANGUAGES = {"": "Auto", "en": "English", "zh": "Chinese", "ko": "Korean"}
GREEDY = {"do_sample": False, "subtalker_dosample": False, "max_new_tokens": FRAMES + 1}


def stand_in_for_unused_imports() -> None:
    """The tokenizer of the unreleased 25 Hz family imports these; the 12 Hz path never calls them."""
    for name in ("sox", "torchaudio", "torchaudio.compliance", "torchaudio.compliance.kaldi"):
        module: Any = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, loader=None, is_package=True)
        module.__path__ = []
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def run(package: Any, case: Case) -> dict[str, torch.Tensor]:
    """Codes, audio, and the rows that the package gave its talker."""
    kept: dict[str, Any] = {}
    generate, talk = package.model.generate, package.model.talker.generate

    def keep_codes(*args: Any, **kwargs: Any) -> Any:
        kept["codes"] = generate(*args, **kwargs)
        return kept["codes"]

    def keep_rows(**kwargs: Any) -> Any:
        kept["rows"] = kwargs["inputs_embeds"]
        return talk(**kwargs)

    package.model.generate, package.model.talker.generate = keep_codes, keep_rows
    options = GREEDY | {"language": LANGUAGES[case.language], "non_streaming_mode": not case.streaming}
    try:
        if case.checkpoint == "base":
            text = REFERENCE_TEXT if case.in_context else None
            items = package.create_voice_clone_prompt(
                (reference_audio(2), 24_000), ref_text=text, x_vector_only_mode=not case.in_context
            )
            wavs, _ = package.generate_voice_clone(case.text, voice_clone_prompt=items, **options)
        elif case.checkpoint == "voice_design":
            wavs, _ = package.generate_voice_design(case.text, instruct=case.instruct, **options)
        else:
            wavs, _ = package.generate_custom_voice(
                case.text, speaker=case.speaker, instruct=case.instruct or None, **options
            )
    finally:
        package.model.generate, package.model.talker.generate = generate, talk
    return {"codes": kept["codes"][0][0], "rows": kept["rows"][0], "audio": torch.as_tensor(wavs[0])}


def read_references(package: Any) -> dict[str, torch.Tensor]:
    from qwen_tts.core.models.modeling_qwen3_tts import mel_spectrogram

    out = {}
    for seconds in (2, 12):
        audio = reference_audio(seconds)
        (item,) = package.create_voice_clone_prompt(
            (audio, 24_000), ref_text="hello", x_vector_only_mode=False
        )
        out[f"reference-{seconds}/codes"] = item.ref_code
        out[f"reference-{seconds}/x_vector"] = item.ref_spk_embedding
        mel = mel_spectrogram(torch.as_tensor(audio)[None], 1024, 128, 24_000, 256, 1024, 0, 12_000)
        out[f"reference-{seconds}/mel"] = mel[0].T
    return out


def main(checkpoints: Path, out: Path) -> None:
    torch.set_num_threads(1)
    stand_in_for_unused_imports()
    warnings.simplefilter("ignore")
    from qwen_tts import Qwen3TTSModel

    results: dict[str, torch.Tensor] = {}
    for checkpoint in sorted({case.checkpoint for case in CASES}):
        package = Qwen3TTSModel.from_pretrained(str(checkpoints / checkpoint), dtype=torch.float32)
        for case in CASES:
            if case.checkpoint == checkpoint:
                results |= {f"{case.name}/{key}": value for key, value in run(package, case).items()}
        if checkpoint == "base":
            results |= read_references(package)
    for index, text in enumerate(TEXTS):
        ids = package._tokenize_texts([package._build_assistant_text(text)])[0][0, 3:-5]
        results[f"text-{index}"] = ids
    decoder = package.model.speech_tokenizer.model.decoder
    with torch.inference_mode():
        results["decoded"] = decoder(torch.as_tensor(random_codes(150))[None])[0, 0]
    save_file({name: value.clone().contiguous() for name, value in results.items()}, str(out))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
