"""Voices read from audio. That they are the package's is in ``test_parity.py``."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from .cases import reference_audio
from .conftest import ModelOf


def test_with_what_it_says_a_voice_has_codes(model_of: ModelOf) -> None:
    voice = model_of("base").reference(reference_audio(1), " hello ")
    assert voice.text == "hello"
    assert voice.codes is not None and voice.codes.shape == (13, 16)  # 12.5 frames a second


@pytest.mark.parametrize("text", ["", "  \n"])
def test_without_words_a_voice_is_its_vector_alone(text: str, model_of: ModelOf) -> None:
    voice = model_of("base").reference(reference_audio(1), text)
    assert voice.codes is None and voice.text == ""
    assert voice.x_vector.shape == (48,) and voice.x_vector.dtype == torch.float32


def test_voices_that_differ_have_vectors_that_differ(model_of: ModelOf) -> None:
    base = model_of("base")
    one = base.reference(reference_audio(2)).x_vector
    other = base.reference(np.roll(reference_audio(2), 100)[::-1].copy()).x_vector
    again = base.reference(reference_audio(2)).x_vector
    assert torch.equal(one, again)
    assert not torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("samples", [0, 11_999])
def test_less_than_half_a_second_is_refused(samples: int, model_of: ModelOf) -> None:
    with pytest.raises(ValueError, match="at least 12000"):
        model_of("base").reference(np.zeros(samples, np.float32), "hello")


def test_half_a_second_of_silence_is_a_voice_like_any_other(model_of: ModelOf) -> None:
    voice = model_of("base").reference(np.zeros(12_000, np.float32), "hello")
    assert bool(voice.x_vector.isfinite().all())


def test_a_checkpoint_that_clones_nothing_says_so(model_of: ModelOf) -> None:
    with pytest.raises(ValueError, match="custom_voice checkpoint clones no voices"):
        model_of("custom_voice").reference(reference_audio(1))
