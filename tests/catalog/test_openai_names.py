"""Every name of OpenAI leads to something that speaks here."""

from __future__ import annotations

import pytest

from saystream import catalog
from saystream.catalog import openai_names as openai

OPENAI_MODELS = {"tts-1", "tts-1-hd", "gpt-4o-mini-tts"}
OPENAI_VOICES = set(
    "alloy ash ballad coral echo fable nova onyx sage shimmer verse marin cedar".split()
)  # as its documents list them
MALE = {"ash", "ballad", "cedar", "echo", "fable", "onyx", "verse"}


def test_all_names_are_known() -> None:
    assert set(openai.model_names()) == OPENAI_MODELS
    assert set(openai.voice_names()) == OPENAI_VOICES


@pytest.mark.parametrize("voice", sorted(OPENAI_VOICES))
def test_a_voice_leads_to_one_that_every_such_model_takes(voice: str) -> None:
    own = openai.voice_names()[voice]
    for model in openai.model_names().values():
        catalog.load().check_voice(model, own)
    assert catalog.load().voice(own).sex == ("male" if voice in MALE else "female")
    assert catalog.load().voice(own).age != "child"


def test_no_two_voices_sound_the_same() -> None:
    assert len(set(openai.voice_names().values())) == len(OPENAI_VOICES)


def test_no_name_of_ours_means_something_else() -> None:
    known = catalog.load()
    assert not OPENAI_MODELS & {model.name for model in known.models}
    assert not OPENAI_VOICES & {voice.name for voice in known.system_voices}
