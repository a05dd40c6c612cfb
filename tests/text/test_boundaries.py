from __future__ import annotations

import pytest

from saystream.text.boundaries import Boundary, BoundaryKind, BoundaryScanner


def found(text: str) -> list[tuple[BoundaryKind, str, int]]:
    """Each end: its kind, the text before it, and how many characters it had to wait for."""
    scanner = BoundaryScanner()
    ends = []
    for count, character in enumerate(text, start=1):
        boundary = scanner.step(character)
        if boundary is not None:
            ends.append((boundary.kind, text[: boundary.position], count - boundary.position))
    return ends


SENTENCE, CLAUSE, PHRASE = BoundaryKind.SENTENCE, BoundaryKind.CLAUSE, BoundaryKind.PHRASE


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Go now. He ran", [(SENTENCE, "Go now. ", 2)]),
        ("Go now. I ran", [(SENTENCE, "Go now. ", 3)]),
        ("Go now.\n", [(SENTENCE, "Go now.\n", 0)]),
        ("Ask Dr.\nSmith", [(CLAUSE, "Ask Dr.\n", 1)]),
        ("你好。今天", [(SENTENCE, "你好。", 1)]),
        ("你好。”今天", [(CLAUSE, "你好。”", 1)]),
        ("你好，今天", [(CLAUSE, "你好，", 1)]),
        ("Well, now", [(CLAUSE, "Well, ", 1)]),
        ("One\n\nTwo", [(SENTENCE, "One\n\n", 0)]),
        ("One\nTwo", [(CLAUSE, "One\n", 1)]),
        ("ดี ครับ", [(PHRASE, "ดี ", 1)]),
        ("« Ja ! » Er ist", [(CLAUSE, "« Ja ! » ", 2)]),
        ("On 3. Mai war es. 4. Da", []),
        ("a.b c,d e:f 1,000 1. 000 -5", []),
        ("!!! ??? ... , ;", []),
        ("5 km – 10 km, 9 h — 17 h", [(CLAUSE, "5 km – 10 km, ", 1)]),
        ("He left – 10 men", [(CLAUSE, "He left – ", 1)]),
    ],
)
def test_an_end_is_named_as_soon_as_it_is_certain(
    text: str, ends: list[tuple[BoundaryKind, str, int]]
) -> None:
    assert found(text) == ends


def test_the_weight_is_that_of_the_text_before_the_end() -> None:
    scanner = BoundaryScanner()
    ends = [boundary for character in "你好a, b" if (boundary := scanner.step(character)) is not None]
    assert ends == [Boundary(CLAUSE, 5, 6)]


def test_only_the_last_stretch_is_shown_to_the_libraries() -> None:
    text = "word " * 400 + "end. Next"
    assert found(text) == [(SENTENCE, text[:-4], 2)]
