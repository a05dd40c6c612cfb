from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.description import AXES, Description, described


def said(text: str) -> dict[str, Any]:
    """What was understood, without what was not."""
    found = described(text)
    return {
        name: value
        for name in Description.__dataclass_fields__
        if (value := getattr(found, name)) and name != "named"
    }


@pytest.mark.parametrize(
    ("text", "sex", "age"),
    [
        ("Young, lively female voice", "female", "young"),
        ("Calm middle-aged male voice", "male", "middle"),
        ("Gentle, intellectual female voice, around 30 years old", "female", "young"),
        ("Cute child voice, about 8-year-old girl", "female", "child"),
        ("an androgynous teenager", "neutral", "teenager"),
        ("a man in his 60s", "male", "old"),
        ("a woman aged about 40", "female", "middle"),
        ("a girl, 13 to 15 years", "female", "teenager"),
        ("Grandma tells a story", "female", "old"),
        ("a little boy", "male", "child"),
        ("a young boy", "male", "child"),
        ("not an old man but a child", "", "child"),
        ("沉稳的中年男性播音员", "male", "middle"),
        ("三十多岁的女声", "female", "young"),
        ("十来岁的少年", "male", "child"),
        ("六十岁的老奶奶", "female", "old"),
        ("八岁女孩", "female", "child"),
        ("45岁左右", "", "middle"),
        ("岁月静好", "", ""),
        ("中性声音", "neutral", ""),
    ],
)
def test_sex_and_age_are_read(text: str, sex: str, age: str) -> None:
    found = described(text)
    assert (found.sex, found.age) == (sex, age)


@pytest.mark.parametrize(
    ("text", "sex", "age"),
    [
        ("a gentle voice for children's bedtime stories", "", ""),
        ("a gentle voice for children's stories by a young woman", "female", "young"),
        ("给孩子讲故事的温柔妈妈", "female", ""),
    ],
)
def test_who_listens_is_not_who_speaks(text: str, sex: str, age: str) -> None:
    found = described(text)
    assert (found.sex, found.age) == (sex, age)


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("high pitch", {"pitch": 2}),
        ("the pitch is high and the volume is low", {"pitch": 2, "loudness": -2}),
        ("high volume, low pitch", {"pitch": -2, "loudness": 2}),
        ("a low voice", {"pitch": -2}),
        ("pitch: mid", {}),
        ("Speak quickly with a rising intonation", {"speed": 2, "range": 2}),
        ("slightly slower", {"speed": -1}),
        ("very, very slow", {"speed": -3}),
        ("very long pauses between sentences", {"pauses": 3}),
        ("in a low, quiet, unhurried, slow way", {"pitch": -2, "loudness": -2, "speed": -2}),
        ("more", {}),
        ("语速很快，音调偏低", {"speed": 3, "pitch": -1}),
        ("高音调的声音", {"pitch": 2}),
        ("很高的音量", {"loudness": 3}),
        ("语速偏慢音调偏低", {"speed": -1, "pitch": -1}),
        ("说快一点，停顿长一些", {"speed": 1, "pauses": 1}),
        ("慢极了", {"speed": -3}),
        ("声音小", {"loudness": -2}),
    ],
)
def test_levels_are_read_with_their_degrees(text: str, levels: dict[str, float]) -> None:
    assert said(text) == levels


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("not fast", {"speed": -1}),
        ("not too fast or too loud", {"speed": -1, "loudness": -1}),
        ("don’t speak fast, speak loud", {"speed": -1, "loudness": 2}),
        ("not slow but loud", {"speed": 1, "loudness": 2}),
        (
            "not in the way that anybody else on this whole planet would speak: fast",
            {"speed": 2},
        ),
        ("不要太快", {"speed": -1}),
        ("不快不慢", {}),
        ("不大声快一点", {"loudness": -1, "speed": 1}),
        ("不仅快", {"speed": 2}),
    ],
)
def test_what_is_negated_means_the_opposite_half_as_much(text: str, levels: dict[str, float]) -> None:
    assert said(text) == levels


def test_what_is_negated_and_on_no_axis_is_dropped() -> None:
    found = described("not angry but calm, without husky sounds")
    assert (found.emotions, found.timbres) == (("calm",), ())


def test_emotions_timbres_uses_and_a_dialect_are_named_in_the_order_of_the_text() -> None:
    found = described("sweet and crisp, cheerful then sad and cheerful, for advertising; Sichuan dialect")
    assert found.timbres == ("sweet", "crisp")
    assert found.emotions == ("cheerful", "sad")
    assert found.uses == ("advertising",)
    assert found.dialect == "Sichuan"


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("你正在进行闲聊互动，你说话的情感是neutral。", "neutral"),
        ("你说话的情感是fearful。", "fearful"),
        ("你说话的情感是angry。", "angry"),
        ("你说话的情感是sad。", "sad"),
        ("你说话的情感是surprised。", "surprised"),
        ("你说话的情感是happy。", "cheerful"),
        ("你说话的情感是disgusted。", "disgusted"),
    ],
)
def test_the_fixed_sentence_of_cosyvoice_is_understood(text: str, emotion: str) -> None:
    assert described(text).emotions == (emotion,)


def test_a_dialect_is_understood() -> None:
    assert described("请用河南话表达。").dialect == "Henan"


def test_an_emotion_brings_levels_along() -> None:
    sad, excited = described("sad"), described("excited")
    assert sad.speed < 0 < excited.speed
    assert sad.loudness < 0 < excited.loudness
    assert not sad.named


def test_a_degree_changes_what_an_emotion_brings_along() -> None:
    assert described("slightly sad").speed > described("sad").speed > described("very sad").speed


def test_what_is_said_of_an_axis_stands_before_what_an_emotion_brings_along() -> None:
    found = described("sad, but fast")
    assert found.speed == 2
    assert found.named == {"speed"}
    assert found.pitch < 0


def test_opposites_cancel_each_other() -> None:
    assert described("fast and slow").speed == 0


@pytest.mark.parametrize("text", ["", "   ", "Voice 7b", "今天", "🙂", "!!!"])
def test_a_text_without_known_words_says_nothing(text: str) -> None:
    assert described(text).is_empty


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            ["very", "not", "fast", "high", "很", "不", "快", "高", "音调", "一点", ",", "for", "girl", "9岁"]
        )
    ).map(" ".join)
)
def test_any_text_is_read_and_its_levels_stay_within_bounds(text: str) -> None:
    found = described(text)
    assert all(-3 <= getattr(found, axis) <= 3 for axis in AXES)


def test_case_and_hyphens_do_not_matter() -> None:
    assert described("MIDDLE AGED, High-Pitched") == described("middle-aged, high pitched")
