"""The same numbers as the published package (qwen-tts 0.1.1): greedy codes exactly, audio and rows closely.

The package runs once, in a process of its own, on the same tiny checkpoints; about 20 s on one core.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from saystream.engines.qwen3.model import Qwen3Model
from saystream.engines.qwen3.prompt import Layout, Prompt
from saystream.engines.qwen3.speaker import mel_spectrogram

from .cases import CASES, FRAMES, REFERENCE_TEXT, TEXTS, Case, random_codes, reference_audio
from .conftest import ModelOf, models_in, write_checkpoints
from .greedy import speak

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those whose speech is long enough to differ."""
    return write_checkpoints(tmp_path_factory.mktemp("long"), mean_frames=60)


@pytest.fixture(scope="module")
def model_of(checkpoints: Path) -> ModelOf:
    return models_in(checkpoints)


@pytest.fixture(scope="module")
def reference(checkpoints: Path) -> dict[str, Tensor]:
    """Everything that the package computed, by the case's name and the kind of number."""
    out = checkpoints / "reference.safetensors"
    program = Path(__file__).with_name("reference_program.py")
    subprocess.run(
        [sys.executable, str(program), str(checkpoints), str(out)], check=True, capture_output=True
    )
    return load_file(str(out))


def prompt_of(model: Qwen3Model, case: Case) -> Prompt:
    layout = Layout.STREAMING if case.streaming else Layout.WHOLE
    prompts = model.prompts
    if case.checkpoint == "voice_design":
        return prompts.voice_design(case.instruct, language=case.language, layout=layout)
    if case.checkpoint == "base":
        voice = model.reference(reference_audio(2), REFERENCE_TEXT if case.in_context else "")
        return prompts.clone(voice, language=case.language, layout=layout)
    return prompts.custom_voice(case.speaker, language=case.language, instruct=case.instruct, layout=layout)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_speech_is_that_of_the_package(case: Case, model_of: ModelOf, reference: dict[str, Tensor]) -> None:
    model = model_of(case.checkpoint)
    spoken = speak(model, prompt_of(model, case), model.tokens.encode(case.text), frames=FRAMES)
    torch.testing.assert_close(spoken.rows, reference[f"{case.name}/rows"], atol=1e-5, rtol=0)
    assert spoken.codes.tolist() == reference[f"{case.name}/codes"].tolist()
    audio = reference[f"{case.name}/audio"]
    # The package cuts a clone's audio behind its reference by a rounded share of the whole.
    assert abs(len(spoken.audio) - len(audio)) <= 1
    length = min(len(spoken.audio), len(audio))
    torch.testing.assert_close(spoken.audio[-length:], audio[-length:], atol=1e-4, rtol=0)


def test_the_comparison_is_of_speech_that_differs(reference: dict[str, Tensor]) -> None:
    """Runs that ended at once, or were the same whatever was asked, would compare nothing."""
    codes = [reference[f"{case.name}/codes"] for case in CASES]
    assert sum(len(run) == FRAMES for run in codes) >= len(CASES) // 2
    assert len({str(run.tolist()) for run in codes}) >= len(CASES) - 3
    assert all(reference[f"{case.name}/audio"].std() > 0.01 for case in CASES)


def test_text_has_the_ids_that_it_has_there(model_of: ModelOf, reference: dict[str, Tensor]) -> None:
    tokens = model_of("custom_voice").tokens
    assert [tokens.encode(text) for text in TEXTS] == [
        reference[f"text-{index}"].tolist() for index in range(len(TEXTS))
    ]


@pytest.mark.parametrize("seconds", [2, 12])
def test_a_voice_read_from_audio_is_that_of_the_package(
    seconds: int, model_of: ModelOf, reference: dict[str, Tensor]
) -> None:
    audio = reference_audio(seconds)
    voice = model_of("base").reference(audio, "hello")
    assert voice.codes is not None
    assert voice.codes.tolist() == reference[f"reference-{seconds}/codes"].tolist()
    assert len({tuple(frame) for frame in voice.codes.tolist()}) > seconds * 6  # not one code for everything
    mel = mel_spectrogram(torch.as_tensor(audio), 128)
    torch.testing.assert_close(mel, reference[f"reference-{seconds}/mel"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        voice.x_vector, reference[f"reference-{seconds}/x_vector"], atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("frames", [1, 4, 25])
def test_audio_made_in_steps_is_that_of_the_whole_decoded_at_once(
    frames: int, model_of: ModelOf, reference: dict[str, Tensor]
) -> None:
    """Over 150 frames, twice the window of the codec's transformer and more than its ring holds."""
    codec = model_of("custom_voice").codec
    codec.reset(2)
    codes = torch.as_tensor(random_codes(150))[None]
    steps = [
        codec.step(codes[:, :, start : start + frames], torch.tensor([2]), torch.tensor([start]))[0]
        for start in range(0, 150, frames)
    ]
    torch.testing.assert_close(torch.cat(steps), reference["decoded"], atol=1e-4, rtol=0)
