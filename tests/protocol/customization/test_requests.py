from __future__ import annotations

import json
from typing import Any, Final

import pytest

from saystream.errors import (
    InvalidBody,
    InvalidRequest,
    InvalidValue,
    MissingInput,
    MissingModel,
    ModelNotFound,
    TextTooLong,
)
from saystream.protocol.customization.requests import (
    ACTIONS,
    LIMITS,
    CloneVoice,
    CustomizationRequest,
    DeleteVoice,
    DesignVoice,
    ListVoices,
    QueryVoice,
    UpdateVoice,
    decode_customization,
)

CLONING: Final = "qwen-voice-enrollment"
DESIGN: Final = "qwen-voice-design"
COSY: Final = "voice-enrollment"
WAV = "data:audio/wav;base64,AAAA"


def decoded(model: Any, given: Any, parameters: Any = None) -> CustomizationRequest:
    return decode_customization(
        json.dumps({"model": model, "input": given, "parameters": parameters}).encode()
    )


def clone(**more: Any) -> dict[str, Any]:
    return {
        "action": "create",
        "target_model": "qwen3-tts-vc-2026-01-22",
        "preferred_name": "anna",
        "audio": {"data": WAV},
        **more,
    }


def design(**more: Any) -> dict[str, Any]:
    return {
        "action": "create",
        "target_model": "qwen3-tts-vd-2026-01-26",
        "voice_prompt": "A deep voice.",
        "preview_text": "Good evening.",
        **more,
    }


def cosy(**more: Any) -> dict[str, Any]:
    return {
        "action": "create_voice",
        "target_model": "cosyvoice-v3-flash",
        "prefix": "my",
        "url": "https://x/a.wav",
        **more,
    }


# --- cloning ---------------------------------------------------------------------------------------------------------


def test_a_clone_has_its_recording_in_the_request() -> None:
    assert decoded(CLONING, clone()) == CloneVoice(
        family=CLONING,
        target_model="qwen3-tts-vc-2026-01-22",
        prefix="anna",
        source=WAV,
        source_param="input.audio.data",
    )


def test_a_clone_may_come_with_what_is_known_of_its_recording() -> None:
    wanted = decoded(
        CLONING, clone(text="What is said.", language="English", consent="Anna, by mail", other=1), {"x": 1}
    )
    assert isinstance(wanted, CloneVoice)
    assert (wanted.transcript, wanted.language, wanted.consent) == ("What is said.", "en", "Anna, by mail")
    assert wanted.unknown_fields == ("input.other", "parameters.x")


def test_a_clone_of_cosyvoice_has_an_address_and_wishes() -> None:
    wanted = decoded(
        " Voice-Enrollment ",
        cosy(
            language_hints=["zh", "en"],
            max_prompt_audio_length="15.0",
            enable_preprocess=True,
            enable_volume_normalization="true",
        ),
    )
    assert wanted == CloneVoice(
        family=COSY,
        target_model="cosyvoice-v3-flash",
        prefix="my",
        source="https://x/a.wav",
        source_param="input.url",
        language="zh",
        max_duration_s=15.0,
        preprocess=True,
        normalize_volume=True,
    )


@pytest.mark.parametrize("hints, language", [("en", "en"), ([None, "ja"], "ja"), ([], ""), (None, "")])
def test_the_first_hint_is_the_language(hints: Any, language: str) -> None:
    wanted = decoded(COSY, cosy(language_hints=hints))
    assert isinstance(wanted, CloneVoice)
    assert wanted.language == language


# --- design ----------------------------------------------------------------------------------------------------------


def test_a_design_has_a_description_and_a_preview() -> None:
    wanted = decoded(DESIGN, design(language="EN"), {"sample_rate": 8000.0, "response_format": "MP3"})
    assert wanted == DesignVoice(
        family=DESIGN,
        target_model="qwen3-tts-vd-2026-01-26",
        prefix="voice",
        description="A deep voice.",
        preview_text="Good evening.",
        language="en",
        sample_rate=8000,
        response_format="mp3",
    )


def test_a_design_is_chinese_and_its_preview_wav_unless_it_says_more() -> None:
    wanted = decoded(DESIGN, design(language="", preferred_name="announcer"), {})
    assert isinstance(wanted, DesignVoice)
    assert (wanted.language, wanted.sample_rate, wanted.response_format) == ("zh", 24000, "wav")
    assert wanted.prefix == "announcer"


def test_a_design_of_cosyvoice_has_a_prefix_and_hints() -> None:
    given = cosy(url=None, voice_prompt="Warm.", preview_text="Hello.", language_hints=["en"])
    wanted = decoded(COSY, given)
    assert isinstance(wanted, DesignVoice)
    assert (wanted.family, wanted.prefix, wanted.language) == (COSY, "my", "en")


def test_a_voice_is_cloned_or_designed_but_not_both() -> None:
    with pytest.raises(InvalidRequest, match="both a url and a voice_prompt"):
        decoded(COSY, cosy(voice_prompt="Warm."))


# --- the others ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [CLONING, DESIGN])
def test_voices_of_qwen_are_listed_queried_and_deleted(family: Any) -> None:
    assert decoded(family, {"action": "list"}) == ListVoices(family=family)
    paged = decoded(family, {"action": "LIST", "page_index": 2, "page_size": "50", "prefix": "x"})
    assert paged == ListVoices(family=family, page_index=2, page_size=50)
    assert decoded(family, {"action": "query", "voice": " a "}) == QueryVoice(family=family, voice="a")
    assert decoded(family, {"action": "delete", "voice": "a"}) == DeleteVoice(family=family, voice="a")


def test_voices_of_cosyvoice_are_listed_queried_updated_and_deleted() -> None:
    assert decoded(COSY, {"action": "list_voice", "prefix": "my"}) == ListVoices(family=COSY, prefix="my")
    assert decoded(COSY, {"action": "query_voice", "voice_id": "a"}) == QueryVoice(family=COSY, voice="a")
    assert decoded(COSY, {"action": "delete_voice", "voice_id": "a"}) == DeleteVoice(family=COSY, voice="a")
    assert decoded(COSY, {"action": "update_voice", "voice_id": "a", "url": "https://b"}) == UpdateVoice(
        family=COSY, voice="a", source="https://b", source_param="input.url"
    )


def test_every_family_has_limits_and_actions() -> None:
    assert ACTIONS.keys() == LIMITS.keys()


# --- what is refused -------------------------------------------------------------------------------------------------


def test_a_body_needs_a_model_that_makes_voices_and_an_input() -> None:
    with pytest.raises(InvalidBody):
        decode_customization(b"[]")
    with pytest.raises(MissingModel):
        decoded(" ", clone())
    with pytest.raises(ModelNotFound, match="qwen-voice-enrollment, qwen-voice-design, voice-enrollment"):
        decoded("qwen3-tts-flash", clone())
    with pytest.raises(MissingInput) as caught:
        decoded(CLONING, {})
    assert caught.value.http_code == "BadRequest.EmptyInput"


@pytest.mark.parametrize(
    "model, given, param",
    [
        (CLONING, [], "input"),
        (CLONING, {"x": 1}, "input.action"),
        (CLONING, {"action": "create_voice"}, "input.action"),
        (CLONING, {"action": 1}, "input.action"),
        (CLONING, clone(audio="x"), "input.audio"),
        (CLONING, clone(audio={}), "input.audio.data"),
        (CLONING, clone(audio={"data": 1}), "input.audio.data"),
        (CLONING, clone(target_model=None), "input.target_model"),
        (CLONING, clone(preferred_name="a b"), "input.preferred_name"),
        (CLONING, clone(preferred_name="a" * 17), "input.preferred_name"),
        (CLONING, clone(preferred_name="../x"), "input.preferred_name"),
        (CLONING, clone(language="xx"), "input.language"),
        (CLONING, clone(text="a\0b"), "input.text"),
        (CLONING, {"action": "delete"}, "input.voice"),
        (CLONING, {"action": "list", "page_size": 0}, "input.page_size"),
        (CLONING, {"action": "list", "page_index": 1_000_001}, "input.page_index"),
        (DESIGN, design(voice_prompt=" "), "input.voice_prompt"),
        (DESIGN, design(preview_text=""), "input.preview_text"),
        (COSY, cosy(prefix=None), "input.prefix"),
        (COSY, cosy(prefix="my_voice"), "input.prefix"),
        (COSY, cosy(prefix="a" * 11), "input.prefix"),
        (COSY, cosy(url=None), "input.url"),
        (COSY, cosy(language_hints=5), "input.language_hints"),
        (COSY, cosy(language_hints=["xx"]), "input.language_hints"),
        (COSY, cosy(max_prompt_audio_length=31), "input.max_prompt_audio_length"),
        (COSY, cosy(enable_preprocess="perhaps"), "input.enable_preprocess"),
        (COSY, {"action": "update_voice", "voice_id": "a"}, "input.url"),
    ],
)
def test_a_bad_field_is_named(model: str, given: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decoded(model, given)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "parameters, param",
    [
        ({"sample_rate": 11025}, "parameters.sample_rate"),
        ({"sample_rate": "x"}, "parameters.sample_rate"),
        ({"response_format": "flac"}, "parameters.response_format"),
        ("x", "parameters"),
    ],
)
def test_a_bad_wish_for_the_preview_is_named(parameters: Any, param: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        decoded(DESIGN, design(), parameters)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "model, given, message",
    [
        (DESIGN, design(voice_prompt="深" * 2049), "input.voice_prompt has 2049 characters; at most 2048"),
        (DESIGN, design(preview_text="深" * 1025), "input.preview_text has 1025 characters; at most 1024"),
        (COSY, cosy(url=None, voice_prompt="深" * 501), "input.voice_prompt has 501 characters; at most 500"),
        (CLONING, clone(text="深" * 4097), "input.text has 4097 characters; at most 4096"),
    ],
)
def test_a_text_that_is_too_long_is_counted_and_not_quoted(model: str, given: Any, message: str) -> None:
    with pytest.raises(TextTooLong, match=message) as caught:
        decoded(model, given)
    assert "深" not in caught.value.message


def test_only_some_of_the_unknown_fields_are_kept_and_none_of_them_whole() -> None:
    unknown = {f"{'x' * 100}{number}": 1 for number in range(30)}
    wanted = decoded(CLONING, clone(**unknown))
    assert isinstance(wanted, CloneVoice)
    assert len(wanted.unknown_fields) == 10
    assert all(len(name) <= 64 for name in wanted.unknown_fields)
