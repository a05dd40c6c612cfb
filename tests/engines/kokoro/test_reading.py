from __future__ import annotations

import string
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.engines.kokoro.reading import LANGUAGES, Reader
from saystream.engines.kokoro.vocabulary import numbers
from saystream.errors import EngineUnavailable


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def plain(symbols: str) -> str:
    """Without stress and spaces, which depend on what is around a word."""
    return symbols.translate(dict.fromkeys(map(ord, "ˈˌ ")))


PRODUCTS = {
    "WebSocket": "wɛbsɑkət",
    "GPT-4": "ʤipitifɔɹ",
    "iPhone": "IfOn",
    "5G": "fIvʤi",
    "API": "ApiI",
    "Python": "pIθɑn",
    "HTTP": "Aʧtitipi",
    "OpenAI": "OpᵊnAI",
    "Windows": "wɪndOz",
    "USB-C": "juɛsbisi",
    "3.5GB": "θɹipYntfIv",
    "C++": "siplʌsplʌs",
}


@pytest.mark.parametrize(("name", "symbols"), PRODUCTS.items())
@pytest.mark.parametrize(
    ("language", "around"), [("zh", "我们使用{}来工作。"), ("zh", "{}很好"), ("en", "We use {} at work.")]
)
def test_a_product_name_is_read_as_english_in_any_text(
    reader: Reader, language: str, around: str, name: str, symbols: str
) -> None:
    assert symbols in plain(reader.read(around.format(name), language))


def test_the_stretches_of_a_mixed_text_are_read_in_their_order(reader: Reader) -> None:
    symbols = reader.read("我们使用WebSocket服务器，对吗？", "zh")
    assert symbols == "wo↓mən ʂɨ↓jʊ↘ŋ, wˌɛbsˈɑkət, fu↗u↘ʨʰi↘, twei↘ ma?"


def test_it_tells_whether_a_text_has_english_in_it(reader: Reader) -> None:
    assert reader.has_english("用server", "zh")
    assert not reader.has_english("用服务器", "zh")
    assert not reader.has_english("The server", "en")


def test_marks_between_the_languages_stay(reader: Reader) -> None:
    assert reader.read("支持iPhone 15、GPT-4和“API”。", "zh") == (
        "ꭧɨ→ꭧʰɨ↗, ˈIfˌOn fˌɪftˈin, ʤˌipˌitˈi fˈɔɹ, xɤ↗, ˈA pˈi ˈI."
    )
    assert reader.read("用server，好吗？", "zh") == "jʊ↘ŋ, sˈɜɹvəɹ, xau↓ ma?"
    assert reader.read("他说：“Hello!”", "zh").endswith("həlˈO!")
    assert plain(reader.read("用“API”。", "zh")).endswith("ApiI.")


def test_english_in_a_japanese_text_is_english(reader: Reader) -> None:
    symbols = plain(reader.read("新しいWebSocketサーバーを使います。", "ja"))
    assert "wɛbsɑkət" in symbols
    assert symbols.endswith("masɨ.")


@pytest.mark.parametrize("language", ["zh", "ja", "en"])
@pytest.mark.parametrize("letter", [*string.ascii_letters, *string.digits])
def test_no_letter_and_no_digit_is_lost_or_taken_for_a_phoneme(
    reader: Reader, language: str, letter: str
) -> None:
    """A Chinese reader that hands Latin letters on gives the model a "q" where it should say "kju"."""
    symbols = reader.read(letter, language)
    assert symbols
    if letter in "bcdfghjklmnpqrstvwxz":
        assert plain(symbols) != letter


@pytest.mark.parametrize("language", LANGUAGES)
def test_digits_are_read_although_nobody_has_turned_them_into_words(reader: Reader, language: str) -> None:
    assert len({reader.read(digit, language) for digit in string.digits}) == 10


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The letter π."),
        ("en", "He said Привет."),
        ("en", "नमस्ते"),
        ("zh", "参数α"),
        ("zh", "한국"),
        ("ja", "שלום"),
        ("fr", "Γειά"),
        ("es", "안녕"),
    ],
)
def test_a_script_that_no_voice_is_made_for_is_said_with_an_accent(
    reader: Reader, language: str, text: str
) -> None:
    foreign = [character for character in text if character.isalpha() and not character.isascii()]
    without = "".join(
        " " if character in foreign and "CJK" not in unicodedata.name(character) else character
        for character in text
    )
    assert len(reader.read(text, language)) > len(reader.read(without, language))


ESPEAK_READS = ("es", "fr", "it", "pt", "de", "ko", "ru", "hi")


@pytest.mark.parametrize("text", ["", " ", "…", "?!", "，。", "\x00", "😀"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_where_there_is_nothing_to_hear_there_are_no_symbols(
    reader: Reader, language: str, text: str
) -> None:
    if text == "😀" and language in ESPEAK_READS:
        return  # eSpeak knows what that is called
    assert reader.read(text, language) == ""


def test_british_and_american_english_differ_in_their_sounds(reader: Reader) -> None:
    text = "The car park is tomorrow's fast route."
    assert reader.read(text, "en") != reader.read(text, "en", british=True)
    assert plain(reader.read("car", "en", british=True)) == "kɑː"
    assert plain(reader.read("汽车 car", "zh", british=True)).endswith("kɑː")


@pytest.mark.parametrize(
    ("language", "text", "symbols"),
    [
        ("es", "¿Qué tal? Muchas gracias.", "kˈe tˈal? mˈuʧas ɣɾˈaθjas."),
        ("fr", "Un bon vin blanc, s'il vous plaît.", "œ̃ bˈɔ̃ vˈɛ̃ blˈɑ̃, sil vu plˈɛ."),
        ("it", "Ciao, gli gnocchi!", "ʧˈao, ʎɪ ɲˈokːɪ!"),
        ("pt", "Não, obrigado.", "nˈɐ̃ʊ̃, ˌobriɡˈadʊ."),
    ],
)
def test_espeaks_phonemes_are_written_as_the_model_knows_them(
    reader: Reader, language: str, text: str, symbols: str
) -> None:
    assert reader.read(text, language) == symbols


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=50),
    language=st.sampled_from(sorted(LANGUAGES)),
)
def test_nothing_but_symbols_of_the_model_comes_out_of_any_text(
    reader: Reader, text: str, language: str
) -> None:
    symbols = reader.read(text, language)
    numbers(symbols)
    assert "  " not in symbols and symbols == symbols.strip()


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(
        st.sampled_from(["音频", "iPhone", "速度", "GPT", "很好", "server", "五", "12"]),
        min_size=1,
        max_size=8,
    )
)
def test_every_word_of_a_mixed_text_is_read(reader: Reader, words: list[str]) -> None:
    symbols = plain(reader.read("，".join(words), "zh"))
    for word in words:
        if word != "12":
            assert plain(reader.read(word, "zh")) in symbols


def test_a_reader_that_is_not_installed_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "saystream.engines.kokoro.chinese", raising=False)
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(EngineUnavailable, match=r"'jieba' is not installed. Install saystream\[kokoro\]"):
        Reader().prepare("zh")
