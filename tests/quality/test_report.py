from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.quality.report import spread, summarise
from saystream.quality.scorer import Score


def test_errors_are_counted_over_all_sentences_together() -> None:
    scores = [Score(transcript="a", errors=3, length=4), Score(transcript="b", errors=0, length=96)]
    row = summarise(scores, language="fr", voice="Cherry", path="wire", sentences=2, seconds=7.04)

    assert (row.unit, row.error_percent, row.exact, row.sentences, row.seconds) == ("WER", 3.0, 1, 2, 7.0)


@pytest.mark.parametrize(("language", "unit"), [("zh", "CER"), ("ja", "CER"), ("ko", "CER"), ("de", "WER")])
def test_the_unit_is_the_character_where_words_are_not_divided(language: str, unit: str) -> None:
    assert summarise([], language=language, voice="Cherry", path="wire", sentences=2, seconds=0).unit == unit


def test_what_was_not_asked_for_stays_empty() -> None:
    row = summarise(
        [Score(mos=3.0), Score(mos=4.0)], language="en", voice="Kai", path="wire", sentences=2, seconds=2
    )

    assert (row.mos, row.mos_least) == (3.5, 3.0)
    assert (row.error_percent, row.exact, row.pitch_hz, row.pitch_spread) == (None, None, None, None)


def test_a_silent_sentence_does_not_lower_the_pitch() -> None:
    scores = [Score(pitch_hz=200.0, pitch_spread=6.0), Score(), Score(pitch_hz=210.0, pitch_spread=8.0)]
    row = summarise(scores, language="en", voice="Cherry", path="wire", sentences=2, seconds=2)

    assert (row.pitch_hz, row.pitch_spread) == (205.0, 7.0)


def test_the_loudness_of_a_row_is_the_mean_of_its_recordings() -> None:
    scores = [Score(loudness_lufs=-24.0), Score(), Score(loudness_lufs=-21.0)]
    row = summarise(scores, language="en", voice="Cherry", path="wire", sentences=3, seconds=2)

    assert row.loudness_lufs == -22.5


def at_angle(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def test_the_likeness_of_two_voices_is_the_cosine_of_their_means() -> None:
    likeness = spread({"one": [at_angle(10), at_angle(-10)], "two": [at_angle(60)]})

    assert likeness.mean_similarity == likeness.max_similarity == 0.5
    assert likeness.closest == ("one", "two")
    assert likeness.nearest == {"one": ("two", 0.5), "two": ("one", 0.5)}


def test_the_closest_pair_and_everybodys_neighbour_are_named() -> None:
    likeness = spread({"a": [at_angle(0)], "b": [at_angle(50)], "c": [at_angle(60)]})

    assert likeness.voices == 3
    assert likeness.closest == ("b", "c")
    assert {voice: near for voice, (near, _) in likeness.nearest.items()} == {"a": "b", "b": "c", "c": "b"}


@given(st.lists(st.floats(0, 90), min_size=2, max_size=6, unique=True))
def test_the_mean_never_exceeds_the_greatest_likeness(angles: list[float]) -> None:
    likeness = spread({str(number): [at_angle(angle)] for number, angle in enumerate(angles)})

    assert -1e-4 <= likeness.mean_similarity <= likeness.max_similarity + 1e-4 <= 1.0002
