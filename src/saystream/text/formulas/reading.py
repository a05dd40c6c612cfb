"""A text in which formulas in LaTeX become words."""

from __future__ import annotations

import re
from functools import cache

from saystream.text.formulas.finding import formulas
from saystream.text.formulas.speaking import Speaker
from saystream.text.formulas.words import load_words
from saystream.text.rewriting import Rewritten, joined

__all__ = ["read_formulas"]

_THOUSANDS = re.compile(r"(?<=\d)\{,\}(?=\d{3})")
_UNIT = re.compile(r"\\(?:mathrm|rm|textrm|mbox)\s?\{([A-Za-z%°Ωµ]{2,}|[A-Za-z]+(?:/[A-Za-z]+)+)\}")
_UNIT_POWER = re.compile(r"\\(?:mathrm|text)\s?\{([A-Za-z/]{1,12})\^\{?([23])\}?\}")
_ENVIRONMENT = re.compile(
    r"\\begin\{(aligned|align\*?|split|gathered|gather\*?|equation\*?)\}(.*?)\\end\{\1\}", re.DOTALL
)
_PERCENT = re.compile(r"(?<!\\)((?:\\\\)*)%")
"""In LaTeX it would hide the rest of the line, which nobody means who wants it read."""
_LINE_END = re.compile(r"\\\\(?:\[[^\]]*\])?")


def read_formulas(text: Rewritten, language: str) -> Rewritten:
    """``text``, which is in ``language`` (ISO 639-1), with words for its formulas. A formula that cannot be read is
    spelled: its letters, its signs by their names, and the names of its commands. Never raises."""
    if "$" not in text.text and "\\" not in text.text:
        return text
    parts: list[Rewritten] = []
    end = 0
    for formula in formulas(text.text):
        if words := _words(formula.latex, language):
            before, after = text.text[end : formula.start], text.text[formula.end : formula.end + 1]
            said = _set_apart(words, before[-1:], after)
            parts += (text[end : formula.start], text[formula.start : formula.end].becomes(said))
            end = formula.end
    return joined([*parts, text[end:]]) if parts else text


def _words(latex: str, language: str) -> str:
    speaker = _speaker(language)
    try:
        # Loaded by the first formula: most texts have none.
        from latex2mathml.converter import convert_to_element

        words = speaker.say(convert_to_element(_plain(latex)))
    except Exception:  # the parser documents no errors; what it cannot parse is spelled
        words = ""
    return words if any(map(str.isalnum, words)) else speaker.spell(latex)


def _plain(latex: str) -> str:
    """In commands that the parser knows: units as text, lines of one formula after another, "1{,}000" as a number."""
    latex = _UNIT_POWER.sub(lambda match: rf"\text{{{match[1]}{'²' if match[2] == '2' else '³'}}}", latex)
    latex = _UNIT.sub(lambda match: rf"\text{{{match[1]}}}", _THOUSANDS.sub("", _PERCENT.sub(r"\1\%", latex)))
    return _ENVIRONMENT.sub(lambda match: _LINE_END.sub(r",\\quad ", match[2]).replace("&", " "), latex)


def _set_apart(words: str, before: str, after: str) -> str:
    """With spaces where its letters would touch those beside the formula."""
    start = " " if _joins(before) and _joins(words[0]) else ""
    return start + words + (" " if _joins(after) and _joins(words[-1]) else "")


def _joins(character: str) -> bool:
    return character.isascii() and character.isalnum()


@cache
def _speaker(language: str) -> Speaker:
    return Speaker(load_words(language))
