from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.catalog import Catalog, load
from saystream.errors import InvalidValue, ModelNotFound
from saystream.languages import LANGUAGE_TYPES
from saystream.models import load_manifest

CATALOG = load()

REALTIME = """
qwen3-tts-instruct-flash-realtime qwen3-tts-instruct-flash-realtime-2026-01-22
qwen3-tts-vd-realtime-2026-01-15 qwen3-tts-vd-realtime-2025-12-16
qwen3-tts-vc-realtime-2026-01-15 qwen3-tts-vc-realtime-2025-11-27
qwen3-tts-flash-realtime qwen3-tts-flash-realtime-2025-11-27 qwen3-tts-flash-realtime-2025-09-18
qwen-tts-realtime qwen-tts-realtime-latest qwen-tts-realtime-2025-07-15
""".split()
HTTP = """
qwen3-tts-instruct-flash qwen3-tts-instruct-flash-2026-01-26 qwen3-tts-vd-2026-01-26 qwen3-tts-vc-2026-01-22
qwen3-tts-flash qwen3-tts-flash-2025-11-27 qwen3-tts-flash-2025-09-18
qwen-tts qwen-tts-latest qwen-tts-2025-05-22 qwen-tts-2025-04-10
""".split()

# The voice table once more, by column instead of by row, so that a slip in one is seen against the other.
QWEN_TTS_FOUR = {"Cherry", "Serena", "Ethan", "Chelsie"}
QWEN_TTS_SEVEN = QWEN_TTS_FOUR | {"Jada", "Dylan", "Sunny"}
INSTRUCT = QWEN_TTS_FOUR | {
    *("Momo", "Vivian", "Moon", "Maia", "Kai", "Nofish", "Bella", "Eldric Sage", "Mia", "Mochi", "Bellona"),
    *("Vincent", "Bunny", "Neil", "Elias", "Arthur", "Nini", "Seren", "Pip", "Stella"),
}
DIALECT = {
    "Jada": "Shanghai",
    "Dylan": "Beijing",
    "Li": "Nanjing",
    "Marcus": "Shaanxi",
    "Roy": "Minnan",
    "Peter": "Tianjin",
    "Sunny": "Sichuan",
    "Eric": "Sichuan",
    "Rocky": "Cantonese",
    "Kiki": "Cantonese",
}
FLASH_0918 = {"Cherry", "Ethan", "Nofish", "Elias", "Jennifer", "Ryan", "Katerina", *DIALECT}
FLASH = (
    INSTRUCT
    | FLASH_0918
    | {"Aiden", "Bodega", "Sonrisa", "Alek", "Dolce", "Sohee", "Ono Anna", "Lenn", "Emilien", "Andre"}
    | {"Radio Gol", "Ebona"}
)
WOMEN = (
    """
Cherry Serena Chelsie Momo Vivian Maia Bella Mia Bellona Bunny Elias Nini Ebona Seren Stella Jennifer Katerina
Sonrisa Sohee Jada Sunny Kiki
""".split()
    + ["Ono Anna"]
)

DEFAULTS: dict[str, Any] = {
    "voice": "Cherry",
    "response_format": "pcm",
    "sample_rate": 24000,
    "language_type": "Auto",
    "speech_rate": 1.0,
    "volume": 50,
    "pitch_rate": 1.0,
    "bit_rate": 128,
    "instructions": "",
    "optimize_instructions": False,
}
QWEN3_REALTIME = [name for name in REALTIME if name.startswith("qwen3") and name.find("-v") < 0]
INSTRUCT_MODELS = [name for name in REALTIME + HTTP if "instruct" in name]


def expected_voices(model: str) -> set[str]:
    if "instruct" in model:
        return INSTRUCT
    if "-vc-" in model or "-vd-" in model:
        return set()
    if model.startswith("qwen3"):
        return FLASH_0918 if model.endswith("2025-09-18") else FLASH
    return QWEN_TTS_FOUR if model in ("qwen-tts", "qwen-tts-2025-04-10") else QWEN_TTS_SEVEN


def check(model: str, **fields: Any) -> None:
    if model in HTTP:
        fields = {"response_format": "wav", **fields}
    CATALOG.check(model, {**DEFAULTS, **fields})


def refusal(model: str, **fields: Any) -> InvalidValue:
    with pytest.raises(InvalidValue) as caught:
        check(model, **fields)
    return caught.value


def test_the_models_are_those_of_the_doors() -> None:
    of_door = {
        door: {model.name for model in CATALOG.models if model.door == door}
        for door in ("realtime", "http", "inference")
    }
    assert of_door["realtime"] == set(REALTIME)
    assert of_door["http"] == set(HTTP)
    assert len(REALTIME) + len(HTTP) == 23
    assert len([name for name in of_door["inference"] if name.startswith("cosyvoice-")]) == 6
    assert len([name for name in of_door["inference"] if name.startswith("sambert-")]) == 43


@pytest.mark.parametrize(
    ("model", "number", "default"),
    [
        ("cosyvoice-v3.5-plus", 0, ""),
        ("cosyvoice-v3.5-flash", 0, ""),
        ("cosyvoice-v3-plus", 2, "longanyang"),
        ("cosyvoice-v3-flash", 88, "longanyang"),
        ("cosyvoice-v2", 106, "longxiaochun_v2"),
        ("cosyvoice-v1", 20, "longxiaochun"),
        ("sambert-zhinan-v1", 1, "sambert-zhinan-v1"),
        ("sambert-waan-v1", 1, "sambert-waan-v1"),
    ],
)
def test_a_task_model_takes_the_voices_of_its_table(model: str, number: int, default: str) -> None:
    assert CATALOG.model(model, door="inference").path == "/api-ws/v1/inference"
    assert len(CATALOG.voices(model)) == number
    assert CATALOG.default_voice(model) == default
    if default:
        CATALOG.check_voice(model, default)
    with pytest.raises(InvalidValue):
        CATALOG.check_voice(model, "Cherry")


def test_a_voice_of_another_version_is_refused_with_the_model_that_takes_it() -> None:
    with pytest.raises(InvalidValue, match=r"cosyvoice-v2 do"):
        CATALOG.check_voice("cosyvoice-v3-flash", "longxiaochun_v2")


def test_task_models_say_what_they_take() -> None:
    oldest, fast = (CATALOG.model(f"cosyvoice-{name}", door="inference") for name in ("v1", "v3-flash"))
    assert not oldest.features and "opus" not in oldest.response_formats
    assert {"ssml", "timestamps", "hot_fix", "http"} <= fast.features
    assert (fast.task, fast.default_format, fast.default_sample_rate) == ("duplex", "mp3", 22050)
    rates = {model.name: model.default_sample_rate for model in CATALOG.models if model.task == "out"}
    assert len([name for name, rate in rates.items() if rate == 48000]) == 9
    for name, rate in rates.items():
        assert rate in CATALOG.model(name, door="inference").sample_rates


def test_every_task_voice_says_who_it_is() -> None:
    voices = [voice for voice in CATALOG.all_voices if voice not in CATALOG.system_voices]
    assert len(voices) == 339
    for voice in voices:
        assert voice.character and voice.sex in ("female", "male")
        assert voice.age in ("child", "young", "adult", "old")
    assert {voice.name for voice in voices if voice.instructions} == {
        "longanyang",
        "longanhuan",
        "longanhuan_v3",
        "longhuhu_v3",
    }
    assert {voice.language for voice in voices} == {
        *("", "en-US", "en-GB", "ja", "ko", "id", "es", "it", "fr", "de", "th")
    }


def test_an_unknown_task_model_is_refused_with_the_nearest() -> None:
    with pytest.raises(ModelNotFound, match="did you mean|Did you mean 'cosyvoice-v3-flash'"):
        CATALOG.model("cosyvoice-v3-flsh", door="inference")
    with pytest.raises(ModelNotFound, match="belongs to /api-ws/v1/realtime"):
        CATALOG.model("qwen3-tts-flash-realtime", door="inference")


def test_open_weights_of_a_model_can_be_pulled_and_run_on_the_engine_of_its_kind() -> None:
    engines = {
        model.family: {load_manifest().model(name).engine for name in model.checkpoints}
        for model in CATALOG.models
        if model.door != "inference"
    }

    assert engines == {
        "instruct-flash": {"qwen3"},
        "flash": {"qwen3"},
        "vc": {"qwen3-base"},
        "vd": {"qwen3-design"},
        "qwen-tts": set(),
    }


def test_the_columns_of_the_voice_table_have_the_documented_lengths() -> None:
    assert (len(INSTRUCT), len(FLASH - {"Ebona"}), len(FLASH_0918)) == (24, 48, 17)
    assert len(CATALOG.system_voices) == 49


@pytest.mark.parametrize("model", REALTIME + HTTP)
def test_a_model_takes_exactly_the_voices_of_its_column(model: str) -> None:
    taken = expected_voices(model)

    assert {voice.name for voice in CATALOG.voices(model)} == taken
    for voice in CATALOG.system_voices:
        assert (model in voice.models) == (voice.name in taken)
        if voice.name in taken:
            check(model, voice=voice.name)
        else:
            assert refusal(model, voice=voice.name).param == "session.voice"


def test_sex_and_dialect_are_those_of_the_table() -> None:
    assert {voice.name for voice in CATALOG.system_voices if voice.sex == "female"} == set(WOMEN)
    assert {voice.name: voice.dialect for voice in CATALOG.system_voices if voice.dialect} == DIALECT


def test_every_voice_says_who_it_is() -> None:
    for voice in CATALOG.system_voices:
        assert voice.chinese_name and voice.character
        assert voice.sex in ("female", "male")
        assert voice.age in ("child", "young", "adult", "old")
        assert len(voice.languages) == 10


@pytest.mark.parametrize("model", REALTIME + HTTP)
def test_the_default_voice_is_cherry_where_there_are_system_voices(model: str) -> None:
    default = CATALOG.default_voice(model)

    assert default == ("Cherry" if expected_voices(model) else "")
    if default:
        check(model, voice=default)


def test_a_name_in_the_wrong_case_is_refused_with_the_right_one() -> None:
    error = refusal("qwen3-tts-flash-realtime", voice="cherry")

    assert "did you mean 'Cherry'?" in error.message
    assert "49 voices" in error.message and "`saystream voices`" in error.message


def test_an_open_weights_spelling_is_refused_with_the_wire_spelling() -> None:
    assert "'Ono Anna'" in refusal("qwen3-tts-flash-realtime", voice="Ono_Anna").message


def test_a_very_long_name_is_refused_without_a_suggestion() -> None:
    message = refusal("qwen3-tts-flash-realtime", voice="Cherry" * 1000).message

    assert "did you mean" not in message and len(message) < 400


def test_a_refused_voice_does_not_list_all_the_others() -> None:
    message = refusal("qwen3-tts-flash-realtime", voice="Nobody at all").message

    assert sum(name in message for name in FLASH) == 0


def test_a_voice_of_another_model_is_refused_with_the_models_that_take_it() -> None:
    message = refusal("qwen3-tts-instruct-flash-realtime", voice="Jada").message

    assert "qwen3-tts-flash-realtime*" in message and "qwen-tts-realtime*" in message
    assert "24 voices of qwen3-tts-instruct-flash-realtime" in message


def test_a_name_without_a_date_means_the_same_model_as_the_one_with_it() -> None:
    dated = CATALOG.model("qwen3-tts-flash-realtime", door="realtime").stands_for
    assert dated is not None
    assert CATALOG.is_same_model("qwen3-tts-flash-realtime", dated)
    assert CATALOG.is_same_model(dated, "qwen3-tts-flash-realtime")
    assert not CATALOG.is_same_model("qwen3-tts-vc-realtime-2026-01-15", "qwen3-tts-vc-realtime-2025-11-27")
    assert CATALOG.is_same_model("gone", "gone") and not CATALOG.is_same_model("gone", dated)


def test_a_voice_of_ones_own_is_not_looked_for_among_those_of_the_system() -> None:
    CATALOG.check("qwen3-tts-vc-realtime-2026-01-15", {"voice": "anna"}, own_voice=True)
    assert CATALOG.has_voice("Cherry") and not CATALOG.has_voice("anna")


@pytest.mark.parametrize(("kind", "made"), [("vc", "cloned"), ("vd", "designed")])
def test_a_cloning_or_design_model_says_which_voices_it_takes(kind: str, made: str) -> None:
    for model in (name for name in REALTIME + HTTP if f"-{kind}-" in name):
        known = refusal(model, voice="Cherry").message
        unknown = refusal(model, voice="qwen-tts-vc-mine-1").message

        assert "takes no system voices" in known and "qwen3-tts-flash" in known
        assert f"voices {made} for {model}; `GET /v1/voices` lists those there are" in known
        assert f"voices {made} for {model}; `GET /v1/voices` lists those there are" in unknown


@pytest.mark.parametrize(
    ("model", "response_format", "sample_rate"),
    list(product(QWEN3_REALTIME, ("pcm", "wav", "mp3", "opus"), (8000, 16000, 22050, 24000, 44100, 48000))),
)
def test_qwen3_realtime_takes_four_formats_at_six_rates(
    model: str, response_format: str, sample_rate: int
) -> None:
    check(model, response_format=response_format, sample_rate=sample_rate)


@pytest.mark.parametrize("model", [name for name in REALTIME if name.startswith("qwen-tts")])
@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("response_format", "wav", "Supported values are: 'pcm'."),
        ("response_format", "opus", "Supported values are: 'pcm'."),
        ("sample_rate", 16000, "Supported values are: '24000'."),
        ("language_type", "German", "Supported values are: 'Auto', 'Chinese', 'English'."),
        ("speech_rate", 1.2, "Supported: 1.0, the default."),
        ("volume", 51, "Supported: 50, the default."),
        ("pitch_rate", 0.9, "Supported: 1.0, the default."),
        ("bit_rate", 64, "Supported: 128, the default."),
        ("instructions", "slowly", "Supported: none, the default."),
        ("optimize_instructions", True, "Supported: false, the default."),
    ],
)
def test_the_older_realtime_models_take_pcm_at_24_khz_in_two_languages_and_nothing_else(
    model: str, field: str, value: object, allowed: str
) -> None:
    error = refusal(model, **{field: value})

    assert error.param == f"session.{field}"
    assert model in error.message and error.message.endswith(allowed)


@pytest.mark.parametrize("model", REALTIME + HTTP)
def test_every_model_takes_the_defaults(model: str) -> None:
    voices = CATALOG.voices(model)
    if voices:
        check(model, voice=voices[-1].name, instructions="", optimize_instructions=False)


@pytest.mark.parametrize("model", [name for name in REALTIME + HTTP if expected_voices(name)])
def test_only_instruct_models_take_instructions(model: str) -> None:
    fields = {"instructions": "like a secret", "optimize_instructions": True}
    for field, value in fields.items():
        if model in INSTRUCT_MODELS:
            check(model, **{field: value})
        else:
            door = "-realtime" if model in REALTIME else ""
            error = refusal(model, **{field: value})
            assert error.param == f"session.{field}"
            assert f"qwen3-tts-instruct-flash{door}* do." in error.message
            assert "secret" not in error.message


@pytest.mark.parametrize("model", [name for name in HTTP if expected_voices(name)])
def test_http_gives_wav_at_24_khz_and_nothing_else(model: str) -> None:
    assert "'wav'" in refusal(model, response_format="mp3").message
    assert "'24000'" in refusal(model, sample_rate=48000).message
    assert refusal(model, speech_rate=1.5).message.endswith(
        f"{model} does not take speech_rate. Supported: 1.0, the default."
    )


@pytest.mark.parametrize("model", QWEN3_REALTIME)
def test_qwen3_takes_the_eleven_words_for_a_language(model: str) -> None:
    for language_type in LANGUAGE_TYPES:
        check(model, language_type=language_type)
    for language_type in ("Thai", "chinese", "zh", ""):
        error = refusal(model, language_type=language_type)
        assert all(f"'{word}'" in error.message for word in LANGUAGE_TYPES)


def test_the_prefix_says_where_the_field_was() -> None:
    with pytest.raises(InvalidValue, match="input.voice") as caught:
        CATALOG.check("qwen3-tts-flash", {"voice": "Nobody"}, prefix="input.")

    assert caught.value.param == "input.voice"


def test_what_is_left_out_is_not_checked() -> None:
    CATALOG.check("qwen3-tts-flash", {"voice": "Cherry"})


def test_a_model_is_found_at_its_own_door() -> None:
    model = CATALOG.model("qwen3-tts-flash-realtime", door="realtime")

    assert (model.family, model.voice_kind, model.usage) == ("flash", "system", "characters")
    assert model.stands_for == "qwen3-tts-flash-realtime-2025-11-27"
    assert model.max_characters is None and model.max_tokens is None


def test_every_stand_in_stands_for_a_model_of_its_own_door_and_takes_the_same() -> None:
    for model in CATALOG.models:
        if model.stands_for is not None:
            dated = CATALOG.model(model.stands_for, door=model.door)
            assert dated.stands_for is None
            assert CATALOG.voices(model.name) == CATALOG.voices(dated.name)
            assert (model.parameters, model.languages) == (dated.parameters, dated.languages)


def test_text_limits_of_http_are_characters_or_tokens() -> None:
    for name in HTTP:
        model = CATALOG.model(name, door="http")
        if name.startswith("qwen3"):
            assert (model.max_characters, model.max_tokens, model.usage) == (600, None, "characters")
        else:
            assert (model.max_characters, model.max_tokens, model.usage) == (None, 512, "tokens")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("qwen3-tts-flash", "/api/v1/services/aigc/multimodal-generation/generation"),
        ("cosyvoice-v3-flash", "/api-ws/v1/inference"),
        ("sambert-zhinan-v1", "/api-ws/v1/inference"),
        ("qwen-audio-3.0-tts-plus", "/api-ws/v1/inference"),
        ("qwen-voice-enrollment", "/api/v1/services/audio/tts/customization"),
        ("voice-enrollment", "/api/v1/services/audio/tts/customization"),
    ],
)
def test_a_model_of_another_door_is_told_its_path(name: str, path: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        CATALOG.model(name, door="realtime")

    assert caught.value.param == "model" and caught.value.message.endswith(f"it belongs to {path}.")


def test_a_realtime_model_at_the_http_door_is_told_its_path() -> None:
    with pytest.raises(ModelNotFound, match="/api-ws/v1/realtime"):
        CATALOG.model("qwen3-tts-flash-realtime", door="http")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("qwen3-tts-vc-realtime", "qwen3-tts-vc-realtime-2026-01-15"),
        ("qwen3-tts-vd-realtime", "qwen3-tts-vd-realtime-2026-01-15"),
        ("Qwen3-TTS-Flash-Realtime", "qwen3-tts-flash-realtime"),
        ("qwen3-tts-flash-realtme", "qwen3-tts-flash-realtime"),
    ],
)
def test_an_unknown_model_is_told_the_nearest_name_and_all_of_its_door(name: str, near: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        CATALOG.model(name, door="realtime")

    assert f"Did you mean '{near}'?" in caught.value.message
    assert all(known in caught.value.message for known in REALTIME)


def test_a_missing_model_is_told_all_of_the_door() -> None:
    with pytest.raises(ModelNotFound, match=r"No model was named\. Models: qwen3-tts-instruct"):
        CATALOG.model("", door="realtime")


def test_an_unknown_model_is_refused_wherever_one_is_named() -> None:
    for ask in (CATALOG.voices, CATALOG.default_voice, check):
        with pytest.raises(ModelNotFound):
            ask("no-such-model")


def test_a_voice_is_found_by_its_name() -> None:
    assert CATALOG.voice("Radio Gol").sex == "male"
    with pytest.raises(InvalidValue, match="did you mean 'Radio Gol'") as caught:
        CATALOG.voice("radio gol", param="--voice")
    assert caught.value.param == "--voice"


def test_the_catalogue_is_read_once() -> None:
    assert load() is CATALOG


def test_an_empty_catalogue_takes_nothing() -> None:
    with pytest.raises(ModelNotFound):
        Catalog([], [], {}).model("qwen-tts", door="http")


@given(name=st.text(max_size=300))
def test_any_other_voice_is_refused_in_few_words(name: str) -> None:
    if name not in FLASH:
        assert len(refusal("qwen3-tts-flash-realtime", voice=name).message) < 400


@given(name=st.text(max_size=300))
def test_any_other_model_is_refused_with_a_bounded_quotation(name: str) -> None:
    if name not in REALTIME:
        with pytest.raises(ModelNotFound) as caught:
            CATALOG.model(name, door="realtime")
        assert len(caught.value.message) < 800
