"""SSML: spoken or refused with an error that is documented; every character knows where it was written."""

from __future__ import annotations

import random

from fuzzing.reading import Reader
from saystream.errors import InvalidRequest
from saystream.text.characters import describe
from saystream.text.script import Passage, Pause, Sound
from saystream.text.ssml import is_ssml, parse

MAX_BYTES = 400
DICTIONARY = "ssml"

_LANGUAGES = ("", "zh", "en")
_NAMES = (
    *("speak", "break", "sub", "phoneme", "say-as", "soundEvent", "p", "s", "emphasis", "_", "document", "xi:include"),
)  # fmt: skip
_ATTRIBUTES = (
    *("time='500ms'", "time='99s'", "time=''", "alias='b'", "alias=''", "alphabet='py'", "alphabet='cmu'", "ph='a1'"),
    *("ph='HH AH0'", "interpret-as='date'", "interpret-as='telephone'", "interpret-as='cardinal'", "rate='1.5'"),
    *("interpret-as='characters'", "effect='eq'", "effectValue='1 2 3 4 5 6 7 8'", "effectValue='nan'", "volume='1e9'"),
    *("src='http://127.0.0.1/a.wav'", "src='file:///etc/passwd'", "bgm='http://[::1]/'", "href='/etc/passwd'"),
    *("xmlns:xi='http://www.w3.org/2001/XInclude'", "voice='x'", "pitch='&lt;'", "x='" + "y" * 5000 + "'"),
)  # fmt: skip
_TEXTS = (
    *("a", "你好", " ", "\n", "\r\n", "&lt;", "&amp;", "&#x4f60;", "&#0;", "&a;", "&", "<", ">", "]]>", "😀", "\ud800"),
    *("<![CDATA[a & b]]>", "<!-- a -->", "<?a b?>", "2000-10-10", "021-611", "$13.45", "9" * 30, "\x00", "\u2029"),
    *("<!DOCTYPE x [<!ENTITY a '&b;&b;'>]>", "<?xml version='1.0'?>", "<!ENTITY a SYSTEM 'file:///etc/passwd'>"),
)  # fmt: skip


def one(data: bytes) -> None:
    reader = Reader(data)
    language, kind = reader.choice(_LANGUAGES), reader.byte() % 2
    text = reader.text()
    check(document(int.from_bytes(data[:8].ljust(8))) if kind else text, language)


def document(seed: int) -> str:
    """One that is almost right, the same for the same ``seed``."""
    choose = random.Random(seed)
    return "".join(_element(choose, "speak", 0) for _ in range(choose.randint(1, 3)))


def _element(choose: random.Random, name: str, depth: int) -> str:
    attributes = "".join(" " + choose.choice(_ATTRIBUTES) for _ in range(choose.choice((0, 0, 1, 1, 2, 3))))
    if depth and choose.random() < 0.3:
        return f"<{name}{attributes}/>"
    inner = "".join(
        _element(choose, choose.choice(_NAMES), depth + 1)
        if depth < 40 and choose.random() < 0.4
        else choose.choice(_TEXTS[:10] if choose.random() < 0.9 else _TEXTS)
        for _ in range(choose.randint(0, 4))
    )
    return f"<{name}{attributes}>{inner}" + ("" if choose.random() < 0.01 else f"</{name}>")


def check(text: str, language: str) -> bool:
    """Whether it is spoken."""
    is_ssml(text)
    try:
        parts = parse(text, language=language)
    except InvalidRequest as error:
        assert len(error.message) < 1000, "an error does not echo the document"
        return False
    length = start = 0
    for part in parts:
        if isinstance(part, Pause):
            assert 0 < part.duration_ms <= 10_000
        elif isinstance(part, Sound):
            assert part.url
        else:
            _check_passage(part, start, len(text))
            start, length = part.text.starts[-1], length + len(part.text)
    assert length <= 100 * len(text) + 100, "nothing grows"
    return True


def _check_passage(passage: Passage, start: int, most: int) -> None:
    spoken, end = passage.text, 0
    assert len(spoken.text) == len(spoken.starts) == len(spoken.ends) > 0
    for character, first, last in zip(spoken.text, spoken.starts, spoken.ends, strict=True):
        assert start <= first <= last <= most, "the places are in order"
        assert end <= last
        assert first < last or not describe(character).is_spoken, "a letter comes from somewhere"
        start, end = first, last
    before = 0
    for pronunciation in passage.pronunciations:
        assert before <= pronunciation.start < pronunciation.end <= len(spoken)
        before = pronunciation.end
