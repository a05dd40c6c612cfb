from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import pytest

from saystream.text.description import AXES, described
from saystream.text.description.lexicon import DIMENSIONS, effects_of, terms_of

TABLES: dict[str, Any] = tomllib.loads(
    resources.files("saystream.text.description").joinpath("lexicon.toml").read_text(encoding="utf-8")
)


def words(text: str) -> list[str]:
    return [" ".join(word.split()) for word in text.split(",")]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_each_word_of_a_dimension_is_found_whole(dimension: str) -> None:
    for name, listed in TABLES[dimension].items():
        for word in words(listed):
            (term,) = terms_of(word)
            assert (term.start, term.end) == (0, len(word)), word
            assert any(each.name == name and each.dimension == dimension for each in term.meanings), word


def test_each_graded_word_says_its_levels() -> None:
    for word, levels in TABLES["graded"].items():
        found = described(word)
        assert {axis: getattr(found, axis) for axis in levels} == levels, word


def test_effects_are_on_known_axes_and_belong_to_known_names() -> None:
    for dimension, table in TABLES["effects"].items():
        assert table.keys() == TABLES[dimension].keys()
        for name, levels in table.items():
            assert levels.keys() <= set(AXES)
            assert effects_of(dimension, name) == levels


def test_what_brings_nothing_along_has_no_effects() -> None:
    assert effects_of("sex", "female") == {}


def test_no_word_is_listed_twice_in_a_dimension() -> None:
    for dimension in set(DIMENSIONS) - {"age"}:
        listed = [word for text in TABLES[dimension].values() for word in words(text)]
        assert len(listed) == len(set(listed)), sorted(word for word in listed if listed.count(word) > 1)


def test_a_word_of_english_is_found_with_its_endings_and_not_inside_another() -> None:
    assert [(term.start, term.end) for term in terms_of("Softly, slower, woman, breakfast")] == [
        (0, 6),
        (6, 7),
        (8, 14),
        (14, 15),
        (16, 21),
        (21, 22),
    ]


def test_places_stay_where_a_letter_has_two_in_lower_case() -> None:
    assert [(term.start, term.end) for term in terms_of("\u0130\u0130 Fast, don\u2019t")] == [
        (3, 7),
        (7, 8),
        (9, 14),
    ]
