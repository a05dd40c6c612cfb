import re

import numpy as np

from saystream.audio import Mark, PhonemeMark
from saystream.engines.kokoro.timing import WordMarks, bounds
from saystream.text.rewriting import Rewritten, joined


def test_symbols_lie_between_the_edges_and_sound_a_little_before_their_frames() -> None:
    assert bounds(np.array([10, 2, 3, 4])).tolist() == [8.5, 10.5, 13.5]
    assert bounds(np.array([1, 2, 1])).tolist() == [0.0, 1.5]


def test_a_word_begins_in_the_space_before_it_and_ends_with_its_last_symbol() -> None:
    symbols = Rewritten.of("ab, cd.")
    words = joined([symbols[:2].becomes("xyz"), symbols[2:4], symbols[4:6].becomes("uv"), symbols[6:]])
    assert words.text == "xyz, uv."
    marks = WordMarks(7)
    marks.timed(words, np.array(range(9), np.float64) * 10)
    assert marks.take() == (Mark(7, 9, 0, 30), Mark(11, 13, 40, 70))
    assert marks.take() == ()


def test_a_word_that_is_cut_by_the_passes_has_one_mark() -> None:
    word = Rewritten.of("5 km").sub(re.compile(".+"), "five kilometers")
    marks = WordMarks(0)
    marks.timed(word[:4], np.array(range(5), np.float64) * 10)
    marks.timed(word[5:], np.array(range(11), np.float64) * 10)
    assert marks.take() == (Mark(0, 4, 0, 40),)


def test_a_word_has_its_phonemes_where_those_are_wanted() -> None:
    marks = WordMarks(0, phonemes=True, chinese=True)
    marks.timed(Rewritten.of("word").becomes("wˈɜːd"), np.array(range(6), np.float64) * 10)
    (mark,) = marks.take()
    assert mark.phonemes == (
        PhonemeMark("w", 0, 10),
        PhonemeMark("ˈɜː", 10, 40),
        PhonemeMark("d", 40, 50),
    )


def test_a_chinese_syllable_is_an_initial_and_a_final_with_its_tone() -> None:
    symbols = joined([Rewritten.of("吃").becomes("ꭧʰɨ→"), Rewritten.of("爱").shifted(1).becomes(" ai↘")])
    marks = WordMarks(5, phonemes=True, chinese=True)
    marks.timed(symbols, np.array(range(len(symbols) + 1), np.float64) * 10)
    assert marks.take() == (
        Mark(5, 6, 0, 40, (PhonemeMark("ch_c", 0, 20), PhonemeMark("i_c", 20, 40, "1"))),
        Mark(6, 7, 40, 80, (PhonemeMark("ai_c", 40, 80, "4"),)),
    )


def test_a_word_begins_behind_the_space_if_the_model_says_so() -> None:
    words = joined([Rewritten.of("ab")[:1].becomes("xy"), Rewritten.of("ab")[1:].becomes("z")], " ")
    marks = WordMarks(0, begun_in_space=False)
    marks.timed(words, np.array(range(5), np.float64) * 10)
    assert marks.take() == (Mark(0, 1, 0, 20), Mark(1, 2, 30, 40))
