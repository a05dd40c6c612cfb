from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.languages import LANGUAGE_NAMES
from saystream.text import Segmenter
from saystream.text.characters import describe
from saystream.text.normalizer import load_grammars, normalize, rewritten
from saystream.text.words import word_spans

FOLDER = Path(__file__).parent
CASES = tomllib.loads((FOLDER / "normalization.toml").read_text(encoding="utf-8"))
FORMS = {
    language: tomllib.loads((FOLDER / "cases" / f"{name.lower()}.toml").read_text(encoding="utf-8"))["cases"]
    for language, name in LANGUAGE_NAMES.items()
}
HELD_OUT = tomllib.loads((FOLDER / "normalization_held_out.toml").read_text(encoding="utf-8"))
PAGE = (FOLDER.parents[1] / "docs" / "topics" / "text.md").read_text(encoding="utf-8")
UNSPACED = ("zh", "ja", "ko")
NUMBERS_OF_THEIR_OWN = tuple(language for language in LANGUAGE_NAMES if language not in ("zh", "ja"))

# What rules look for, next to what must not disturb them.
PIECES = st.lists(
    st.sampled_from(
        [
            *"0123456789.,:/-–%€$£°ºª²½+@#&= xXIVvhHéßж中の한😀\n\x00\u0301\ud800٣③",
            "km",
            "Uhr",
            "Mio. ",
            "Mai ",
            "de mayo ",
        ]
        + [
            "January ",
            "мая ",
            "г.",
            "시",
            "개",
            "年",
            "月",
            "日",
            "点",
            "http://",
            "www.a.b",
            "a@b.co",
            "1er ",
            "z. B. ",
        ]
    ),
    max_size=25,
).map("".join)


def same(text: str, language: str) -> str:
    """What two readings have in common that sound the same."""
    return re.sub(r"[\s,\-–—]+", "" if language in UNSPACED else " ", text.casefold()).strip()


def is_right(text: str, readings: str | list[str], language: str) -> bool:
    accepted = [readings] if isinstance(readings, str) else readings
    return same(normalize(text, language), language) in {same(reading, language) for reading in accepted}


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_texts_are_read_as_people_read_them(language: str) -> None:
    wrong = [
        (text, normalize(text, language))
        for text, readings in CASES[language]["cases"]
        if not is_right(text, readings, language)
    ]
    assert not wrong


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_other_forms_and_signs_are_read_by_their_role(language: str) -> None:
    assert len(FORMS[language]) >= 40
    wrong = [
        (text, normalize(text, language))
        for text, reading in FORMS[language]
        if not is_right(text, reading, language)
    ]
    assert not wrong


SURROUNDINGS = {
    **dict.fromkeys(LANGUAGE_NAMES, ("For a long time now we have ", ", as far as we know. Good.")),
    "zh": ("在那之前我们已经知道了现在有", "，大家都知道。好的。"),
    "ja": ("その前は別のものでしたが今は", "、と聞きました。はい。"),
    "ko": ("그 전에는 다른 것이었지만 지금은 ", ", 라고 들었다. 네."),
}


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_they_are_read_alike_when_text_comes_by_the_character(language: str) -> None:
    """Within a longer text, whose first segment ends as soon as it may."""
    before, after = SURROUNDINGS[language]
    split = []
    for text, _ in FORMS[language]:
        segmenter = Segmenter(first_min_characters=12, max_characters=240, max_wait_ms=600.0)
        pieces = [
            segment.text for character in before + text + after for segment in segmenter.push(character, 0.0)
        ]
        pieces += [segment.text for segment in segmenter.flush()]
        whole = normalize(before + text + after, language)
        if same("".join(normalize(piece, language) for piece in pieces), language) != same(whole, language):
            split.append((text, pieces))
    assert not split


def test_there_are_more_than_two_hundred_cases_in_ten_languages() -> None:
    assert set(CASES) == set(HELD_OUT) == set(LANGUAGE_NAMES)
    assert sum(len(table["cases"]) for table in CASES.values()) > 200
    assert sum(len(table["cases"]) for table in HELD_OUT.values()) > 60


def errors(table: dict[str, Any], languages: list[str]) -> list[tuple[int, int]]:
    return [
        (
            sum(not is_right(written, spoken, language) for written, spoken in table[language]["cases"]),
            len(table[language]["cases"]),
        )
        for language in languages
    ]


def test_the_documented_errors_are_the_measured_ones() -> None:
    rows = dict(re.findall(r"^\| (cases|held-out) \|(.*)\|$", PAGE, flags=re.MULTILINE))
    [header] = re.findall(r"^\| \| errors \|(.*)\|$", PAGE, flags=re.MULTILINE)
    languages = re.findall(r"\w+", header)
    assert set(languages) == set(LANGUAGE_NAMES)
    for name, table in (("cases", CASES), ("held-out", HELD_OUT)):
        found = errors(table, languages)
        total = (sum(wrong for wrong, _ in found), sum(count for _, count in found))
        assert re.findall(r"\d+", rows[name]) == [str(n) for n in (*total, *(wrong for wrong, _ in found))]


def test_the_errors_of_the_segmenter_are_the_same_on_both_pages() -> None:
    page = (FOLDER.parents[1] / "docs" / "topics" / "segmentation.md").read_text(encoding="utf-8")
    row = re.search(r"^\| held-out \|(.*)\|$", page, flags=re.MULTILINE)
    assert row is not None
    texts, ends, wrong, missed = re.findall(r"\d+", row[1])
    said = f"{texts} texts with {ends} sentence ends, {wrong} wrong and {missed} missed"
    assert said in " ".join(PAGE.split())


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_what_was_normalised_is_not_changed_again(language: str) -> None:
    for text, _ in CASES[language]["cases"]:
        words = normalize(text, language)
        assert normalize(words, language) == words


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_words_stay_as_they_are(language: str) -> None:
    for text in (
        "",
        " ",
        "αβγ δεζ, ηθ!",
        "你好，世界。",
        "Привет, мир!",
        "안녕 하세요.",
        "Guten Tag, Frau Weber!\n",
        "😀 .",
    ):
        assert normalize(text, language) == text


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_spaces_at_the_ends_stay(language: str) -> None:
    assert re.fullmatch(r" \n\S+\t ", normalize(" \n3\t ", language))


def test_a_language_without_rules_is_left_alone() -> None:
    assert normalize("5 km", "th") == "5 km"
    assert normalize("5 km", "xx") == "5 km"


def test_to_prepare_is_enough_for_all_languages() -> None:
    load_grammars(["*"])
    load_grammars(["de", "th"])
    assert normalize("3", "de") == "drei"


@pytest.mark.parametrize("language", NUMBERS_OF_THEIR_OWN)
@given(text=PIECES)
@settings(max_examples=60, deadline=None)
def test_no_digit_is_left_and_nothing_raises(language: str, text: str) -> None:
    assert not any(character.isdecimal() for character in normalize(text, language))


@pytest.mark.parametrize("language", ["zh", "ja"])
@given(text=PIECES)
@settings(max_examples=25, deadline=None)
def test_wetext_takes_whatever_it_is_given(language: str, text: str) -> None:
    spoken = normalize(text, language)
    names = re.findall(r"[A-Za-z]+[-_.]?\d+|\d{1,3}[GKD]", spoken)
    assert names or not any(character.isdecimal() for character in spoken)


@pytest.mark.parametrize("language", NUMBERS_OF_THEIR_OWN)
@given(text=st.text(alphabet="αβγδεζ 0123456789.,:;-/%", max_size=40))
@settings(max_examples=40, deadline=None)
def test_letters_are_never_dropped(language: str, text: str) -> None:
    def greek(spoken: str) -> list[str]:
        return [character for character in spoken if "α" <= character <= "ω"]

    assert greek(normalize(text, language)) == greek(text)


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
@given(text=PIECES)
@settings(max_examples=20, deadline=None)
def test_every_word_has_its_place_in_what_was_written(language: str, text: str) -> None:
    spoken = rewritten(text, language)
    assert list(spoken.starts) == sorted(spoken.starts)
    assert list(spoken.ends) == sorted(spoken.ends)
    for character, start, end in zip(spoken.text, spoken.starts, spoken.ends, strict=True):
        assert 0 <= start <= end <= len(text)
        if describe(character).is_spoken:
            assert text[start:end].strip()


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
@given(text=st.text(alphabet="αβγδεζ 0123456789.,:;-/%", max_size=40))
@settings(max_examples=20, deadline=None)
def test_what_is_not_changed_is_its_own_place(language: str, text: str) -> None:
    spoken = rewritten(text, language)
    for place, character in enumerate(spoken.text):
        if "α" <= character <= "ω":
            start, end = spoken.span(place, place + 1)
            assert text[start:end] == character


@pytest.mark.parametrize(
    ("language", "text", "places"),
    [
        ("en", "A $2.5 billion deal.", ["A", "$2.5 billion", "deal"]),
        ("en", "On July 4 at 5:30 p.m., Mr. X", ["On", "July", "4", "at", "5:30 p.m.", "Mr.", "X"]),
        ("de", "Am 3. Mai, z. B. 10 km", ["Am", "3.", "Mai", "z. B.", "10 km"]),
        ("es", "el 3 de mayo de 2024", ["el", "3", "de", "mayo", "de", "2024"]),
        ("ko", "사과 3개", ["사과", "3", "개"]),
        ("zh", "约50%，在2024年", [*"约", "50%", "在", "2024", "年"]),
        ("zh", "付¥1,200，用GPT-4", ["付", "¥1,200", "用", "GPT", "4"]),
        ("ja", "会議は3時30分に", [*"会議は", "3", "時", "30", *"分に"]),
    ],
)
def test_what_is_read_together_was_written_together(language: str, text: str, places: list[str]) -> None:
    spoken = rewritten(text, language)
    found: list[tuple[int, int]] = []
    for start, end in word_spans(spoken.text):
        span = spoken.span(start, end)
        if found and span[0] < found[-1][1]:
            span = (found.pop()[0], span[1])
        found.append(span)
    assert [text[start:end] for start, end in found] == places


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_english_inside_chinese_and_japanese_stays(language: str) -> None:
    text = "OpenAI 的 GPT-4o-mini 3.5 和 Windows 11, iPhone 15 Pro Max 以及 user@example.com"
    spoken = normalize(text, language)
    for word in ("OpenAI", "GPT-4o-mini", "Windows", "iPhone", "Pro Max", "user", "example", "com"):
        assert word in spoken


HOSTILE = [
    *(
        "1",
        "1.",
        "1,",
        "1/",
        "1-",
        "+49 ",
        "a",
        "a.",
        "a@",
        "www.",
        "IV ",
        " ",
        "1 ",
        "€1",
        "a/",
        "12:3",
        "(",
        "-",
        "1.000.",
    )
]


def long_text(piece: str, length: int) -> str:
    return f"http://{piece * (length // len(piece))}1"


@pytest.mark.slow
@pytest.mark.parametrize("language", NUMBERS_OF_THEIR_OWN)
def test_the_time_grows_with_the_length_alone(language: str) -> None:
    load_grammars([language])
    for piece in HOSTILE:
        start = time.process_time()
        normalize(long_text(piece, 8_000), language)
        # Up to 0.5 s, or 3 s while coverage is measured; what is quadratic in the length takes minutes.
        assert time.process_time() - start < 15, piece


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_wetext_is_given_little_at_once(language: str) -> None:
    load_grammars([language])
    for piece in HOSTILE:
        start = time.process_time()
        normalize(long_text(piece, 500), language)
        assert time.process_time() - start < 15, piece
