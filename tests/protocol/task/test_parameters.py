from __future__ import annotations

from typing import Any

import pytest

from saystream.errors import InvalidRequest, InvalidValue
from saystream.protocol.task.parameters import PARAMETER_NAMES, HotFix, TaskParameters, decode_parameters


def test_what_the_official_sdk_sends_by_default_means_no_wish() -> None:
    sent = {
        "voice": "longanyang",
        "volume": 50,
        "text_type": "PlainText",
        "sample_rate": 0,
        "rate": 1.0,
        "format": "Default",
        "pitch": 1.0,
        "seed": 0,
        "type": 0,
        "enable_ssml": True,
    }
    assert decode_parameters(sent) == TaskParameters(voice="longanyang", enable_ssml=True)


def test_every_field_is_read() -> None:
    parameters = decode_parameters(
        {
            "voice": "longxiaochun_v2",
            "volume": 60,
            "text_type": "SSML",
            "sample_rate": 16000,
            "rate": 1.1,
            "format": "opus",
            "pitch": 0.9,
            "seed": 7,
            "type": 1,
            "bit_rate": 64,
            "word_timestamp_enabled": True,
            "phoneme_timestamp_enabled": True,
            "language_hints": ["zh", "en"],
            "instruction": "请用河南话表达。",
            "hot_fix": {"pronunciation": [{"天气": "tian1 qi4"}], "replace": [{"今天": "金天"}]},
            "enable_markdown_filter": True,
            "enable_aigc_tag": True,
            "aigc_propagator": "me",
            "aigc_propagate_id": "1",
        }
    )
    assert parameters == TaskParameters(
        voice="longxiaochun_v2",
        volume=60,
        text_type="SSML",
        sample_rate=16000,
        rate=1.1,
        format="opus",
        pitch=0.9,
        seed=7,
        type=1,
        bit_rate=64,
        word_timestamp_enabled=True,
        phoneme_timestamp_enabled=True,
        language_hints=("zh", "en"),
        instruction="请用河南话表达。",
        hot_fix=HotFix(pronunciation=(("天气", "tian1 qi4"),), replace=(("今天", "金天"),)),
        enable_markdown_filter=True,
        enable_aigc_tag=True,
        aigc_propagator="me",
        aigc_propagate_id="1",
    )
    assert parameters.may_be_ssml
    assert decode_parameters(parameters.changes()) == parameters


@pytest.mark.parametrize(
    ("field", "sent", "read"),
    [
        ("volume", 50.0, 50),
        ("volume", "60", 60),
        ("rate", 1, 1.0),
        ("rate", " 1.5 ", 1.5),
        ("sample_rate", 16000.0, 16000),
        ("sample_rate", "24000", 24000),
        ("format", "MP3", "mp3"),
        ("format", "", ""),
        ("text_type", "plaintext", "PlainText"),
        ("enable_ssml", "True", True),
        ("enable_ssml", 0, False),
        ("language_hints", "zh", ("zh",)),
        ("language_hints", ["", None, "EN"], ("en",)),
        ("hot_fix", {"replace": {"a": "b"}, "pronunciation": None}, HotFix(replace=(("a", "b"),))),
        ("voice", None, ""),
    ],
)
def test_what_does_no_harm_is_taken(field: str, sent: object, read: object) -> None:
    assert getattr(decode_parameters({field: sent}), field) == read


@pytest.mark.parametrize(
    ("field", "sent", "said"),
    [
        ("voice", 3, "a string"),
        ("volume", 101, "an integer from 0 to 100"),
        ("volume", 1.5, "an integer from 0 to 100"),
        ("volume", True, "an integer from 0 to 100"),
        ("volume", [], "an integer from 0 to 100"),
        ("rate", 2.5, "a number from 0.5 to 2.0"),
        ("rate", "fast", "a number from 0.5 to 2.0"),
        ("bit_rate", 5, "from 6 to 510 (kbit/s)"),
        ("sample_rate", 11025, "'22050'"),
        ("sample_rate", "high", "'22050'"),
        ("format", "flac", "'opus'"),
        ("format", 3, "a string"),
        ("text_type", "html", "'SSML'"),
        ("enable_ssml", "yes", "true or false"),
        ("enable_ssml", [], "true or false"),
        ("language_hints", {}, "an array of strings"),
        ("language_hints", ["xx"], "'zh'"),
        ("language_hints", [3], "a string"),
        ("hot_fix", [], "an object"),
        ("hot_fix", {"replace": "a"}, "an array of objects"),
        ("hot_fix", {"replace": ["a"]}, "an array of objects"),
        ("hot_fix", {"replace": [{"a": 1}]}, "an array of objects"),
        ("hot_fix", {"replace": [{"": "a"}]}, "an array of objects"),
    ],
)
def test_a_bad_value_is_refused_with_what_would_do(field: str, sent: object, said: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        decode_parameters({field: sent}, prefix="input.")
    assert caught.value.param is not None
    assert caught.value.param.startswith(f"input.{field}")
    assert said in caught.value.message


@pytest.mark.parametrize("field", ["volume", "rate", "enable_ssml"])
def test_a_number_too_long_to_print_is_refused(field: str) -> None:
    with pytest.raises(InvalidValue, match="an integer of more than 64 bits"):
        decode_parameters({field: 10**5000})


def test_one_error_names_every_field_at_fault() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_parameters({"rate": 3, "volume": 200, "pitch": 1.0})
    assert "parameters.rate" in caught.value.message
    assert "parameters.volume" in caught.value.message
    assert "pitch" not in caught.value.message


def test_unknown_keys_are_kept_for_the_log_alone() -> None:
    many: dict[str, Any] = {f"k{number}": number for number in range(20)}
    parameters = decode_parameters({"stream": True, "text": "secret", **many})
    assert parameters.unknown_fields == tuple(f"parameters.k{number}" for number in range(10))
    assert not parameters.may_be_ssml


def test_only_what_differs_from_the_defaults_is_sent() -> None:
    assert TaskParameters().changes() == {}
    assert TaskParameters(voice="a", hot_fix=HotFix(replace=(("x", "y"),))).changes() == {
        "voice": "a",
        "hot_fix": {"replace": [{"x": "y"}]},
    }


def test_every_field_but_the_unknown_ones_has_a_reader() -> None:
    assert set(PARAMETER_NAMES) == set(TaskParameters.__struct_fields__) - {"unknown_fields"}
