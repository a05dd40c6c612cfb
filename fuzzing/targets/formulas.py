"""Formulas in LaTeX become words: nothing raises, nothing is dropped, and each character knows where it was written."""

from __future__ import annotations

from fuzzing.reading import Reader
from saystream.languages import LANGUAGE_NAMES
from saystream.text.formulas import formulas, open_at
from saystream.text.formulas.reading import read_formulas
from saystream.text.rewriting import Rewritten

MAX_BYTES = 300
DICTIONARY = "formulas"

LANGUAGES = tuple(LANGUAGE_NAMES)


def one(data: bytes) -> None:
    reader = Reader(data)
    language = reader.choice(LANGUAGES)
    text = reader.text()
    check(language, text)
    check(language, f"\\[{text}\\]")


def check(language: str, text: str) -> None:
    end = 0
    for formula in formulas(text):
        assert end <= formula.start < formula.end <= len(text)
        end = formula.end
    place = open_at(text)
    assert place is None or end <= place < len(text)
    said = read_formulas(Rewritten.of(text), language)
    assert len(said.text) == len(said.starts) == len(said.ends)
    assert [*said.starts] == sorted(said.starts)
    assert [*said.ends] == sorted(said.ends)
    assert not any(map(str.isalnum, text)) or any(map(str.isalnum, said.text)), "it is still spoken"
