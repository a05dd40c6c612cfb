"""Of texts of scripts, signs, numbers and markup, every letter and digit is spoken or is markup."""

from __future__ import annotations

import random

import pytest

from client.virtual_time import on_virtual_time
from fake_pool import FakePool
from saystream.speech.events import ResponseEnded
from saystream.text.composed import plain_characters
from saystream.text.markup import without_markup
from speech.sessions import session_on

TEXTS = 150
WORDS = """
hello world it's café naïve Straße l'été señor 你好 世界 今天天气很好 こんにちは 東京タワー カタカナ 안녕하세요 커피
Привет мир สวัสดี مرحبا नमस्ते שלום OK GPT-4 iPhone U.S. e.g. Dr. Mr. a.m. x y Ⅳ ½ ① 𝐁𝐨𝐥𝐝 ＡＢＣ e\u0301te\u0301
""".split()
NUMBERS = "1 12 2025-01-03 3.14 1,000 1.500 20~30 5–7 $5 100€ −5°C 50% 12:30 1/2 +49 #3 №7 x² 10km".split()
SIGNS = [
    *". , ! ? ; : … 。 ， ！ ？ 、 — - ( ) [ ] « » \" ' “ ” ~ ～ & @ / \\ | * _ # < > ^ =".split(),
    "\n",
    "\n\n",
    "  ",
]
MARKUP = [
    *"**b** _i_ `code` ~~s~~ <b>t</b> <br/> <p> &amp; [[plan]] [label](http://a.b) ![alt](x.png) 😀 👨‍👩‍👧 ★".split(),
    "\n# Title\n",
    "\n- item\n",
    "\n> quote\n",
    "\n| a | b |\n|---|---|\n| 1 | 2 |\n",
    "\n```\ncode 1\n```\n",
    '<break time="1s"/>',
    "[pause:1s]",
    "~wink~",
    "── ",
]


def text_of(chance: random.Random) -> str:
    parts = []
    for _ in range(chance.randint(1, 25)):
        kind = chance.choices((WORDS, NUMBERS, SIGNS, MARKUP), (6, 2, 2, 2))[0]
        parts += [chance.choice(kind), chance.choice([" ", " ", " ", "", ", "])]
    return "".join(parts)


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


@pytest.mark.parametrize("incremental", [False, True])
@on_virtual_time
async def test_every_letter_reaches_an_engine_or_is_markup(incremental: bool) -> None:
    chance = random.Random(17)
    for number in range(TEXTS):
        text = text_of(chance)
        pool = FakePool(incremental=incremental)
        session = session_on(pool, server_commit=chance.random() < 0.6)
        place = 0
        while place < len(text):
            size = chance.choice((1, 3, 1000))
            session.push(text[place : place + size])
            place += size
        session.finish()
        ended = [event async for event in session.events() if isinstance(event, ResponseEnded)]
        expected = letters(plain_characters(without_markup(text).text))
        assert letters(plain_characters("".join(pool.texts))) == expected, number
        assert all(event.fault is None for event in ended)
