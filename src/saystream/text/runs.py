"""Splits a text into runs of one language each, so that every word is read by the rules of its own language.

The script decides. Han, kana, hangul, Cyrillic and Thai letters name their language; Latin ones have the language of
the text if that is written in Latin letters, and otherwise are English unless they are clearly in another of the six. A
number has the language that surrounds it; one joined to letters ("GPT-4", "4K") has their language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from saystream.languages import LATIN_LANGUAGES
from saystream.text.characters import OPENERS, Script, describe
from saystream.text.language import SCRIPT_LANGUAGES, embedded_language, is_written_in_japan

__all__ = ["Run", "language_runs"]

_CLASSES = {
    Script.LATIN: "L",
    Script.CYRILLIC: "C",
    Script.HAN: "H",
    Script.HIRAGANA: "K",
    Script.KATAKANA: "K",
    Script.HANGUL: "G",
    Script.THAI: "T",
}
_JOINERS = frozenset("-‐‑._'’/&@+:#~=?")
"""Do not split a word if letters or digits stand on both sides, as in "user@example.com"."""
_SIGNS = frozenset("$€£¥￥₩₽№%‰°℃℉−±")
"""Part of the number beside them."""
_TOKEN = re.compile(
    r"(?P<han>(?:[HK]E*)+)"
    r"|(?P<temperature>M*DE*(?:J{0,3}DE*)*M+L(?!L))"  # "25 °C" without its space: the letter is not a word
    r"|(?P<word>M*(?:[LD]E*)+(?:J{1,3}(?:[LD]E*)+)*M*)"
    r"|(?P<cyrillic>(?:CE*)+(?:J(?:CE*)+)*)"
    r"|(?P<hangul>(?:GE*)+)"
    r"|(?P<thai>(?:TE*)+)"
    r"|(?P<other>(?:OE*)+)"
    r"|(?P<neutral>[JMSPE]+)"
)
"""Over the classes of the characters, one letter each. No class can be matched in two ways at one place, so that the
time grows only with the length."""
_MANY_KANA = 3
"""Within Chinese, a stretch is Japanese if at least every third character of it is a kana."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one language."""

    text: str
    language: str
    """ISO 639-1 code."""


@dataclass(slots=True)
class _Token:
    start: int
    end: int
    language: str | None
    """``None`` if the neighbours decide."""
    kind: str


def language_runs(text: str, language: str) -> list[Run]:
    """The maximal runs of one language in ``text``, whose own language is ``language`` (ISO 639-1).

    Spaces and marks belong to what stands before them, opening ones to what follows. The texts of the runs, joined, are
    ``text``; an empty text has none.
    """
    if not text:
        return []
    tokens = list(_tokens(text, language))
    _decide_latin(text, tokens, language)
    _decide_numbers(tokens, language)
    return list(_joined(text, tokens, language))


def _class(character: str) -> str:
    facts = describe(character)
    if facts.is_digit:
        return "D"
    if facts.script in _CLASSES:
        return _CLASSES[facts.script]
    if facts.extends:
        return "E"
    if facts.is_space:
        return "S"
    if character in _JOINERS:
        return "J"
    if character in _SIGNS:
        return "M"
    return "O" if facts.is_spoken else "P"


def _tokens(text: str, language: str) -> Iterator[_Token]:
    japanese = language == "ja" or (language != "zh" and any(_class(character) == "K" for character in text))
    for match in _TOKEN.finditer("".join(map(_class, text))):
        kind, classes = str(match.lastgroup), match.group()
        if kind == "han":
            yield from _han_tokens(
                text[match.start() : match.end()], match.start(), classes, japanese=japanese
            )
            continue
        if kind == "temperature" or (kind == "word" and "L" not in classes):
            kind = "number"
        code = language if kind == "other" else SCRIPT_LANGUAGES.get(kind)
        yield _Token(match.start(), match.end(), code, kind)


def _han_tokens(text: str, start: int, classes: str, *, japanese: bool) -> Iterator[_Token]:
    """Han and kana with nothing between them."""
    kana = classes.count("K")
    if japanese or not kana or (kana * _MANY_KANA >= len(classes) and is_written_in_japan(text)):
        yield _Token(start, start + len(text), "ja" if japanese or kana else "zh", "han")
        return
    for match in re.finditer("K[KE]*|[HE]+", classes):
        code = "ja" if match.group().startswith("K") else "zh"
        yield _Token(start + match.start(), start + match.end(), code, "han")


def _decide_latin(text: str, tokens: list[_Token], language: str) -> None:
    """Gives words in Latin letters their language; words with only numbers and marks between them share one."""
    if language in LATIN_LANGUAGES:
        for token in tokens:
            if token.kind == "word":
                token.language = language
        return
    phrase: list[_Token] = []
    for token in [*tokens, _Token(len(text), len(text), "", "end")]:
        if token.kind == "word":
            phrase.append(token)
        elif phrase and token.language is not None:
            code = embedded_language(text[phrase[0].start : phrase[-1].end])
            for word in phrase:
                word.language = code
            phrase.clear()


def _decide_numbers(tokens: list[_Token], language: str) -> None:
    """A number between two words of one language is in that language, any other is in the language of the text."""
    following: list[str | None] = []
    last: str | None = None
    for token in reversed(tokens):
        following.append(last)
        if token.kind not in ("number", "neutral"):
            last = token.language
    before: str | None = None
    for token, after in zip(tokens, reversed(following), strict=True):
        if token.kind == "number":
            token.language = before if before is not None and before == after else language
        elif token.kind != "neutral":
            before = token.language


def _joined(text: str, tokens: list[_Token], language: str) -> Iterator[Run]:
    start, current = 0, None
    for token in tokens:
        if token.language is None or token.language == current:
            continue
        if current is not None:
            end = _without_openers(text, start, token.start)
            yield Run(text[start:end], current)
            start = end
        current = token.language
    yield Run(text[start:], language if current is None else current)


def _without_openers(text: str, start: int, end: int) -> int:
    """Where the opening marks before ``end`` begin."""
    while end > start + 1 and text[end - 1] in OPENERS:
        end -= 1
    return end
