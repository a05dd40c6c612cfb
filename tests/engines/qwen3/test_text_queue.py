from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.qwen3.text_queue import TextCutter, TextQueue

EOS, PAD, BLANK = 1, 2, 3


def new_queue() -> TextQueue:
    return TextQueue(eos_id=EOS, pad_id=PAD, is_speakable=lambda one: one != BLANK)


def queue_of(*ids: int) -> TextQueue:
    queue = new_queue()
    queue.push(ids, len(ids))
    return queue


def test_ids_come_in_order_then_the_end_once_then_padding() -> None:
    queue = queue_of(10, 11, 12)
    assert queue.take(2) == [10, 11]
    assert not queue.has(2)
    queue.close()
    assert queue.take(2) == [12, EOS]
    assert queue.take(3) == [PAD] * 3


def test_what_is_not_known_yet_is_not_made_up() -> None:
    queue = queue_of(10)
    assert queue.has(1)
    with pytest.raises(RuntimeError, match="2 ids were asked for, and 1 are known"):
        queue.take(2)
    assert queue.take(1) == [10]


def test_a_queue_that_is_closed_takes_nothing_more() -> None:
    queue = new_queue()
    queue.close()
    with pytest.raises(RuntimeError):
        queue.push([10], 1)


def test_what_is_left_gets_an_end_of_its_own_in_another_prompt() -> None:
    queue = queue_of(10, 11)
    queue.close()
    assert queue.take(3) == [10, 11, EOS]
    queue.restart()
    assert queue.take(2) == [EOS, PAD]


def test_a_whole_text_is_followed_by_padding_alone() -> None:
    queue = queue_of(10, 11)
    with pytest.raises(RuntimeError, match="open"):
        queue.take_all()
    queue.close()
    assert queue.take_all() == [10, 11]
    assert queue.take(2) == [PAD, PAD]


def test_characters_wait_until_the_ids_that_came_of_them_are_given_out() -> None:
    queue = new_queue()
    queue.push([], 4)
    queue.push([10, 11], 2)
    queue.push([12], 5)
    assert queue.waiting_characters == 11
    queue.take(1)
    assert queue.waiting_characters == 8
    queue.take(1)
    assert queue.waiting_characters == 5
    queue.push([], 7)
    assert queue.waiting_characters == 12
    queue.close()
    assert queue.waiting_characters == 5
    queue.take(2)
    assert queue.waiting_characters == 0
    assert queue.given == 3


def test_a_text_of_which_nothing_can_be_heard_is_spoken_when_it_ends() -> None:
    queue = queue_of(10, BLANK, BLANK)
    assert queue.speakable
    queue.take(1)
    assert not queue.speakable and not queue.spoken
    queue.close()
    assert queue.spoken


def cuts(cutter: TextCutter, *pieces: str) -> list[str]:
    """The stretches of a text."""
    stretches = [""]
    for piece in pieces:
        for part, ends in cutter.push(piece):
            stretches[-1] += part
            if ends:
                stretches.append("")
    return stretches


def test_a_stretch_ends_with_the_first_sentence_that_is_long_enough() -> None:
    text = "One. Two is longer. Three.14 is no end. Four."
    assert cuts(TextCutter(soft_bytes=10, hard_bytes=100), text) == [
        "One. Two is longer.",
        " Three.14 is no end.",
        " Four.",
    ]


def test_chinese_sentences_need_no_space() -> None:
    assert cuts(TextCutter(soft_bytes=9, hard_bytes=100), "今天好。明天见。") == ["今天好。", "明天见。"]


def test_a_sentence_that_is_too_long_is_cut_at_a_word_and_a_word_in_its_middle() -> None:
    cutter = TextCutter(soft_bytes=5, hard_bytes=10)
    assert cuts(cutter, "a sentence without end " + "x" * 45) == [
        "a sentence",
        " without end",
        " " + "x" * 19,
        "x" * 20,
        "x" * 6,
    ]


@pytest.mark.parametrize(("soft", "hard"), [(0, 5), (6, 5)])
def test_bounds_have_to_be_bounds(soft: int, hard: int) -> None:
    with pytest.raises(ValueError, match="soft"):
        TextCutter(soft_bytes=soft, hard_bytes=hard)


@given(st.text("ab .。\n界", max_size=80), st.integers(0, 2**32))
def test_cuts_do_not_depend_on_how_the_text_comes(text: str, seed: int) -> None:
    chance = random.Random(seed)
    places = sorted(chance.randrange(len(text) + 1) for _ in range(5))
    pieces = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    whole = cuts(TextCutter(soft_bytes=6, hard_bytes=12), text)
    assert cuts(TextCutter(soft_bytes=6, hard_bytes=12), *pieces) == whole
    assert "".join(whole) == text
    assert all(len(stretch.encode()) <= 24 + 3 for stretch in whole)
