"""A text that is rewritten step by step, and knows where each of its characters was written.

What a replacement has in common with what it replaces keeps its place, word by word; the rest of it belongs to all of
the rest that was written: of "about 3.5 km", read as "about three point five kilometers", the last four words come from
one stretch, "3.5 km".
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from saystream.text.characters import Script, describe
from saystream.text.words import word_spans

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["Rewritten", "Stretch", "joined"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a rewritten text, and where it was written."""

    start: int
    end: int
    written_start: int
    written_end: int


@dataclass(frozen=True, slots=True)
class Rewritten:
    """``text``, and for each of its characters the range of what was written for it.

    The ranges are in order: neither ``starts`` nor ``ends`` ever falls. Characters with overlapping ranges belong
    together. A range is empty only for what was put in between, which is no letter and no digit.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, text: str) -> Rewritten:
        """``text`` as it was written."""
        return cls(text, range(len(text)), range(1, len(text) + 1))

    def __len__(self) -> int:
        return len(self.text)

    def __getitem__(self, part: slice) -> Rewritten:
        return Rewritten(self.text[part], self.starts[part], self.ends[part])

    def shifted(self, by: int) -> Rewritten:
        """What was written here was a part, from character ``by`` on, of what was written in all."""
        if by == 0:
            return self
        return Rewritten(
            self.text, [place + by for place in self.starts], [place + by for place in self.ends]
        )

    def strip(self) -> Rewritten:
        """Without the spaces at its ends."""
        start = len(self.text) - len(self.text.lstrip())
        return self[start : max(start, len(self.text.rstrip()))]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The range that was written for the characters from ``start`` to before ``end``, at least one."""
        return self.starts[start], self.ends[end - 1]

    def becomes(self, text: str) -> Rewritten:
        """``text`` as a whole for this as a whole, which is not empty."""
        start, end = self.span(0, len(self))
        return Rewritten(text, [start] * len(text), [end] * len(text))

    def followed_by(self, text: str) -> Rewritten:
        """With ``text`` behind it, for which nothing was written; it has no letters."""
        end = [self.ends[-1] if self.text else 0] * len(text)
        return Rewritten(self.text + text, [*self.starts, *end], [*self.ends, *end])

    def sub(
        self,
        expression: re.Pattern[str],
        replacement: Callable[[re.Match[str]], str] | str,
        *,
        mostly_kept: bool = False,
    ) -> Rewritten:
        """As ``expression.sub``. Words of a match that stay are found by comparison; unless ``mostly_kept``, a match
        may also be put into another order, as "4 July" into "July fourth"."""
        parts: list[Rewritten] = []
        end = 0
        for match in expression.finditer(self.text):
            words = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
            if words != match[0]:
                parts += (
                    self[end : match.start()],
                    self._replaced(match.start(), match.end(), words, mostly_kept=mostly_kept),
                )
                end = match.end()
        return joined([*parts, self[end:]]) if parts else self

    def respelt(self, text: str, tokens: Callable[[str], list[str]] | None = None) -> Rewritten:
        """``text`` instead, of which most is usually the same: compared word by word, or by other ``tokens``."""
        if text == self.text:
            return self
        return self._aligned(0, len(self), text, tokens or _tokens, _common)

    def stretches(self) -> Iterator[Stretch]:
        """Whatever was written apart from the next and has a letter or a digit, from the first of these on; where
        nothing was changed, each character."""
        found: Stretch | None = None
        for place, (character, start, end) in enumerate(zip(self.text, self.starts, self.ends, strict=True)):
            if start == end or character.isspace():
                continue
            if found is not None and start < found.written_end:
                found = Stretch(found.start, place + 1, found.written_start, end)
            elif describe(character).is_spoken:
                if found is not None:
                    yield found
                found = Stretch(place, place + 1, start, end)
        if found is not None:
            yield found

    def _replaced(self, start: int, end: int, text: str, *, mostly_kept: bool) -> Rewritten:
        return self._aligned(start, end, text, _tokens, _common if mostly_kept else _in_order)

    def _aligned(
        self,
        start: int,
        end: int,
        text: str,
        tokens: Callable[[str], list[str]],
        common: Callable[[list[str], list[str]], list[tuple[int, int]]],
    ) -> Rewritten:
        """``text`` for the characters from ``start`` to before ``end``."""
        before, after = tokens(self.text[start:end]), tokens(text)
        starts: list[int] = []
        ends: list[int] = []
        position, old, new = start, 0, 0
        for same_old, same_new in [
            *_anchors(before, after, common(before, after)),
            (len(before), len(after)),
        ]:
            changed = sum(map(len, before[old:same_old]))
            added = sum(map(len, after[new:same_new]))
            first, last = self._origin(
                position, position + changed, has_words=_has_words(after[new:same_new])
            )
            starts += [first] * added
            ends += [last] * added
            position += changed
            kept = len(after[same_new]) if same_new < len(after) else 0
            starts += self.starts[position : position + kept]
            ends += self.ends[position : position + kept]
            position += kept
            old, new = same_old + 1, same_new + 1
        return Rewritten(text, starts, ends)

    def _origin(self, start: int, end: int, *, has_words: bool) -> tuple[int, int]:
        """The range of what replaces the characters from ``start`` to before ``end``."""
        first, last = start, end
        while first < last and self.text[first].isspace():
            first += 1
        while first < last and self.text[last - 1].isspace():
            last -= 1
        origin = self.span(first, last) if first < last else self._between(start)
        if has_words and origin[0] == origin[1]:  # where nothing was written: it belongs to its neighbour
            beside = (self.span(place, place + 1) for place in (start - 1, end) if 0 <= place < len(self))
            return next((span for span in beside if span[0] < span[1]), origin)
        return origin

    def _between(self, place: int) -> tuple[int, int]:
        """The range of what is put before the character at ``place``: empty, except within a stretch."""
        if place == 0:
            return (self.starts[0], self.starts[0]) if self.text else (0, 0)
        before = self.ends[place - 1]
        return min(before, self.starts[place]) if place < len(self) else before, before


def joined(parts: Iterable[Rewritten], separator: str = "") -> Rewritten:
    """``parts``, which were written in this order, with ``separator`` put between them; it has no letters."""
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for number, part in enumerate(parts):
        if number:
            place = ends[-1] if ends else 0
            text.append(separator)
            starts += [place] * len(separator)
            ends += [place] * len(separator)
        # What was put behind a part whose range goes on in this one lies within that range.
        last = len(starts) - 1
        while part.text and last >= 0 and starts[last] > part.starts[0]:
            starts[last] = part.starts[0]
            last -= 1
        text.append(part.text)
        starts += part.starts
        ends += part.ends
    return Rewritten("".join(text), starts, ends)


def _tokens(text: str) -> list[str]:
    """Its words, with digits apart from letters and each script apart, and each other character."""
    tokens: list[str] = []
    position = 0
    for start, end in word_spans(text):
        tokens += text[position:start]
        kind: tuple[bool, Script] | None = None
        for character in text[start:end]:
            facts = describe(character)
            before, kind = kind, (facts.is_digit, facts.script) if facts.is_spoken else kind
            if kind == before:
                tokens[-1] += character
            else:
                tokens.append(character)
        position = end
    return [*tokens, *text[position:]]


def _has_words(tokens: Iterable[str]) -> bool:
    return any(describe(character).is_spoken for token in tokens for character in token)


def _same_ends(before: list[str], after: list[str]) -> list[tuple[int, int]]:
    shorter = min(len(before), len(after))
    first = 0
    while first < shorter and before[first] == after[first]:
        first += 1
    last = 0
    while last < shorter - first and before[-1 - last] == after[-1 - last]:
        last += 1
    return [
        *((place, place) for place in range(first)),
        *((len(before) - place, len(after) - place) for place in range(last, 0, -1)),
    ]


def _common(before: list[str], after: list[str]) -> list[tuple[int, int]]:
    return [
        (block.a + place, block.b + place)
        for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
        for place in range(block.size)
    ]


def _in_order(before: list[str], after: list[str]) -> list[tuple[int, int]]:
    """The words in common, if between them words stand for words; else what is common at the ends."""
    old_words, new_words = _places_of_words(before), _places_of_words(after)
    common = [
        (old_words[old], new_words[new])
        for old, new in _common([before[place] for place in old_words], [after[place] for place in new_words])
    ]
    old, new = 0, 0
    for same_old, same_new in [*common, (len(before), len(after))]:
        if _has_words(before[old:same_old]) != _has_words(after[new:same_new]):
            return _same_ends(before, after)
        old, new = same_old + 1, same_new + 1
    return common or _same_ends(before, after)


def _places_of_words(tokens: list[str]) -> list[int]:
    return [place for place, token in enumerate(tokens) if _has_words(token)]


def _anchors(before: list[str], after: list[str], common: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The tokens that stay, as pairs of their places: those in ``common``, but for such as would leave words between
    two of them for which nothing was written."""
    kept = [(-1, -1)]
    for pair in [*common, (len(before), len(after))]:
        while _is_from_nothing(before, after, kept[-1], pair) and len(kept) > 1:
            kept.pop()
        if not _is_from_nothing(before, after, kept[-1], pair):
            kept.append(pair)
    return [pair for pair in kept[1:] if pair[0] < len(before)]


def _is_from_nothing(
    before: list[str], after: list[str], left: tuple[int, int], right: tuple[int, int]
) -> bool:
    nothing = all(token.isspace() for token in before[left[0] + 1 : right[0]])
    return nothing and _has_words(after[left[1] + 1 : right[1]])
