"""What each element of SSML means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from saystream.errors import InvalidRequest, InvalidValue, quote
from saystream.text.language import script_language
from saystream.text.pronunciation.notation import arpabet_phones, pinyin_syllables
from saystream.text.rewriting import Rewritten, joined
from saystream.text.script import Background, Manner, Passage, Pause, Pronunciation, Sound
from saystream.text.ssml.saying import SAYING, say_as, surname_reading

if TYPE_CHECKING:
    from saystream.text.script import Alphabet, Part

__all__ = ["Elements"]

_MAX_DEPTH: Final = 32

_TIME = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s)")
_LEAST_BREAK_MS, _MOST_BREAK_MS = 50.0, 10_000.0
_DEFAULT_BREAK_MS = 1000.0

_RATES = (0.5, 2.0)
_VOLUMES = (0, 100)
_MAX_VALUES = 16

_SPACE = re.compile(r"\s+")
_PARAGRAPH = "\u2029"
"""Ends a sentence, which the end of a line in XML does not."""
_BOUNDARIES = ("p", "s")
_WITHOUT_EFFECT = ("emphasis", "w", "mark")
"""Other servers know them: what they hold is spoken."""
_ALPHABETS: Final[Mapping[str, tuple[Alphabet, str]]] = {
    "py": ("pinyin", "Pinyin with tones, such as 'tian1 qi4'"),
    "cmu": ("arpabet", "CMU phones, such as 'HH AH0 L OW1'"),
    "ipa": ("ipa", "letters of the International Phonetic Alphabet"),
}


@dataclass(slots=True)
class _Collecting:
    """The text of an element that is read in its own way."""

    name: str
    attributes: Mapping[str, str]
    place: int
    pieces: list[Rewritten] = field(default_factory=list)


class Elements:
    """Takes the elements and the text of a document in order, and makes its parts."""

    def __init__(self, document: str, language: str) -> None:
        self._document = document
        self._given_language = language or None
        self._document_language = script_language(_without_tags(document), "zh")
        self._language = self._given_language
        """Of the text in the open ``speak``, once it is asked for."""
        self._speak_start = 0
        self._parts: list[Part] = []
        self._open: list[str] = []
        self._manner = Manner()
        self._pieces: list[Rewritten] = []
        self._pronunciations: list[Pronunciation] = []
        self._length = 0
        """Of ``_pieces``."""
        self._has_words = False
        """They are not only spaces."""
        self._collecting: _Collecting | None = None
        self._starts: dict[str, Callable[[Mapping[str, str], int], None]] = {
            "speak": self._speak,
            "break": self._break,
            "soundEvent": self._sound,
            "sub": self._sub,
            "phoneme": self._phoneme,
            "say-as": self._say_as,
            **dict.fromkeys(_BOUNDARIES, self._boundary),
            **dict.fromkeys(_WITHOUT_EFFECT, lambda _, __: None),
        }

    def parts(self) -> tuple[Part, ...]:
        """All that was read, once the document has ended."""
        self._end_passage()
        return tuple(self._parts)

    def start(self, name: str, attributes: Mapping[str, str], place: int) -> None:
        """Raises InvalidRequest for an element that is not known, stands in the wrong place or lacks something."""
        if len(self._open) >= _MAX_DEPTH:
            raise InvalidRequest(f"elements are nested more than {_MAX_DEPTH} deep")
        begin = self._starts.get(name)
        if begin is None:
            raise InvalidRequest(f"there is no such element here; known are {', '.join(self._starts)}")
        if name != "speak" and "speak" not in self._open:
            raise InvalidRequest("it must stand within <speak>")
        if self._collecting is not None:
            raise InvalidRequest(f"<{self._collecting.name}> holds only text")
        begin(attributes, place)
        self._open.append(name)

    def end(self, name: str, place: int) -> None:
        if not self._open:  # the end of the document
            return
        self._open.pop()
        collected = self._collecting
        if collected is not None and collected.name == name:
            self._collecting = None
            self._add(self._read(collected, place))
        elif name in _BOUNDARIES:
            self._boundary({}, place)
        elif name == "speak":
            self._end_passage()

    def text(self, read: Rewritten) -> None:
        """Raises InvalidRequest for text that stands outside of ``speak``."""
        if "speak" not in self._open:
            if read.text.strip():
                raise InvalidRequest("text must stand within <speak>")
            return
        if self._collecting is not None:
            self._collecting.pieces.append(read)
        else:
            self._add(read)

    # --- elements ---------------------------------------------------------------------------------------------------

    def _speak(self, attributes: Mapping[str, str], place: int) -> None:
        if "speak" in self._open:
            raise InvalidRequest("one <speak> cannot stand within another; put them one after the other")
        self._speak_start = place
        self._language = self._given_language
        effect = attributes.get("effect", "")
        url = _url("bgm", attributes.get("bgm", ""))
        volume = _number(attributes, "backgroundMusicVolume", _VOLUMES)
        self._manner = Manner(
            voice=attributes.get("voice", ""),
            rate=_number(attributes, "rate", _RATES),
            pitch=_number(attributes, "pitch", _RATES),
            volume=_whole(_number(attributes, "volume", _VOLUMES)),
            effect=effect,
            effect_values=_values(attributes.get("effectValue", "")) if effect else (),
            background=Background(url, 50 if volume is None else round(volume)) if url else None,
        )

    def _break(self, attributes: Mapping[str, str], _: int) -> None:
        self._end_passage()
        duration_ms = _duration_ms(attributes.get("time", ""))
        if self._parts and isinstance(before := self._parts[-1], Pause):
            # In a row they last no longer than the longest one may.
            self._parts[-1] = Pause(min(before.duration_ms + duration_ms, _MOST_BREAK_MS))
        else:
            self._parts.append(Pause(duration_ms))

    def _sound(self, attributes: Mapping[str, str], _: int) -> None:
        self._end_passage()
        self._parts.append(Sound(_url("src", _required(attributes, "src", "the address of a recording"))))

    def _sub(self, attributes: Mapping[str, str], place: int) -> None:
        _required(attributes, "alias", "what is said instead")
        self._collecting = _Collecting("sub", attributes, place)

    def _phoneme(self, attributes: Mapping[str, str], place: int) -> None:
        alphabet = _required(attributes, "alphabet", "one of " + ", ".join(_ALPHABETS))
        if alphabet not in _ALPHABETS:
            raise InvalidValue("alphabet", alphabet, tuple(_ALPHABETS))
        kind, wanted = _ALPHABETS[alphabet]
        phonemes = _required(attributes, "ph", wanted)
        readers = {"pinyin": pinyin_syllables, "arpabet": arpabet_phones}
        if kind in readers and readers[kind](phonemes) is None:
            raise InvalidValue("ph", phonemes, wanted)
        self._collecting = _Collecting("phoneme", attributes, place)

    def _say_as(self, attributes: Mapping[str, str], place: int) -> None:
        kind = _required(attributes, "interpret-as", "one of " + ", ".join(SAYING))
        if kind not in SAYING:
            raise InvalidValue("interpret-as", kind, SAYING)
        self._collecting = _Collecting("say-as", attributes, place)

    def _boundary(self, _: Mapping[str, str], place: int) -> None:
        if self._has_words:
            self._add(Rewritten(_PARAGRAPH, [place], [place]))

    def _read(self, collected: _Collecting, place: int) -> Rewritten:
        """What is said for the text of an element; pronunciations are noted."""
        written = _spaced(joined(collected.pieces)).strip() if collected.pieces else Rewritten("", (), ())
        attributes = collected.attributes
        if collected.name == "sub":
            return _instead(written, attributes["alias"], collected.place, place)
        if collected.name == "phoneme":
            if written.text:
                kind, _ = _ALPHABETS[attributes["alphabet"]]
                end = self._length + len(written)
                self._pronunciations.append(Pronunciation(self._length, end, kind, attributes["ph"].strip()))
            return written
        if not written.text:
            return written
        return self._said(attributes["interpret-as"], written)

    def _said(self, way: str, written: Rewritten) -> Rewritten:
        language = self._language_here()
        if way == "name" and language == "zh" and (surname := surname_reading(written.text)) is not None:
            self._pronunciations.append(surname.shifted(self._length))
            return written
        return written.respelt(say_as(way, written.text, language), _as_one)

    def _language_here(self) -> str:
        """Of the text in the ``speak`` that is open."""
        if self._language is None:
            end = self._document.find("</speak", self._speak_start)
            within = _without_tags(self._document[self._speak_start : end])
            self._language = script_language(within, self._document_language)
        return self._language

    # --- passages ---------------------------------------------------------------------------------------------------

    def _add(self, piece: Rewritten) -> None:
        if len(piece):
            self._pieces.append(piece)
            self._length += len(piece)
            self._has_words = self._has_words or not piece.text.isspace()

    def _end_passage(self) -> None:
        if self._has_words:
            self._parts.append(_passage(joined(self._pieces), self._pronunciations, self._manner))
        self._pieces, self._pronunciations, self._length, self._has_words = [], [], 0, False


def _passage(text: Rewritten, pronunciations: list[Pronunciation], manner: Manner) -> Passage:
    """Spaces and line ends become one space each, as far as no pronunciation lies across them."""
    parts: list[Rewritten] = []
    moved: list[Pronunciation] = []
    length = place = 0
    for pronunciation in [*pronunciations, None]:
        end = len(text) if pronunciation is None else pronunciation.start
        between = _spaced(text[place:end])
        parts.append(between)
        length += len(between)
        if pronunciation is not None:
            place = pronunciation.end
            parts.append(text[pronunciation.start : place])
            moved.append(replace(pronunciation, start=length, end=length + place - pronunciation.start))
            length += place - pronunciation.start
    return Passage(joined(part for part in parts if len(part)), tuple(moved), manner)


def _spaced(text: Rewritten) -> Rewritten:
    return text.sub(_SPACE, lambda match: "\n" if _PARAGRAPH in match[0] else " ")


def _instead(written: Rewritten, said: str, start: int, end: int) -> Rewritten:
    if written.text:
        return written.becomes(said)
    return Rewritten(said, [start] * len(said), [max(end, start + 1)] * len(said))


def _as_one(text: str) -> list[str]:
    """Compared as a whole: what is read in its own way belongs together."""
    return [text]


def _without_tags(document: str) -> str:
    return re.sub(r"<[^<>]*>", " ", document)


# --- attributes ------------------------------------------------------------------------------------------------------


def _required(attributes: Mapping[str, str], name: str, wanted: str) -> str:
    if not (value := attributes.get(name, "").strip()):
        raise InvalidRequest(f"the attribute {name} is missing: {wanted}")
    return value


def _url(name: str, written: str) -> str:
    url = written.strip()
    if url and not url.lower().startswith(("http://", "https://")):
        raise InvalidValue(name, url, "a URL with http or https")
    return url


def _number(attributes: Mapping[str, str], name: str, allowed: tuple[float, float]) -> float | None:
    written = attributes.get(name, "").strip()
    if not written:
        return None
    lowest, highest = allowed
    try:
        value = float(written)
    except ValueError:
        value = float("nan")
    if not lowest <= value <= highest:
        raise InvalidValue(name, written, f"a number from {lowest} to {highest}")
    return value


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _values(written: str) -> tuple[float, ...]:
    numbers = written.replace(",", " ").split()
    try:
        values = tuple(map(float, numbers[: _MAX_VALUES + 1]))
    except ValueError:
        raise InvalidValue("effectValue", written, "numbers with spaces between them") from None
    if len(values) > _MAX_VALUES:
        raise InvalidValue("effectValue", f"{len(numbers)} numbers", f"at most {_MAX_VALUES} numbers")
    return values


def _duration_ms(written: str) -> float:
    if not written.strip():
        return _DEFAULT_BREAK_MS
    match = _TIME.fullmatch(written.strip())
    duration_ms = 0.0 if match is None else float(match[1]) * (1000 if match[2] == "s" else 1)
    if not _LEAST_BREAK_MS <= duration_ms <= _MOST_BREAK_MS:
        raise InvalidValue("time", quote(written), "50 to 10000 ms, or up to 10 s, such as '500ms' or '2s'")
    return duration_ms
