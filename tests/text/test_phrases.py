"""Where phrases begin, and where they must not."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.languages import LANGUAGE_NAMES
from saystream.text import phrases
from saystream.text.language import script_language
from saystream.text.phrases import PhraseStart, phrase_starts

TABLES = tomllib.loads(Path(phrases.__file__).with_name("phrases.toml").read_text(encoding="utf-8"))


def cut(text: str, language: str, **options: int) -> str:
    """``text`` with a bar before each phrase."""
    starts = {start.position for start in phrase_starts(text, lambda _: language, **options)}
    return "".join(f"|{character}" if place in starts else character for place, character in enumerate(text))


@pytest.mark.parametrize(
    ("language", "marked"),
    [
        ("en", "The old lighthouse stood |at the end of the pier |where the wind never rested"),
        ("en", "The research team found a simple answer |and went home"),
        ("de", "Der alte Leuchtturm stand |seit vielen Jahren |in der Bucht"),
        ("de", "Meine Großmutter backt jeden Tag |mit viel Liebe"),
        ("fr", "Le vieux phare se trouvait au bout du port |où le vent soufflait"),
        ("es", "El viejo faro llevaba muchos años |en la costa |porque nadie lo quería"),
        ("it", "I bambini giocano volentieri |sulla spiaggia"),
        ("pt", "As crianças gostam muito de brincar |na praia"),
        ("ru", "Моя бабушка печёт самые вкусные пироги |в деревне"),
        ("zh", "我们昨天晚上没有去看电影|因为外面下雨"),
        ("zh", "妈妈在厨房里做晚饭的时候|弟弟在看电视"),
        ("ja", "昨日の夜、友達と映画を|見に行きました"),
        ("ko", "어젯밤에 친구들과 영화를 |보러 갔어요"),
    ],
)
def test_a_phrase_begins_before_the_words_that_open_one(language: str, marked: str) -> None:
    assert cut(marked.replace("|", ""), language) == marked


@pytest.mark.parametrize(
    ("language", "text"),
    [
        # Too little before it.
        ("en", "She went home and slept well"),
        ("en", "Incomprehensible characterisations and more"),
        ("zh", "他没有去因为外面下雨"),
        # Names and numbers.
        ("en", "He has never read Romeo and Juliet"),
        ("en", "We all remember the year 1998 in great detail"),
        ("en", "It was a distance of three hundred and fifty miles"),
        ("de", "Wir lasen in der Schule Romeo und Julia"),
        # Words that belong together.
        ("en", "The whole team was looking for the keys"),
        ("en", "Nobody in that family came along with us"),
        ("en", "That is exactly what the teacher's in charge of"),
        ("fr", "Il est resté chez lui tandis que les autres partaient"),
        # Beside marks, capitals and line breaks, and where the word may still be growing.
        ("en", "The old lighthouse stood, and that was all"),
        ("en", "The old lighthouse stood And that was all"),
        ("en", "The old lighthouse stood\nand that was all"),
        ("en", "The old lighthouse stood and"),
        ("en", "The old lighthouse stood in."),
        # Inside other words.
        ("zh", "请你告诉我们大家这件事情的原因为什么"),
        ("zh", "我们在超市里买了一些东西例如果汁"),
        ("zh", "妈妈在厨房里做晚饭的时候的事情"),
        ("zh", "我们昨天晚上没有去看电影因为"),
        ("ja", "昨日の夜は友達と映画をみに"),
        ("ja", "友達と一緒に食べたのはとても楽しい時間でした"[:13]),
        ("ko", "어젯밤에 친구들과 영화를"),
    ],
)
def test_no_phrase_begins_elsewhere(language: str, text: str) -> None:
    assert cut(text, language) == text


def test_a_word_that_opens_a_phrase_in_another_language_does_not_count() -> None:
    text = "El viejo faro llevaba muchos años en la costa"
    assert cut(text, "es") != text
    assert cut(text, "en") == text


def test_the_language_is_asked_only_about_the_text_up_to_the_place() -> None:
    asked: list[str] = []

    def language_of(text: str) -> str:
        asked.append(text)
        return "en"

    text = "The old lighthouse stood at the end of the pier"
    assert list(phrase_starts(text, language_of)) == [PhraseStart(25, 27)]
    assert asked == ["The old lighthouse stood at "]
    asked.clear()
    assert list(phrase_starts("My dog sleeps", language_of)) == []
    assert asked == []


def test_a_caller_may_ask_for_more_before_the_first_place() -> None:
    text = "The old lighthouse stood at the end of the pier where it was"
    assert cut(text, "en", least=21) == cut(text, "en")
    assert cut(text, "en", least=22) == text.replace("where", "|where")


ALPHABET = "ab 1.,\n’'\u0301和因为但是我はを人あアー에서를 "
PIECES = ["and ", "in ", "lighthouse ", "пришли в ", "因为", "の時は", "친구들과 영화를 ", "\ud800", "The "]


@settings(deadline=None)
@given(st.lists(st.sampled_from([*ALPHABET, *PIECES]), max_size=40).map("".join))
def test_a_place_depends_on_nothing_after_what_made_it_certain(text: str) -> None:
    def language_of(text: str) -> str:
        return script_language(text, "en")

    starts = list(phrase_starts(text, language_of))
    assert starts == sorted(starts)
    for start in starts:
        assert 0 < start.position <= start.certain < len(text)
        known = list(phrase_starts(text[: start.certain + 1], language_of))
        assert known == [each for each in starts if each.certain <= start.certain]
        assert start not in phrase_starts(text[: start.certain], language_of)


def test_every_language_of_the_service_has_its_words() -> None:
    assert set(TABLES) == set(LANGUAGE_NAMES)


@pytest.mark.parametrize("language", [code for code, table in TABLES.items() if "opening" in table])
def test_a_word_is_listed_once(language: str) -> None:
    words = " ".join(TABLES[language][name] for name in ("opening", "joining", "binding")).split()
    assert sorted(words) == sorted(set(words))
