from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.languages import FURTHER_LATIN_LANGUAGES, LANGUAGE_CODES, LATIN_LANGUAGES
from saystream.text.language import (
    SpokenLanguage,
    detect,
    embedded_language,
    is_written_in_japan,
    latin_language,
    load_detector,
    script_language,
)

FOLDER = Path(__file__).parent
LABELLED = tomllib.loads((FOLDER / "languages.toml").read_text(encoding="utf-8"))
PAGE = (FOLDER.parents[1] / "docs" / "topics" / "text.md").read_text(encoding="utf-8")
KINDS = ("short", "clause", "sentence")


@pytest.fixture(scope="module", autouse=True)
def prepared() -> None:
    """What is loaded once must not count against the deadline of one example."""
    load_detector()


def speaking(language: str) -> SpokenLanguage:
    """A session that has spoken a sentence of ``language``."""
    session = SpokenLanguage(None)
    assert session.speak(LABELLED[language]["sentence"][0]) == language
    return session


@pytest.mark.parametrize(
    ("text", "default", "language"),
    [
        ("你好，世界", "en", "zh"),
        ("東京都", "en", "zh"),
        ("東京都", "ja", "ja"),
        ("東京へ行く", "en", "ja"),
        ("コーヒー", "zh", "ja"),
        ("ｺｰﾋｰ", "en", "ja"),
        ("店名叫の食堂，这里的味道很好", "en", "zh"),
        ("안녕하세요", "en", "ko"),
        ("大韓民國 만세 대한민국", "en", "ko"),
        ("Привет, мир", "en", "ru"),
        ("สวัสดีครับ", "en", "th"),
        ("Hello world", "en", "en"),
        ("Guten Tag", "de", "de"),
        ("Bonjour", "zh", "en"),
        ("Ｈｅｌｌｏ", "ja", "en"),
        ("我用 Python 写代码", "en", "zh"),
        ("I live in 北京 now", "en", "en"),
        ("The word の is a particle", "en", "en"),
        ("Слово café значит кофейня", "en", "ru"),
        ("", "fr", "fr"),
        ("123 + 45 = ?", "ko", "ko"),
        ("😀", "ru", "ru"),
        ("Ελληνικά", "en", "el"),
        ("مرحبا بالعالم", "en", "ar"),
        ("नमस्ते दुनिया", "en", "hi"),
        ("5 Ω", "de", "de"),
        ("ᏣᎳᎩ", "en", "en"),
    ],
)
def test_the_script_of_most_of_the_text_decides(text: str, default: str, language: str) -> None:
    assert script_language(text, default) == language
    assert detect(text, default) == language


def test_latin_text_is_told_apart_where_it_is_clear() -> None:
    assert detect("Das ist doch wirklich ein schöner Tag heute", "en") == "de"
    assert detect("It is a really nice day today", "de") == "en"
    assert detect("Das ist doch wirklich ein schöner Tag heute", "zh") == "de"
    assert detect("OK, super", "de") == "de"
    assert detect("OK, super", "ja") == "en"


def test_a_latin_language_that_is_not_asked_for_is_not_found() -> None:
    text = "Das ist doch wirklich ein schöner Tag heute"
    assert latin_language(text, "en", ("en", "fr")) == "en"
    assert latin_language(text, "en", ("en", "de")) == "de"


def test_latin_words_inside_another_script_are_english_unless_they_clearly_are_not() -> None:
    assert embedded_language("machine learning is great") == "en"
    assert embedded_language("Das ist ein Haus") == "de"
    assert embedded_language("Das ist") == "en"
    assert embedded_language("Où est la bibliothèque municipale") == "fr"
    assert embedded_language("Bayern München") == "en"


def test_simplified_characters_are_not_written_in_japan() -> None:
    assert is_written_in_japan("東京都、こんにちは! Hello 😀")
    assert not is_written_in_japan("这里")


@pytest.mark.parametrize("language", LATIN_LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_session_goes_on_in_its_language(language: str, kind: str) -> None:
    session = speaking(language)
    assert [session.speak(text) for text in LABELLED[language][kind]] == [language] * 10


@pytest.mark.parametrize("language", LATIN_LANGUAGES)
def test_a_short_text_in_another_language_makes_no_session_leave_its_own(language: str) -> None:
    session = speaking(language)
    for other in LATIN_LANGUAGES:
        assert {session.speak(text) for text in LABELLED[other]["short"]} == {language}


def test_a_session_follows_its_text_into_another_language_and_stays_there() -> None:
    session = speaking("de")
    assert session.speak("OK.") == "de"
    assert session.speak("The train to Hamburg leaves from platform seven.") == "en"
    assert session.speak("OK.") == "en"
    assert session.speak("好的，没问题。") == "zh"
    assert session.speak("OK.") == "en"


def test_to_ask_for_a_language_is_not_to_speak_it() -> None:
    session = speaking("de")
    assert session.of("The train to Hamburg leaves from platform seven.") == "en"
    assert session.of("OK.") == "de"


def test_a_short_first_text_has_the_language_of_what_follows() -> None:
    session = SpokenLanguage(None)
    assert session.of("Claro,") == "en"
    assert session.of("Claro,", " podemos empezar mañana por la mañana.") == "es"
    assert session.of("Claro,", "你好，世界") == "en"
    assert session.speak("Claro,", " podemos empezar mañana por la mañana.") == "es"
    assert session.speak("Vale.") == "es"


def test_english_by_default_is_not_remembered() -> None:
    session = SpokenLanguage(None)
    assert session.speak("Taxi.") == "en"
    assert session.speak("Guten Morgen.") == "de"


@pytest.mark.parametrize("language", LATIN_LANGUAGES)
def test_a_declared_latin_language_is_spoken_wherever_its_script_allows(language: str) -> None:
    session = SpokenLanguage(language)
    for other in LATIN_LANGUAGES:
        assert {session.speak(text) for text in LABELLED[other]["sentence"]} == {language}
    assert session.speak("你好，世界") == "zh"
    assert session.speak("Привет, мир") == "ru"


def test_declared_chinese_speaks_english_sentences_in_english() -> None:
    session = SpokenLanguage("zh")
    assert session.speak("Hello, this is a test of the realtime interface.") == "en"
    assert session.speak("東京都") == "zh"
    assert session.speak("我们用的是最新的模型。") == "zh"


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("zh", "请打开 Microsoft PowerPoint Presentation 文件。"),
        ("ja", "会議は Microsoft PowerPoint Presentation で行う。"),
        ("ko", "저는 Microsoft PowerPoint Presentation 파일을."),
        ("ru", "Файл Microsoft PowerPoint Presentation Document."),
    ],
)
def test_a_declared_language_is_not_overruled_by_names_in_latin_letters(declared: str, text: str) -> None:
    assert SpokenLanguage(declared).speak(text) == declared


@pytest.mark.parametrize("language", FURTHER_LATIN_LANGUAGES)
def test_a_declared_language_that_is_never_detected_is_spoken_in_latin_letters(language: str) -> None:
    session = SpokenLanguage(language)
    assert session.speak("Hello, how are you today?") == language
    assert session.speak("12345") == language
    assert session.speak("你好，世界") == "zh"
    assert session.speak("12345") == "zh"
    assert session.speak("Apa kabar?") == language


@pytest.mark.parametrize(
    ("declared", "text"),
    [("th", "สวัสดี Microsoft PowerPoint Presentation"), ("ar", "مرحبا Microsoft PowerPoint Presentation")],
)
def test_a_declared_language_in_a_script_of_its_own_keeps_names_in_latin_letters(
    declared: str, text: str
) -> None:
    assert SpokenLanguage(declared).speak(text) == declared
    assert SpokenLanguage(None).speak(text) == "en"
    assert SpokenLanguage(declared).speak("Hello, this is a test.") == "en"


def test_declared_chinese_speaks_a_japanese_sentence_in_japanese() -> None:
    assert SpokenLanguage("zh").speak("東京へ行く。") == "ja"


@pytest.mark.parametrize("text", ["12345", "2025-01-03", "3.14 %", "…"])
def test_numbers_alone_are_in_the_language_declared_or_else_spoken_last(text: str) -> None:
    assert SpokenLanguage("zh").speak(text) == "zh"
    session = SpokenLanguage(None)
    assert session.speak(text) == "en"
    for sentence, language in (("我们用的是最新的模型。", "zh"), ("안녕하세요", "ko"), ("Привет, мир", "ru")):
        assert session.speak(sentence) == language
        assert session.speak(text) == language


def test_japanese_without_kana_stays_japanese() -> None:
    assert SpokenLanguage("ja").speak("東京都知事") == "ja"
    session = SpokenLanguage(None)
    assert session.speak("東京へ行く。") == "ja"
    assert session.speak("東京都知事。") == "ja"
    assert session.speak("我们去东京。") == "zh"
    assert session.speak("東京都知事。") == "zh"


def test_only_languages_that_an_engine_speaks_are_looked_for() -> None:
    german = LABELLED["de"]["sentence"][0]
    assert SpokenLanguage(None, ("en",)).speak(german) == "en"
    assert SpokenLanguage(None, ("de",)).speak("Hello") == "de"
    assert SpokenLanguage(None, ()).speak(german) == "en"
    assert SpokenLanguage(None, ("en", "fr")).speak(german) == "en"
    assert SpokenLanguage(None, ("en", "fr")).speak(LABELLED["fr"]["sentence"][0]) == "fr"


@given(
    text=st.text(max_size=60),
    following=st.text(max_size=20),
    declared=st.sampled_from([None, "zh", "ja", "de"]),
)
def test_any_text_has_a_language(text: str, following: str, declared: str | None) -> None:
    assert re.fullmatch("[a-z]{2}", SpokenLanguage(declared).speak(text, following))


def first_right(kind: str) -> tuple[int, int]:
    results = [
        SpokenLanguage(None).of(text) == language
        for language in LANGUAGE_CODES.values()
        for text in LABELLED[language][kind]
    ]
    return sum(results), len(results)


def switched(kind: str) -> tuple[int, int]:
    results = [
        speaking(before).of(text) == language
        for before in LATIN_LANGUAGES
        for language in LATIN_LANGUAGES
        if before != language
        for text in LABELLED[language][kind]
    ]
    return sum(results), len(results)


def test_the_documented_accuracy_is_the_measured_one() -> None:
    rows = dict(re.findall(r"^\| (short|clause|sentence) \|(.*)\|$", PAGE, flags=re.MULTILINE))
    for kind in KINDS:
        first, of_first = first_right(kind)
        other, of_other = switched(kind)
        assert re.findall(r"\d+", rows[kind]) == [str(n) for n in (first, of_first, other, of_other)], kind


def test_the_documented_names_are_those_that_flip_a_session() -> None:
    flipping = {
        name
        for language in LATIN_LANGUAGES
        for name in LABELLED["names"]
        if speaking(language).of(name) != language
    }
    assert flipping == {"Rio de Janeiro"}


@pytest.mark.parametrize(
    ("likely", "text", "language"),
    [
        ("es", "Radio 105", "es"),
        ("ja", "東京 2025", "ja"),
        ("zh", "2025", "zh"),
        ("ja", "我们今天去公园吧。", "zh"),
        ("en", "Ich weiß nicht, ob das heute noch etwas wird, aber wir versuchen es gern.", "de"),
        (None, "2025", "en"),
    ],
)
def test_a_likely_language_is_spoken_where_the_text_does_not_tell(
    likely: str | None, text: str, language: str
) -> None:
    assert SpokenLanguage(None, likely=likely).of(text) == language


def test_a_declared_language_goes_before_a_likely_one() -> None:
    assert SpokenLanguage("de", likely="ja").of("2025") == "de"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Über Größe und Schönheit lässt sich früh wie spät vortrefflich streiten.", "de"),
        ("안녕하세요 여러분", "ko"),
        ("がぎぐげご", "ja"),
    ],
)
def test_decomposed_text_is_in_the_same_language(text: str, language: str) -> None:
    assert detect(unicodedata.normalize("NFD", text), "en") == language


def test_styled_letters_tell_a_language() -> None:
    assert SpokenLanguage(None).of("𝐃𝐢𝐞 𝐊𝐢𝐧𝐝𝐞𝐫 𝐬𝐩𝐢𝐞𝐥𝐞𝐧 𝐡𝐞𝐮𝐭𝐞 𝐢𝐦 𝐆𝐚𝐫𝐭𝐞𝐧 𝐡𝐢𝐧𝐭𝐞𝐫 𝐝𝐞𝐦 𝐇𝐚𝐮𝐬.") == "de"


@pytest.mark.parametrize(("usual", "language"), [("en", "en"), ("fr", "fr"), ("ja", "de")])
def test_the_usual_language_decides_what_could_be_in_several(usual: str, language: str) -> None:
    assert SpokenLanguage(None, usual=usual).of("Maria.") == language
