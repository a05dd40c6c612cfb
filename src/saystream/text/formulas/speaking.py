"""The words for a formula, from its MathML: one method for each kind of element, and rules for rows of them."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from saystream.text.formulas.words import Words

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["Speaker"]

_SUMS = frozenset("∑∏∫∬∭∮⋃⋂⨁⨂")
_LIMITS = frozenset(("lim", "max", "min", "sup", "inf", "lim sup", "lim inf"))
_PRIMES = {"′": "prime", "'": "prime", "″": "double_prime", "‴": "triple_prime"}
_ACCENTS = {
    "→": "vector", "⃗": "vector",
    "―": "bar", "¯": "bar", "‾": "bar", "_": "bar", "ˉ": "bar", "–": "bar",
    "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "∼": "tilde",
    "˙": "dot", ".": "dot", "¨": "double_dot",
}  # fmt: skip
_BRACES = frozenset("⏞⏟︷︸")
_DEGREE = "∘"
_SCALES = {"C": "celsius", "F": "fahrenheit"}
_FENCED = {
    "|": "absolute",
    "∣": "absolute",
    "‖": "norm",
    "∥": "norm",
    "⌊": "floor",
    "⌈": "ceiling",
    "{": "set",
}
_OPENING, _CLOSING = frozenset("([{⟨⌊⌈"), frozenset(")]}⟩⌋⌉")
_BARS = frozenset("|∣‖∥")
_FUNCTIONS = frozenset("fghFGHPQRSTuvyφψ")
"""Letters that stand for a function when a parenthesis follows."""
_MINUS = frozenset("-−")
_SHORT = 2
"""Signs in what needs no word for its end."""
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_UNNAMED = frozenset(("Sm", "So", "Sk"))
"""Unicode categories of signs that nobody reads unless they get a name: that of Unicode is better than none."""
_WIDE_SPACE_EM = 1.0
_PAUSES = ",;，；、 "


@dataclass(frozen=True)
class _Row:
    """Elements beside each other, and what a single bar and an arrow mean among them."""

    elements: Sequence[Element]
    arrow: str = ""
    bar: str = ""

    def __len__(self) -> int:
        return len(self.elements)

    @cached_property
    def signs(self) -> list[str]:
        """What each of them is, if it is one sign."""
        return [_text(each) for each in self.elements]

    @cached_property
    def ends(self) -> dict[int, int]:
        """Where the brackets are closed."""
        ends: dict[int, int] = {}
        open_places: list[int] = []
        for place, sign in enumerate(self.signs):
            if sign in _OPENING:
                open_places.append(place)
            elif sign in _CLOSING and open_places:
                ends[open_places.pop()] = place
        return ends

    def bar_after(self, place: int) -> int | None:
        """Where a bar like the one at ``place`` follows."""
        try:
            return self.signs.index(self.signs[place], place + 1)
        except ValueError:
            return None

    def begins_at(self, place: int) -> bool:
        """Whether nothing stands before it that could be its left side."""
        if place == 0:
            return True
        before = self.signs[place - 1]
        return self.elements[place - 1].tag == "mo" and before not in _CLOSING and before not in ("!", *_BARS)


class Speaker:
    """Speaks one language. Raises RecursionError for what is nested too deeply, and nothing else."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._kinds: dict[str, Callable[[Element], str]] = {
            "mi": self._sign, "mo": self._sign, "mn": self._number, "mtext": _text, "ms": _text,
            "mspace": self._space, "mfrac": self._fraction, "msqrt": self._square_root, "mroot": self._root,
            "msub": self._scripts, "msup": self._scripts, "msubsup": self._scripts,
            "munder": self._scripts, "mover": self._scripts, "munderover": self._scripts,
            "mtable": self._plain_table,
        }  # fmt: skip

    def say(self, element: Element) -> str:
        """The words of ``element`` and all that is in it; empty if it has no sound."""
        return self._words.joined([self._say(element)]).strip(_PAUSES)

    def spell(self, latex: str) -> str:
        """Sign by sign."""
        named = _COMMAND.sub(lambda match: f" {self._named(match[1])} ", latex).replace("\\", " ")
        pieces = re.findall(r"\d+(?:\.\d+)?|[^\W\d_]{2,}|\S", named)
        return self._words.joined(map(self._spelled, pieces)).strip(_PAUSES)

    def _spelled(self, piece: str) -> str:
        return self._words.number(piece) if piece[0].isdecimal() and piece.isascii() else self._named(piece)

    def _named(self, sign: str) -> str:
        """What a sign or a name is called; itself if nobody has told."""
        signs = self._words.signs
        if sign in signs:
            return signs[sign]
        plain = unicodedata.normalize("NFKC", sign).removeprefix("\\")
        if plain in signs:
            return signs[plain]
        is_sign = len(plain) == 1 and unicodedata.category(plain) in _UNNAMED
        return unicodedata.name(plain, plain).lower() if is_sign else plain

    def _say(self, element: Element, arrow: str = "") -> str:
        kind = self._kinds.get(element.tag)
        return kind(element) if kind is not None else self._row(element, arrow)

    # --- signs -----------------------------------------------------------------------------------------------------

    def _sign(self, element: Element) -> str:
        return self._named(_text(element))

    def _number(self, element: Element) -> str:
        return self._words.number(_text(element))

    def _space(self, element: Element) -> str:
        """A wide one stands between two formulas."""
        width = re.match(r"([\d.]+)em", element.get("width", ""))
        return self._words.signs[","] if width and float(width[1]) >= _WIDE_SPACE_EM else ""

    # --- rows ------------------------------------------------------------------------------------------------------

    def _row(self, element: Element, arrow: str = "") -> str:
        return self._said([*_flat(element)], arrow)

    def _said(self, elements: Sequence[Element], arrow: str = "", bar: str = "") -> str:
        row = _Row(elements, arrow, bar)
        words: list[str] = []
        place = 0
        while place < len(row):
            word, place = self._next(row, place)
            words.append(word)
        return self._words.joined(words)

    def _next(self, row: _Row, place: int) -> tuple[str, int]:
        """The words of what begins at ``place``, and where they end."""
        element, sign = row.elements[place], row.signs[place]
        found: tuple[str, int] | None = None
        if element.tag in ("mo", "mi") and sign:
            found = self._fenced(row, place) or self._relation(row, place)
        elif element.tag == "msup":
            found = self._temperature(row, place)
        elif element.tag == "mn":
            found = self._quantity(row, place)
        if found is None and _is_function(element):
            found = self._application(row, place)
        return found or (self._say(element), place + 1)

    def _relation(self, row: _Row, place: int) -> tuple[str, int] | None:
        """A sign whose meaning depends on what is beside it."""
        sign = row.signs[place]
        if sign in _MINUS and row.begins_at(place):
            return self._words.phrase("negative", a=""), place + 1
        if sign == "→" and row.arrow:
            return row.arrow, place + 1
        return (row.bar, place + 1) if sign in _BARS and row.bar else None

    def _fenced(self, row: _Row, place: int) -> tuple[str, int] | None:
        """What stands between two signs that are read as one."""
        sign, elements = row.signs[place], row.elements
        inner = elements[place + 1] if place + 1 < len(row) else None
        after = row.signs[place + 2] if place + 2 < len(row) else ""
        if inner is not None and inner.tag == "mtable" and (sign in _OPENING or sign in _BARS):
            kind = "cases" if sign == "{" else "determinant" if sign in _BARS else "matrix"
            return self._table(inner, kind), place + 2 + (after in _CLOSING or after in _BARS)
        if inner is not None and inner.get("linethickness") == "0" and (sign, after) == ("(", ")"):
            return self._fraction(inner), place + 3
        if sign in _BARS:
            end = row.bar_after(place) if row.begins_at(place) else None
        else:
            end = row.ends.get(place)
        if end is None or end == place + 1:
            return None
        if sign == "(":
            inside = self._said(elements[place + 1 : end], bar=self._words.phrases["given"])
            return self._words.joined([self._named("("), inside, self._named(")")]), end + 1
        if sign not in _FENCED:
            return None
        inside = self._said(elements[place + 1 : end], bar=self._words.phrases["such_that"])
        such = sign == "{" and not _BARS.isdisjoint(row.signs[place + 1 : end])
        return self._words.phrase("set_such" if such else _FENCED[sign], a=inside), end + 1

    def _application(self, row: _Row, place: int) -> tuple[str, int] | None:
        """A letter for a function and what stands in parentheses behind it, if that is short."""
        end = row.ends.get(place + 1)
        if end is None or row.signs[place + 1] != "(":
            return None
        inside, signs = row.elements[place + 2 : end], row.signs[place + 2 : end]
        if not (_is_short(inside) or "," in signs or not _BARS.isdisjoint(signs)):
            return None
        said = self._said(inside, bar=self._words.phrases["given"])
        return self._words.phrase("apply", f=self._say(row.elements[place]), x=said), end + 1

    def _temperature(self, row: _Row, place: int) -> tuple[str, int] | None:
        base, exponent = row.elements[place]
        scale = row.signs[place + 1] if place + 1 < len(row) else ""
        if _content(exponent) != _DEGREE or scale not in _SCALES:
            return None
        return self._words.phrase(_SCALES[scale], a=self._say(base)), place + 2

    def _quantity(self, row: _Row, place: int) -> tuple[str, int] | None:
        """A number and its unit, as they are read outside of formulas."""
        after = place + 1
        while after < len(row) and row.elements[after].tag == "mspace":
            after += 1
        if after == len(row):
            return None
        unit = row.signs[after]
        if unit == "%":
            return self._words.phrase("percent", a=self._number(row.elements[place])), after + 1
        if row.elements[after].tag != "mtext" or not unit.rstrip("²³").isascii():
            return None
        return f"{row.signs[place].replace('.', self._words.decimal)} {unit}", after + 1

    # --- fractions and roots ---------------------------------------------------------------------------------------

    def _fraction(self, element: Element) -> str:
        above, below = element
        a, b = self._say(above), self._say(below)
        if element.get("linethickness") == "0":
            return self._words.phrase("binomial", n=a, k=b)
        if derivative := self._derivative([*_flat(above)], [*_flat(below)]):
            return derivative
        if name := self._words.fractions.get(f"{_content(above)}/{_content(below)}"):
            return name
        is_short = _is_short([*_flat(above)]) and _is_short([*_flat(below)])
        return self._words.phrase("fraction" if is_short else "long_fraction", a=a, b=b)

    def _derivative(self, above: Sequence[Element], below: Sequence[Element]) -> str:
        """Of a fraction whose parts both begin with "d"; empty for any other."""
        if not above or len(below) < 2:
            return ""
        sign, order = _differential(above[0])
        if sign == "" or _differential(below[0]) != (sign, "") or _differential(below[0])[0] != sign:
            return ""
        of, by = self._said(above[1:]), self._said(below[1:])
        if order == "" and of and sign == "∂":
            return self._words.phrase("partial_derivative", a=of, b=by)
        if order == "" and sign == "d":
            return self._words.phrase("derivative" if of else "derivation", a=of, b=by)
        if order == "2" and of and sign == "d" and below[1].tag == "msup":
            return self._words.phrase("second_derivative", a=of, b=self._say(below[1][0]))
        return ""

    def _square_root(self, element: Element) -> str:
        return self._ended([*_flat(element)], "square_root", a=self._row(element))

    def _root(self, element: Element) -> str:
        base, degree = element
        if _content(degree) == "2":
            return self._ended([*_flat(base)], "square_root", a=self._say(base))
        kind = "cube_root" if _content(degree) == "3" else "nth_root"
        return self._ended([*_flat(base)], kind, a=self._say(base), n=self._say(degree))

    def _ended(self, row: Sequence[Element], phrase: str, /, **fields: str) -> str:
        said = self._words.phrase(phrase, **fields)
        return said if _is_short(row) else self._words.phrase("root_end", root=said)

    # --- what stands above and below -------------------------------------------------------------------------------

    def _scripts(self, element: Element) -> str:
        base, *scripts = element
        low = scripts[0] if element.tag in ("msub", "msubsup", "munder", "munderover") else None
        high = scripts[-1] if element.tag in ("msup", "msubsup", "mover", "munderover") else None
        sign = _content(base)
        if low is not None and (sign in _SUMS or sign in _LIMITS):
            return self._limits(base, low, high)
        if low is not None and sign == "log" and high is None:
            return self._words.phrase("base", a=self._say(base), i=self._say(low))
        said = self._say(base)
        if low is not None:
            said = self._below(element.tag, said, low)
        if high is None:
            return said
        if element.tag in ("mover", "munderover"):
            return self._above(said, high)
        return self._power(sign, said, high)

    def _limits(self, base: Element, low: Element, high: Element | None) -> str:
        name = self._say(base)
        if _content(base) == "lim":
            start = self._say(low, self._words.phrases["approaches"])
            return self._words.phrase("limit", **{"a": name, "from": start})
        start = self._say(low)
        if high is None:
            return self._words.phrase("lower_limit", **{"a": name, "from": start})
        return self._words.phrase("limits", **{"a": name, "from": start, "to": self._say(high)})

    def _below(self, tag: str, said: str, low: Element) -> str:
        if _content(low) in _BRACES or _content(low) in ("_", "―"):
            return said
        if not said:
            return self._say(low)
        if tag in ("munder", "munderover"):
            return self._words.phrase("under", a=said, b=self._say(low))
        return self._words.phrase("subscript", a=said, i=self._say(low))

    def _above(self, said: str, high: Element) -> str:
        mark = _content(high)
        if mark in _BRACES:
            return said
        if mark in _ACCENTS:
            return self._words.phrase(_ACCENTS[mark], a=said)
        return self._words.phrase("over", a=said, b=self._say(high))

    def _power(self, sign: str, said: str, high: Element) -> str:
        exponent = _content(high)
        if not said:
            return self._say(high)
        if exponent in _PRIMES:
            return self._words.phrase(_PRIMES[exponent], a=said)
        named = {"2": "squared", "3": "cubed", _DEGREE: "degrees", "∗": "starred", "*": "starred"}
        if exponent in ("T", "⊤") and len(sign) == 1 and sign.isupper():
            return self._words.phrase("transposed", a=said)
        if exponent in named:
            is_name = exponent in "23" and len(sign) > 1 and sign.isalpha()
            return self._words.phrase(("function_" if is_name else "") + named[exponent], a=said)
        return self._words.phrase("power", a=said, n=self._say(high))

    # --- tables ----------------------------------------------------------------------------------------------------

    def _plain_table(self, element: Element) -> str:
        return self._table(element, "table")

    def _table(self, element: Element, kind: str) -> str:
        rows = [[self._say(cell) for cell in row] for row in element]
        pause, stop = self._words.signs[","] + " ", self._words.signs[";"] + " "
        numbered = kind in ("matrix", "determinant")
        lines = [pause.join(filter(None, row)) for row in rows]
        if numbered:
            lines = [
                self._words.phrase("row", n=self._words.number(str(number)), cells=line)
                for number, line in enumerate(lines, 1)
            ]
        return self._words.phrase(
            kind,
            rows=self._words.number(str(len(rows))),
            columns=self._words.number(str(max(map(len, rows), default=0))),
            cells=stop.join(lines),
        )


def _text(element: Element) -> str:
    return html.unescape(element.text or "").strip()


def _flat(element: Element) -> Iterator[Element]:
    """What is in a row, with the rows in it; "1{,}000" is one number."""
    if element.tag not in ("mrow", "math", "mstyle", "mpadded", "mtd", "msqrt", "menclose"):
        yield element
        return
    children = [*element]
    for child in children:
        if child.tag == "mphantom":
            continue
        if child.tag in ("mrow", "mstyle", "mpadded", "menclose"):
            yield from _flat(child)
        else:
            yield child


def _content(element: Element) -> str:
    """The sign that is all of it; empty if it is more than one."""
    row = [*_flat(element)]
    return _text(row[0]) if len(row) == 1 and row[0].tag in ("mi", "mn", "mo") else ""


def _is_function(element: Element) -> bool:
    sign = _content(element[0]) if element.tag in ("msub", "msup", "msubsup") else _text(element)
    return element.tag in ("mi", "msub", "msup", "msubsup") and sign in _FUNCTIONS


def _is_short(row: Sequence[Element]) -> bool:
    return len(row) <= _SHORT and not any(each.tag in ("mo", "mfrac", "mtable") for each in row[1:])


def _differential(element: Element) -> tuple[str, str]:
    """The "d" that ``element`` is, and its exponent."""
    base, order = (element[0], _content(element[1])) if element.tag == "msup" else (element, "")
    sign = unicodedata.normalize("NFKC", _content(base))
    return (sign, order) if sign in ("d", "∂") else ("", "")
