"""The cases of the data files, fed whole and by the character, and the rules under any input."""

from __future__ import annotations

import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saystream.errors import ConfigurationError
from saystream.text import Segment, Segmenter, detect
from saystream.text.boundaries import BoundaryKind, BoundaryScanner

from .segmenters import fed_whole, make_segmenter, texts

FOLDER = Path(__file__).parent
CASES = tomllib.loads((FOLDER / "segmenter_cases.toml").read_text(encoding="utf-8"))
HELD_OUT = tomllib.loads((FOLDER / "segmenter_held_out.toml").read_text(encoding="utf-8"))
PAGE = (FOLDER.parents[1] / "docs" / "topics" / "segmentation.md").read_text(encoding="utf-8")

# What may be cut wrongly: blanks, marks, quotes, combining characters, emoji, jamo, Thai, surrogates.
ALPHABET = (
    "ab A1209 .. ,!?…:;-—\n\r\t\"'“”«»()[]人あア한。！？，、「」яЯ"
    "\u0301\u200d👩👍🏽🇩🇪เก่ๆ\u1112\u1161\u11ab\ud800\x00"
)
TEXTS = st.lists(
    st.sampled_from(
        [
            *ALPHABET,
            "Dr. ",
            "Hello world. ",
            "1,299.50 ",
            "https://a.b/c?d ",
            "你好。",
            "ไทย ไทย ",
            "The old lighthouse stood at ",
            "and ",
            "我们昨天晚上没有去看电影因为外",
            "昨日の夜友達と映画を見",
        ]
    ),
    max_size=60,
).map("".join)


def fed_by_character(segmenter: Segmenter, text: str) -> list[str]:
    segments = [segment for character in text for segment in segmenter.push(character, 0.0)]
    return texts(segments + segmenter.flush())


def sentence_ends(text: str) -> set[int]:
    """Every sentence end that is named when text is cut at each of them."""
    ends: set[int] = set()
    cut, scanner = 0, BoundaryScanner()
    waiting = list(reversed(text))
    while waiting:
        boundary = scanner.step(waiting.pop())
        if boundary is not None and boundary.kind is BoundaryKind.SENTENCE:
            cut += boundary.position
            ends.add(cut)
            waiting.extend(reversed(scanner.characters[boundary.position :]))
            scanner = BoundaryScanner()
    return ends


def true_ends(sentences: list[str]) -> set[int]:
    return {len("".join(sentences[:count])) for count in range(1, len(sentences))}


# The data files


@pytest.mark.parametrize(
    "case", CASES["sentences"], ids=lambda case: f"{case['language']}: {''.join(case['cut'])[:30]}"
)
def test_sentence_ends_are_named_where_they_are(case: dict[str, Any]) -> None:
    text = "".join(case["cut"])
    named, true = sentence_ends(text), true_ends(case["cut"])
    assert len(named - true) == case.get("wrong", 0)
    assert len(true - named) == case.get("missed", 0)
    assert fed_whole(make_segmenter(), text) == fed_by_character(make_segmenter(), text)


@pytest.mark.parametrize("case", CASES["segments"], ids=lambda case: f"{case['language']}: {case['name']}")
def test_a_text_is_cut_into_exactly_these_segments(case: dict[str, Any]) -> None:
    options = {name: case[name] for name in ("first_min_characters", "max_characters") if name in case}
    text = "".join(case["segments"])
    assert fed_whole(make_segmenter(**options), text) == case["segments"]
    assert fed_by_character(make_segmenter(**options), text) == case["segments"]


def test_the_cases_cover_the_languages() -> None:
    cases = CASES["sentences"] + CASES["segments"]
    assert len(cases) >= 120
    assert {case["language"] for case in cases} == set("zh en de it pt es ja ko fr ru th".split())


def test_the_documented_error_counts_are_the_measured_ones() -> None:
    for name, cases in (("cases", CASES), ("held-out", HELD_OUT)):
        true = wrong = missed = 0
        for case in cases["sentences"]:
            expected, named = true_ends(case["cut"]), sentence_ends("".join(case["cut"]))
            true, wrong, missed = (
                true + len(expected),
                wrong + len(named - expected),
                missed + len(expected - named),
            )
        assert f"| {name} | {len(cases['sentences'])} | {true} | {wrong} | {missed} |" in PAGE


# Any input


@settings(deadline=None)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 400), max_size=12), max_characters=st.integers(20, 90))
@example(text="Yes. " + "a" * 60 + ". No. " * 9, cuts=[3, 4, 40], max_characters=20)
def test_segments_do_not_depend_on_how_text_is_split_and_join_to_the_text(
    text: str, cuts: list[int], max_characters: int
) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    segmenter = make_segmenter(max_characters=max_characters)
    segments = []
    for start, end in zip(places, places[1:], strict=False):
        segments += segmenter.push(text[start:end], 0.0)
        assert segmenter.pending_characters <= max_characters
    segments += segmenter.flush()
    assert "".join(texts(segments)) == text
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert all(0 < len(segment.text) <= max_characters for segment in segments)
    assert texts(segments) == fed_by_character(make_segmenter(max_characters=max_characters), text)
    assert texts(segments) == fed_whole(make_segmenter(max_characters=max_characters), text)


STEPS = st.lists(st.tuples(TEXTS, st.integers(0, 900)), max_size=12)


@settings(deadline=None)
@given(steps=STEPS)
def test_poll_gives_something_exactly_from_the_deadline_on(steps: list[tuple[str, int]]) -> None:
    segmenter = make_segmenter(max_characters=60)
    given_out, now_ms = [], 0.0
    for text, pause_ms in steps:
        given_out += segmenter.push(text, now_ms)
        now_ms += pause_ms
        deadline_ms = segmenter.deadline_ms()
        early = now_ms if deadline_ms is None else min(now_ms, deadline_ms - 0.5)
        assert segmenter.poll(early) == []
        late = segmenter.poll(now_ms)
        assert bool(late) == (deadline_ms is not None and deadline_ms <= now_ms)
        assert all(segment.speakable for segment in late[:1])
        given_out += late
        after = segmenter.deadline_ms()
        assert after is None or after > now_ms
    given_out += segmenter.flush()
    assert "".join(texts(given_out)) == "".join(text for text, _ in steps)
    assert [segment.index for segment in given_out] == list(range(len(given_out)))


@settings(deadline=None)
@given(steps=STEPS)
def test_with_polls_at_the_same_times_splitting_still_changes_nothing(steps: list[tuple[str, int]]) -> None:
    whole, by_character = make_segmenter(max_characters=60), make_segmenter(max_characters=60)
    now_ms = 0.0
    for text, pause_ms in steps:
        split = [segment for character in text for segment in by_character.push(character, now_ms)]
        assert whole.push(text, now_ms) == split
        now_ms += pause_ms
        assert whole.deadline_ms() == by_character.deadline_ms()
        assert whole.poll(now_ms) == by_character.poll(now_ms)
    assert whole.flush() == by_character.flush()


# The wait


def test_a_pause_gives_the_words_that_are_complete_and_then_the_last_one() -> None:
    segmenter = make_segmenter()
    assert segmenter.push("Hello wor", 0.0) == []
    assert segmenter.deadline_ms() == 600.0
    assert segmenter.poll(599.0) == []
    assert texts(segmenter.poll(600.0)) == ["Hello "]
    assert segmenter.deadline_ms() == 1200.0
    assert segmenter.poll(1199.0) == []
    assert texts(segmenter.poll(1200.0)) == ["wor"]
    assert segmenter.deadline_ms() is None


def test_a_word_that_went_on_is_not_cut() -> None:
    segmenter = make_segmenter()
    segmenter.push("Hello wor", 0.0)
    segmenter.poll(600.0)
    segmenter.push("ld and", 700.0)
    assert segmenter.deadline_ms() == 600.0
    assert texts(segmenter.poll(700.0)) == ["world "]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("All done.", "All done."),
        ("Is it? ", "Is it? "),
        ("It costs 1,", "It costs "),
        ("Version 3.", "Version "),
        ("See www.example.", "See "),
        ("Ask joe@example", "Ask "),
        ("He said “", "He said "),
        ("He said “Go.”", "He said “Go.”"),
        ("Give me $", "Give me "),
        ("今天天气", "今天天气"),
        ("他说：“", "他说："),
        ("今日はコー", "今日は"),
        ("我们用Pyth", "我们用"),
        ("오늘 날씨", "오늘 "),
        ("Привет ми", "Привет "),
        ("สวัสดีครับ", "สวัสดีครั"),
    ],
)
def test_a_pause_never_splits_a_word_or_a_number(text: str, spoken: str) -> None:
    segmenter = make_segmenter()
    assert segmenter.push(text, 0.0) == []
    assert texts(segmenter.poll(600.0)) == [spoken]


@pytest.mark.parametrize("text", ["Hello", "3.14", "コーヒー", "ก"])
def test_a_single_word_waits_twice(text: str) -> None:
    segmenter = make_segmenter()
    segmenter.push(text, 100.0)
    assert segmenter.deadline_ms() == 1300.0
    assert texts(segmenter.poll(1300.0)) == [text]


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "😀", "... !", "”"])
def test_what_cannot_be_spoken_has_no_deadline(text: str) -> None:
    segmenter = make_segmenter()
    segmenter.push(text, 0.0)
    assert segmenter.deadline_ms() is None
    assert segmenter.poll(1e9) == []
    flushed = segmenter.flush()
    assert "".join(texts(flushed)) == text
    assert not any(segment.speakable for segment in flushed)


def test_the_wait_prefers_an_end_behind_all_that_is_late() -> None:
    segmenter = make_segmenter()
    assert texts(segmenter.push("Hello there Joe, we walk on and", 0.0)) == ["Hello there Joe, "]
    assert segmenter.push(" rest for a while, and the", 400.0) == []
    assert texts(segmenter.poll(600.0)) == ["we walk on and rest for a while, "]
    assert segmenter.deadline_ms() == 1000.0


def test_the_wait_leaves_nothing_late_behind() -> None:
    segmenter = make_segmenter()
    segmenter.push("Hello there Joe, we walk on, and rest", 0.0)
    segmenter.push(" for a while and the", 400.0)
    assert texts(segmenter.poll(600.0)) == ["we walk on, and rest for a while and "]


def test_after_a_late_cut_the_next_segment_may_be_small_again() -> None:
    segmenter = make_segmenter()
    assert texts(segmenter.push("Hello there Joe, my friend. I am", 0.0)) == ["Hello there Joe, "]
    assert texts(segmenter.poll(600.0)) == ["my friend. I "]
    assert texts(segmenter.push(" not sure about that, but", 700.0)) == ["am not sure about that, "]


# A sentence whose end has not come


def dripped(segmenter: Segmenter, text: str, *, step_ms: float = 50.0) -> tuple[list[Segment], float]:
    """The first segments of ``text``, which comes in pieces that end with a space, and when they came."""
    for number, word in enumerate(text.split(" ")):
        now_ms = number * step_ms
        if segments := segmenter.push(word + " ", now_ms) + segmenter.poll(now_ms):
            return segments, now_ms
    return [], now_ms


@pytest.mark.parametrize(
    ("text", "first", "at_ms"),
    [
        ("The old lighthouse stood at the end of the pier", "The old lighthouse stood ", 200.0),
        ("Der alte Leuchtturm stand einsam in der Bucht", "Der alte Leuchtturm stand einsam ", 250.0),
        (
            "Моя бабушка печёт самые вкусные пироги в деревне",
            "Моя бабушка печёт самые вкусные пироги ",
            300.0,
        ),
        ("今天我们 没有去看电影 因为外面 下雨", "今天我们 没有去看电影 ", 100.0),
        ("The lighthouse stood. And there it was", "The lighthouse stood. ", 150.0),
        (
            "The old lighthouse stood there every day until today",
            "The old lighthouse stood there every day ",
            350.0,
        ),
    ],
)
def test_the_first_segment_ends_where_a_phrase_begins(text: str, first: str, at_ms: float) -> None:
    segmenter = make_segmenter(language_of=partial(detect, default="en"))
    segments, now_ms = dripped(segmenter, text)
    assert (texts(segments), now_ms) == ([first], at_ms)
    assert segments[0].continues == (". " not in first)


def test_a_text_that_came_at_once_is_not_cut_where_a_phrase_begins() -> None:
    text = "The old lighthouse stood at the end of the pier"
    segmenter = make_segmenter()
    segmenter.push(text, 0.0)
    assert segmenter.deadline_ms() == 600.0
    segmenter.push(" and", 100.0)
    assert segmenter.deadline_ms() == 600.0
    segmenter.push(" fell", 200.0)
    assert segmenter.deadline_ms() == 200.0
    assert texts(segmenter.poll(200.0)) == [text + " "]


def test_a_higher_minimum_holds_for_a_phrase_too() -> None:
    text = "The old lighthouse stood at the end of the pier where it was"
    segments, _ = dripped(make_segmenter(first_min_characters=30), text)
    assert texts(segments) == ["The old lighthouse stood at the end of the pier "]


def test_only_the_first_segment_ends_where_a_phrase_begins() -> None:
    segmenter = make_segmenter()
    dripped(segmenter, "The old lighthouse stood at the end")
    assert segmenter.push("of the pier and nobody knew ", 500.0) == []
    assert segmenter.deadline_ms() == 800.0  # 600 ms after "at"
    segmenter.flush()
    segments, _ = dripped(segmenter, "The old lighthouse stood at the end")
    assert texts(segments) == ["The old lighthouse stood "]


def test_the_wait_prefers_a_phrase_behind_all_that_is_late() -> None:
    segmenter = make_segmenter()
    segmenter.push("The old lighthouse stood, he said. My younger brother lives there", 0.0)
    segmenter.push(" with two dogs but never", 400.0)
    assert texts(segmenter.poll(600.0)) == ["he said. My younger brother lives there with two dogs "]


@pytest.mark.parametrize(
    ("pieces", "continues"),
    [
        (["Hello wor"], [True, False]),
        (["Hello there "], [False]),
        (["Hello there ", "my dear "], [True]),
        (["Hello there, ", "I"], [False, False]),
        (["Hello there\n", "I"], [False, False]),
        (["Hello there ", "…"], [False]),
    ],
)
def test_a_segment_says_that_its_sentence_goes_on_if_no_mark_does(
    pieces: list[str], continues: list[bool]
) -> None:
    segmenter = make_segmenter()
    segments = [*segmenter.push(pieces[0], 0.0), *segmenter.push("".join(pieces[1:]), 300.0)]
    segments += segmenter.poll(600.0)
    segments += segmenter.flush()
    assert [segment.continues for segment in segments] == continues


def test_a_segment_cut_for_its_length_says_that_its_sentence_goes_on() -> None:
    segments = make_segmenter(max_characters=20).push("never ending words without a mark ", 0.0)
    assert [(segment.text, segment.continues) for segment in segments] == [("never ending words ", True)]


# Life of a segmenter


def test_segments_after_flush_start_small_again_and_count_on() -> None:
    segmenter = make_segmenter()
    text = "Hello there. How are you today, my dear friend? I am well."
    first = segmenter.push(text, 0.0) + segmenter.flush()
    second = segmenter.push(text, 0.0) + segmenter.flush()
    assert texts(first) == texts(second)
    assert [segment.index for segment in first + second] == list(range(len(first) + len(second)))
    assert segmenter.flush() == []


def test_clear_drops_what_was_not_given_out() -> None:
    segmenter = make_segmenter()
    segmenter.push("Hello there Joe, my fri", 0.0)
    assert segmenter.pending_characters == len("my fri")
    segmenter.clear()
    assert segmenter.pending_characters == 0
    assert segmenter.deadline_ms() is None
    segmenter.push("Next one", 50.0)
    assert segmenter.deadline_ms() == 650.0
    assert [(segment.text, segment.index) for segment in segmenter.flush()] == [("Next one", 1)]


def test_a_flood_of_blanks_is_bounded() -> None:
    segmenter = make_segmenter(max_characters=50)
    segments = segmenter.push("Hello." + " " * 500, 0.0)
    assert segmenter.pending_characters <= 50
    assert [segment.speakable for segment in segments] == [True] + [False] * (len(segments) - 1)


@pytest.mark.parametrize(
    "options",
    [
        {"first_min_characters": 0},
        {"max_characters": 19},
        {"max_wait_ms": 0.0},
        {"max_wait_ms": float("nan")},
    ],
)
def test_a_setting_that_cannot_work_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        make_segmenter(**options)
