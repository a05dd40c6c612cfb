"""Words that a caller wants said as something else, or pronounced as told, found in a text while it arrives."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from saystream.errors import InvalidValue
from saystream.text.characters import Script, describe
from saystream.text.pronunciation.notation import recognized
from saystream.text.rewriting import Rewritten, joined
from saystream.text.script import Alphabet, Passage, Pronunciation

__all__ = ["MAX_ENTRIES", "MAX_WORD_CHARACTERS", "Entry", "Replacer", "read_entries"]

MAX_ENTRIES = 500
MAX_WORD_CHARACTERS = 100
"""Of a word and of what is said instead; this much text is held back at most, and twice as much for a pronunciation."""

_FORMS: Final = ("NFC", "NFD")
_UNSPACED = frozenset((Script.HAN, Script.HIRAGANA, Script.KATAKANA, Script.HANGUL, Script.THAI))
"""Scripts that put no space between words, or none before particles."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is done with one word."""

    text: str
    """What is said: the word itself unless it is replaced."""
    alphabet: Alphabet | None = None
    phonemes: str = ""


def read_entries(value: object, param: str = "hot_fix") -> dict[str, Entry]:
    """The entries of ``{"pronunciation": [{"天气": "tian1 qi4"}], "replace": [{"今天": "金天"}]}`` by their words.

    A word in both is replaced, and what replaces it pronounced as told; so is what replaces another word and has a
    pronunciation of its own. Raises InvalidValue for anything else; the
    message has the place of the entry, because the word itself is text to be spoken.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidValue(param, _kind(value), "an object with the lists 'pronunciation' and 'replace'")
    spoken = {
        word: _spoken(place, phonemes) for place, word, phonemes in _pairs(value, "pronunciation", param)
    }
    entries = {word: Entry(word, *known) for word, known in spoken.items()}
    for place, word, said in _pairs(value, "replace", param):
        if len(said) > MAX_WORD_CHARACTERS:
            raise _too_long(place, said, MAX_WORD_CHARACTERS)
        entries[word] = Entry(said, *(spoken.get(word) or spoken.get(said) or (None, "")))
    if len(entries) > MAX_ENTRIES:
        raise InvalidValue(param, f"{len(entries)} words", f"at most {MAX_ENTRIES} words")
    return entries


class Replacer:
    """Takes the text of a response in pieces, and gives passages whose places are those in that text.

    The passages do not depend on the pieces. Of several words that begin at the same place the longest counts. A word
    in a script with spaces is one only if no letter or digit touches it: "US" is none in "BUS". Nothing is held back
    but what may be the beginning of a word that counts.
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._by_first: dict[str, list[str]] = {}
        # Text may come with its accents joined to their letters or apart from them, whatever the entries do.
        forms = {
            unicodedata.normalize(form, word): entry for form in _FORMS for word, entry in entries.items()
        }
        self._entries = {**forms, **entries}
        for word in sorted(self._entries, key=len, reverse=True):
            self._by_first.setdefault(word[0], []).append(word)
        self._held = Rewritten.of("")
        self._position = 0
        """Of what comes next, in the text."""
        self._before = ""
        """The character before it."""

    def push(self, text: str | Rewritten) -> Passage:
        """What is certain now; its text may be empty. A text that knows where it was written keeps those places."""
        if isinstance(text, str):
            self._position += len(text)
            text = Rewritten.of(text).shifted(self._position - len(text))
        return self._taken(text, final=False)

    def finish(self) -> Passage:
        """What was held back: no more text comes, or all of it is to be spoken now."""
        return self._taken(Rewritten.of(""), final=True)

    def _taken(self, more: Rewritten, *, final: bool) -> Passage:
        written = joined([self._held, more]) if len(self._held) else more
        text = written.text
        parts: list[Rewritten] = []
        pronunciations: list[Pronunciation] = []
        length, start, place = 0, 0, 0

        def take(part: Rewritten) -> None:
            nonlocal length
            parts.append(part)
            length += len(part)

        while place < len(text):
            word = self._word(text, place, final=final)
            if word is None:
                break
            if word:
                take(written[start:place])
                entry = self._entries[word]
                if entry.alphabet is not None:
                    pronunciations.append(
                        Pronunciation(length, length + len(entry.text), entry.alphabet, entry.phonemes)
                    )
                kept = written[place : place + len(word)]
                take(kept if entry.text == word else kept.becomes(entry.text))
                start = place + len(word)
            place += len(word) or 1
        take(written[start:place])
        passage = Passage(
            joined(part for part in parts if len(part)),
            tuple(each for each in pronunciations if each.start < each.end),
        )
        self._before = text[place - 1] if place else self._before
        self._held = written[place:]
        return passage

    def _word(self, text: str, place: int, *, final: bool) -> str | None:
        """The word that begins at ``place``, "" for none; ``None`` if only more text can tell."""
        before = text[place - 1] if place else self._before
        for word in self._by_first.get(text[place], ()):
            if _touch(before, word[0]):
                continue
            end = place + len(word)
            if end < len(text):
                if text.startswith(word, place) and not _touch(word[-1], text[end]):
                    return word
            elif word.startswith(text[place:]):
                if end == len(text) and (final or not _may_touch(word[-1])):
                    return word
                if not final:
                    return None
        return ""


def _spoken(place: str, phonemes: str) -> tuple[Alphabet, str]:
    if len(phonemes) > 2 * MAX_WORD_CHARACTERS:
        raise _too_long(place, phonemes, 2 * MAX_WORD_CHARACTERS)
    known = recognized(phonemes)
    if known is None:
        wanted = "Pinyin with tones, such as 'tian1 qi4', or CMU phones, such as 'HH AH0 L OW1'"
        raise InvalidValue(place, phonemes, wanted)
    return known


def _pairs(value: Mapping[str, object], kind: str, param: str) -> list[tuple[str, str, str]]:
    """The place of each entry, its word and its value."""
    listed, param = value.get(kind), f"{param}.{kind}"
    if listed is None:
        return []
    each: Sequence[object] = (
        listed if isinstance(listed, Sequence) and not isinstance(listed, str) else [listed]
    )
    found: list[tuple[str, str, str]] = []
    for number, entry in enumerate(each):
        place = f"{param}[{number}]"
        if not isinstance(entry, Mapping) or not entry:
            raise InvalidValue(place, _kind(entry), "an object with a word and what it becomes")
        for word, said in cast("Mapping[object, object]", entry).items():
            if not isinstance(word, str) or not word.strip():
                raise InvalidValue(place, _kind(word), "a word that is not empty")
            if not isinstance(said, str):
                raise InvalidValue(place, _kind(said), "a string for each word")
            if len(word) > MAX_WORD_CHARACTERS:
                raise _too_long(place, word, MAX_WORD_CHARACTERS)
            found.append((place, word, said))
    return found


def _too_long(place: str, text: str, most: int) -> InvalidValue:
    return InvalidValue(place, f"{len(text)} characters", f"at most {most} characters")


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _may_touch(character: str) -> bool:
    """Whether a letter or digit beside it would belong to the same word."""
    facts = describe(character)
    return facts.is_spoken and facts.script not in _UNSPACED


def _touch(left: str, right: str) -> bool:
    if unicodedata.combining(right):
        return bool(left)
    return bool(left) and _may_touch(left) and _may_touch(right)
