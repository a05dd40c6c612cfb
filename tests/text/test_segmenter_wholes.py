"""What a segmenter does not cut: numbers, names, formulas, and ranges that it is told of."""

from __future__ import annotations

import pytest

from .segmenters import fed_whole, make_segmenter, texts


@pytest.mark.parametrize("first_min_characters", [1, 12])
@pytest.mark.parametrize(
    "whole",
    [
        "1.234,56 €",
        "3. Mai 2024",
        "12.05.2024",
        "10:30",
        "https://example.com/a.b?c=1,2&d=3",
        "user.name@example.com",
    ]
    + [
        "14 h 30",
        "5 p. m.",
        "R$ 1.250,50",
        "z. B. so",
        "192.168.0.1",
        "v2.10.3",
        "No. 5",
        "1,234,567.89",
        "2024-05-01",
    ]
    + [
        "13:05:59",
        "2024年5月1日",
        "3.14%",
        "10~20℃",
        "+49 30 123 45 67",
        "(212) 555-0187",
        "Dr. Smith",
        "5 г. назад",
    ],
)
def test_what_is_read_as_one_thing_is_not_cut(whole: str, first_min_characters: int) -> None:
    text = f"This is a sentence with {whole} in it, and it goes on. "
    segmenter = make_segmenter(first_min_characters=first_min_characters)
    segments = [segment for character in text * 2 for segment in texts(segmenter.push(character, 0.0))]
    segments += texts(segmenter.flush())
    assert sum(segment.count(whole) for segment in segments) == 2


# --- rule 6: what stays whole


@pytest.mark.parametrize(
    "formula",
    [
        "$f(x, y) = 1. Then it goes on$",
        "$$a, b. Then c! And d? So$$",
        "\\(x, y. Then z\\)",
        "\\[x\n\ny. Then\\]",
    ],
)
def test_a_formula_is_not_cut_however_the_text_comes(formula: str) -> None:
    whole = formula if formula[:2] != "$f" else "$f(x, y) = 1; z, and so it goes$"
    text = f"We know, of course, that it is so: {whole} is the case, as was said. And then some more of it."
    cut = texts(make_segmenter().push(text, 0.0))
    assert any(whole in piece for piece in [*cut, text[sum(map(len, cut)) :]])
    by_character = make_segmenter()
    assert [piece for character in text for piece in texts(by_character.push(character, 0.0))] == cut


def test_a_dollar_sign_does_not_keep_a_sentence_from_being_cut() -> None:
    text = "It costs only $5 now. The next sentence comes at once. "
    assert texts(make_segmenter().push(text + "Yes it", 0.0))[0] == "It costs only $5 now. "
    text = "They set $HOME to this. The next sentence comes at once. "
    assert texts(make_segmenter().push(text + "Yes it", 0.0))[0] == "They set $HOME to this. "


def test_a_formula_is_cut_off_before_and_after_the_limit() -> None:
    segmenter = make_segmenter(max_characters=40)
    formula = "$" + "+".join("abcdefghijkl") + "$"
    cut = fed_whole(segmenter, f"The quick brown fox says {formula} and that is all there is")
    assert cut[0] == "The quick brown fox says "
    assert cut[1].startswith(formula)


def test_what_is_too_long_for_a_segment_is_cut() -> None:
    segmenter = make_segmenter(max_characters=40)
    cut = texts(segmenter.push("x" * 30 + " " + "y" * 60, 0.0, whole=[(0, 91)]) + segmenter.flush())
    assert "".join(cut) == "x" * 30 + " " + "y" * 60
    assert max(map(len, cut)) <= 40
    cut = texts(segmenter.push("x" * 38 + "y, " + "z" * 30, 0.0, whole=[(0, 39)]) + segmenter.flush())
    assert cut[0].startswith("x" * 38 + "y")


def test_a_range_that_is_named_is_not_cut_and_may_lie_in_text_to_come() -> None:
    segmenter = make_segmenter()
    cut = texts(segmenter.push("Well now, he said, ", 0.0, whole=[(5, 40)]))
    cut += texts(segmenter.push("that it is so, or not. And then, he went. ", 0.0))
    cut += texts(segmenter.push("More", 0.0, whole=[(0, 2)]) + segmenter.flush())
    assert cut[0].startswith("Well now, he said, that it is so, or not. "[:40])
    assert "".join(cut) == "Well now, he said, that it is so, or not. And then, he went. More"


def test_what_is_named_is_forgotten_with_its_text() -> None:
    segmenter = make_segmenter()
    segmenter.push("Hello there", 0.0, whole=[(0, 60)])
    segmenter.clear()
    assert texts(segmenter.push("Hello there, dear friend. And so it", 0.0)) == ["Hello there, dear friend. "]


def test_a_formula_that_is_late_waits_like_a_growing_word() -> None:
    segmenter = make_segmenter()
    segmenter.push("We take $a + b", 0.0)
    assert segmenter.deadline_ms() == 600
    assert texts(segmenter.poll(600)) == ["We take "]
    assert segmenter.deadline_ms() == 1200
    assert texts(segmenter.push("$ then, as was said before, it is. Yes it", 700))[0].startswith(
        "$a + b$ then"
    )


def test_a_late_cut_is_not_inside_a_formula_that_is_complete() -> None:
    segmenter = make_segmenter()
    segmenter.push("We take $a b$", 0.0)
    assert texts(segmenter.poll(600)) == ["We take "]
    segmenter = make_segmenter()
    segmenter.push("The old lighthouse stood $at the end$ of", 0.0)
    assert texts(segmenter.poll(600)) == ["The old lighthouse stood $at the end$ "]
