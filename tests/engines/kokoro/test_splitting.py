import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.kokoro.splitting import Limits, split

SYMBOLS = st.text("abˈ .,!?;:—…”)", max_size=900)
LIMITS = st.builds(
    Limits,
    most=st.integers(1, 300),
    first=st.integers(0, 100),
    least=st.integers(1, 30),
    growth=st.floats(1.0, 5.0),
)


@given(symbols=SYMBOLS, limits=LIMITS)
def test_the_passes_are_the_text_and_none_is_empty_or_too_long(symbols: str, limits: Limits) -> None:
    passes = list(split(symbols, limits))
    assert "".join(passes) == symbols
    assert all(0 < len(each) <= limits.most for each in passes)


@pytest.mark.parametrize("text", ["hello", "hello, world.", "one. two. three. four. five. six. seven."])
def test_a_short_text_is_one_pass(text: str) -> None:
    assert list(split(text)) == [text]


def test_a_long_sentence_begins_with_its_first_clause() -> None:
    first, rest = split("when the evening came, " + "the keeper climbed two hundred steps to light the lamp.")
    assert first == "when the evening came, "
    assert rest.startswith("the keeper")


def test_a_clause_of_a_word_or_two_is_not_said_alone() -> None:
    first, *_ = split("well, the keeper of the house said, " + "we had better wait until the storm is over.")
    assert first == "well, the keeper of the house said, "


def test_no_rest_of_a_word_or_two_is_left() -> None:
    text = "the keeper climbed all of the two hundred steps to light it, alone."
    assert list(split(text)) == [text]


def test_no_pass_is_much_longer_than_what_was_said_before_it_where_a_mark_allows_it() -> None:
    text = "a clause of some twenty, " * 30
    passes = list(split(text))
    said = len(passes[0])
    assert said == len("a clause of some twenty, ")
    for each in passes[1:]:
        assert len(each) <= max(45, 2.5 * said)
        said += len(each)
    assert len(passes) < 8  # and they do grow


def test_a_sentence_is_a_better_end_than_a_clause() -> None:
    text = "it is late, and we have to go. so good night, my dear, and see you then, " * 5
    for each in list(split(text))[1:-1]:
        assert each.endswith("have to go. ")


def test_without_marks_it_is_cut_at_spaces_and_without_spaces_anywhere() -> None:
    assert all(len(each) <= 160 and each.endswith(" ") for each in list(split("word " * 200))[:-1])
    assert [len(each) for each in split("a" * 600)] == [160, 160, 160, 120]


def test_a_mark_inside_a_word_is_no_end() -> None:
    text = "a" * 30 + "." + "b" * 30
    assert list(split(text)) == [text]
