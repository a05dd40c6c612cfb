"""The models and voices of the task door."""

from __future__ import annotations

from collections import Counter

import pytest

from saystream.catalog import FEATURES, Catalog, Model, load
from saystream.errors import InvalidValue, ModelNotFound
from saystream.languages import LANGUAGE_CODES

CATALOG = load()
MODELS = {model.name: model for model in CATALOG.models if model.door == "inference"}
SAMBERT = {name: model for name, model in MODELS.items() if name.startswith("sambert-")}
VOICES = {voice.name: voice for voice in CATALOG.all_voices}


def model(name: str) -> Model:
    return CATALOG.model(name, door="inference")


def refusal(of: str, voice: str) -> str:
    with pytest.raises(InvalidValue) as caught:
        CATALOG.check_voice(of, voice)
    return caught.value.message


def test_there_are_six_models_of_cosyvoice_three_of_qwen_audio_and_43_of_sambert() -> None:
    assert Counter(name.partition("-")[0] for name in MODELS) == {"cosyvoice": 6, "qwen": 3, "sambert": 43}
    assert {entry.path for entry in MODELS.values()} == {"/api-ws/v1/inference"}


@pytest.mark.parametrize(
    ("name", "voices"),
    [
        ("cosyvoice-v1", 20),
        ("cosyvoice-v2", 106),
        ("cosyvoice-v3-flash", 88),
        ("cosyvoice-v3-plus", 2),
        ("cosyvoice-v3.5-flash", 0),
        ("cosyvoice-v3.5-plus", 0),
        ("qwen-audio-3.0-tts-flash", 12),
        ("qwen-audio-3.0-tts-plus", 2),
        ("qwen-audio-3.1-tts-flash", 68),
    ],
)
def test_a_model_takes_as_many_voices_as_the_table_has(name: str, voices: int) -> None:
    assert len(CATALOG.voices(name)) == voices
    assert bool(CATALOG.default_voice(name)) == bool(voices)


def test_the_default_voice_of_a_model_is_one_that_it_takes() -> None:
    for name, entry in MODELS.items():
        if entry.default_voice:
            CATALOG.check_voice(name, entry.default_voice)


def test_a_model_of_sambert_is_its_voice() -> None:
    for name in SAMBERT:
        assert [voice.name for voice in CATALOG.voices(name)] == [name] == [CATALOG.default_voice(name)]
    with pytest.raises(InvalidValue):
        CATALOG.check_voice("sambert-zhinan-v1", "sambert-zhiqi-v1")


def test_cosyvoice_speaks_mp3_at_22050_hz_and_sambert_wav_at_its_own_rate_by_default() -> None:
    for name, entry in MODELS.items():
        form = (entry.default_format, entry.default_sample_rate)
        assert form[0] in entry.response_formats and form[1] in entry.sample_rates
        if name not in SAMBERT:
            assert form == ("mp3", 22050)
    rates = Counter(entry.default_sample_rate for entry in SAMBERT.values())
    assert rates == {16000: 34, 48000: 9}
    assert {entry.default_format for entry in SAMBERT.values()} == {"wav"}


def test_the_limits_of_a_task_are_200000_characters_and_10000_for_sambert() -> None:
    for name, entry in MODELS.items():
        assert entry.max_characters == (10_000 if name in SAMBERT else 200_000)
        assert entry.task == ("out" if name in SAMBERT else "duplex")


def test_only_qwen_audio_3_1_bills_tokens() -> None:
    assert [name for name, entry in MODELS.items() if entry.usage == "tokens"] == ["qwen-audio-3.1-tts-flash"]


def test_the_first_cosyvoice_has_no_features_and_its_successors_have_most() -> None:
    assert not model("cosyvoice-v1").features and "opus" not in model("cosyvoice-v1").response_formats
    assert {"ssml", "timestamps", "seed", "opus", "http"} <= model("cosyvoice-v2").features
    assert not {"hot_fix", "instruction", "language_hints"} & model("cosyvoice-v2").features
    assert {"hot_fix", "instruction", "language_hints", "markdown_filter"} <= model(
        "cosyvoice-v3-flash"
    ).features
    for entry in MODELS.values():
        assert entry.features <= set(FEATURES)
        assert ("opus" in entry.features) == ("opus" in entry.response_formats)


def test_only_duplex_models_after_the_first_are_served_over_http() -> None:
    served = {name for name, entry in MODELS.items() if entry.http_path}
    assert served == set(MODELS) - set(SAMBERT) - {"cosyvoice-v1"}
    assert {MODELS[name].http_path for name in served} == {"/api/v1/services/audio/tts/SpeechSynthesizer"}


def test_six_foreign_voices_of_sambert_have_no_timestamps() -> None:
    without = {name for name, entry in SAMBERT.items() if "timestamps" not in entry.features}
    foreign = ("camila", "perla", "indah", "clara", "hanna", "waan")
    assert without == {f"sambert-{name}-v1" for name in foreign}
    assert model("sambert-waan-v1").languages == () and model("sambert-clara-v1").languages == ("French",)


def test_models_of_qwen_tts_have_nothing_that_is_for_tasks() -> None:
    realtime = CATALOG.model("qwen3-tts-flash-realtime", door="realtime")
    assert (realtime.features, realtime.task, realtime.http_path) == (frozenset(), None, "")
    assert (realtime.default_format, realtime.default_sample_rate) == ("pcm", 24000)
    assert CATALOG.model("qwen3-tts-flash", door="http").default_format == "wav"


@pytest.mark.parametrize("name", ["cosyvoice-v3.5-plus", "cosyvoice-v3.5-flash"])
def test_the_newest_cosyvoice_takes_only_voices_of_ones_own(name: str) -> None:
    known, unknown = refusal(name, "longanyang"), refusal(name, "cosyvoice-v3.5-plus-mine-1")

    assert "As to this one, cosyvoice-v3-flash, cosyvoice-v3-plus do." in known
    for message in (known, unknown):
        assert f"voices cloned or designed for {name}; `GET /v1/voices` lists those there are" in message


def test_a_voice_of_another_version_is_refused_with_the_model_that_takes_it() -> None:
    assert "cosyvoice-v1 do." in refusal("cosyvoice-v3-flash", "longxiaochun")
    assert "qwen3-tts-flash-realtime* do at /api-ws/v1/realtime" not in refusal(
        "cosyvoice-v2", "longxiaochun"
    )
    assert "qwen3-tts-flash-realtime*, qwen-tts-realtime* do at /api-ws/v1/realtime; " in refusal(
        "cosyvoice-v2", "Cherry"
    )
    assert "cosyvoice-v3-plus do at /api-ws/v1/inference" in refusal("qwen3-tts-flash-realtime", "longanyang")


def test_a_slip_in_a_name_is_told_the_nearest_of_the_model() -> None:
    assert "did you mean 'longxiaochun_v2'?" in refusal("cosyvoice-v2", "longxiaochun_V2")
    assert "did you mean 'longanyang'?" in refusal("cosyvoice-v3-flash", "longanyan")


def test_an_unknown_model_of_the_door_is_told_the_others_in_few_words() -> None:
    with pytest.raises(ModelNotFound, match=r"Did you mean 'cosyvoice-v2'\?") as caught:
        CATALOG.model("cosyvoice-v9", door="inference")
    assert "sambert-*-v1." in caught.value.message and "sambert-zhinan-v1" not in caught.value.message


def test_a_realtime_model_at_the_task_door_is_told_its_path() -> None:
    with pytest.raises(ModelNotFound, match="it belongs to /api-ws/v1/realtime"):
        CATALOG.model("qwen3-tts-flash-realtime", door="inference")


def test_two_voices_of_one_name_are_no_catalogue() -> None:
    with pytest.raises(ValueError, match="two voices"):
        Catalog([], [VOICES["longanyang"], VOICES["longanyang"]], {})


def test_every_voice_says_who_it_is() -> None:
    for voice in CATALOG.all_voices:
        assert voice.chinese_name and voice.character and voice.models
        assert voice.sex in ("female", "male") and voice.age in ("child", "young", "adult", "old")
        assert set(voice.languages) <= set(LANGUAGE_CODES)


def test_foreign_voices_speak_the_language_that_they_were_made_for() -> None:
    spoken = {
        name: VOICES[name].language for name in ("loongriko_v3", "loongkyong_v2", "Emily_v3.1", "Cherry")
    }
    assert spoken == {"loongriko_v3": "ja", "loongkyong_v2": "ko", "Emily_v3.1": "en-GB", "Cherry": ""}
    assert VOICES["loongriko_v3"].languages == ("English", "Japanese")
    assert len(VOICES["longanhuan_v3.1"].languages) == 7
    assert VOICES["sambert-waan-v1"].languages == ()


def test_dialects_are_those_of_the_tables() -> None:
    assert VOICES["longlaotie_v3"].dialect == "Dongbei" and VOICES["longshange"].dialect == "Shaanxi"
    cantonese = {name for name, voice in VOICES.items() if voice.dialect == "Cantonese"}
    assert cantonese >= {"longjiaxin_v3", "longjiayi_v3", "longanyue_v3", "longanyue", "longtao_v2"}


def test_four_voices_of_the_third_generation_follow_instructions() -> None:
    follow = {name for name, voice in VOICES.items() if voice.instructions}
    assert follow == {"longanyang", "longanhuan", "longhuhu_v3", "longanhuan_v3"}
