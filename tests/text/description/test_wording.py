from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.description import described
from saystream.text.description.wording import agrees, in_plain_words


@pytest.mark.parametrize(
    ("vague", "plain"),
    [
        (
            "Like an excited sports commentator!",
            "Like an excited sports commentator. Fast pace, slightly high pitch, expressive intonation,"
            " slightly loud, slightly short pauses.",
        ),
        (
            "sad, but fast",
            "sad, but fast. Slightly low pitch, slightly monotonous intonation, slightly quiet,"
            " slightly long pauses.",
        ),
        ("像睡前故事一样。", "像睡前故事一样。语速慢，音调略低，语调略平淡，音量略小，停顿略长。"),
        ("深情的朗诵", "深情的朗诵。语速略慢，语调起伏略大，音量略小，停顿略长。"),
        (
            "very scared",
            "very scared. Fast pace, high pitch, slightly expressive intonation, slightly quiet.",
        ),
        ("Speak fast", "Speak fast"),
        ("as you like", "as you like"),
        ("", ""),
    ],
)
def test_what_follows_from_a_wish_is_said_in_plain_words(vague: str, plain: str) -> None:
    assert in_plain_words(vague) == plain


@given(
    st.lists(st.sampled_from("sad angry excited 温柔 news 播报 fast 不要 quiet , 老人 woman".split())).map(
        " ".join
    )
)
def test_plain_words_say_the_same_and_stay_as_they_are(text: str) -> None:
    plain = in_plain_words(text)
    before, after = described(text), described(plain)
    assert agrees(before, after)
    for axis in ("speed", "pitch", "range", "loudness", "pauses"):
        assert abs(getattr(before, axis) - getattr(after, axis)) <= 1.5
    assert in_plain_words(plain) == plain


@pytest.mark.parametrize(
    ("before", "after", "agree"),
    [
        ("a fast woman", "a young woman, very fast", True),
        ("a fast woman", "a fast man", False),
        ("a fast woman", "a slow woman", False),
        ("an old man", "a man", False),
        ("Sichuan dialect", "四川话", True),
        ("nice", "a fast man", True),
    ],
)
def test_a_rewriting_must_say_what_was_said(before: str, after: str, agree: bool) -> None:
    assert agrees(described(before), described(after)) is agree
