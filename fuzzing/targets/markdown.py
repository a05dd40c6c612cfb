"""Markdown that arrives in pieces: what is said does not depend on the pieces, and no word of it is lost."""

from __future__ import annotations

import re

from fuzzing.reading import Reader, pieces
from saystream.text.markdown import MAX_HELD_CHARACTERS, MarkdownFilter, without_markdown
from saystream.text.rewriting import Rewritten, joined

MAX_BYTES = 200
DICTIONARY = "markdown"

_MAY_BE_DROPPED = re.compile(r"[\[\](<:`~]|(?m:^[ \t]*[ox])")


def one(data: bytes) -> None:
    reader = Reader(data)
    seed = reader.byte()
    text = reader.text()
    once = without_markdown(text)
    _check(once, text)
    markdown = MarkdownFilter()
    parts: list[Rewritten] = []
    given = 0
    for piece in pieces(text, seed):
        parts.append(markdown.push(piece))
        given += len(piece)
        reached = max((part.ends[-1] for part in parts if part.text), default=0)
        assert given - reached <= MAX_HELD_CHARACTERS + 1
    whole = joined([*parts, markdown.finish()])
    assert whole.text == once.text
    assert [*whole.starts] == [*once.starts]
    assert [*whole.ends] == [*once.ends]


def _check(said: Rewritten, text: str) -> None:
    assert len(said.text) == len(said.starts) == len(said.ends)
    assert [*said.starts] == sorted(said.starts)
    for character, start, end in zip(said.text, said.starts, said.ends, strict=True):
        assert 0 <= start < end <= len(text)
        assert text[start] == character or text[start] in "| \t", "what is said was written there"
    if not _MAY_BE_DROPPED.search(text):
        assert [*filter(str.isalnum, said.text)] == [*filter(str.isalnum, text)], "every letter is said"
