from __future__ import annotations

import string
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.engines.kokoro import reading
from saystream.engines.kokoro.reading import LANGUAGES, Reader
from saystream.engines.kokoro.vocabulary import numbers
from saystream.errors import EngineUnavailable
from saystream.text.script import Alphabet, Pronunciation


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
    assert symbols in plain(reader.read(around.format(name), language).text)


def test_the_stretches_of_a_mixed_text_are_read_in_their_order(reader: Reader) -> None:
    symbols = reader.read("我们使用WebSocket服务器，对吗？", "zh").text
    assert symbols == "wo↓mən ʂɨ↓jʊ↘ŋ, wˌɛbsˈɑkət, fu↗u↘ʨʰi↘, twei↘ ma?"


def test_it_tells_whether_a_text_has_english_in_it(reader: Reader) -> None:
    assert reader.has_english("用server", "zh")
    assert not reader.has_english("用服务器", "zh")
    assert not reader.has_english("The server", "en")


def test_marks_between_the_languages_stay(reader: Reader) -> None:
    assert reader.read("支持iPhone 15、GPT-4和“API”。", "zh").text == (
        "ꭧɨ→ꭧʰɨ↗, ˈIfˌOn fˌɪftˈin, ʤˌipˌitˈi fˈɔɹ, xɤ↗, ˈA pˈi ˈI."
    )
    assert reader.read("用server，好吗？", "zh").text == "jʊ↘ŋ, sˈɜɹvəɹ, xau↓ ma?"
    assert reader.read("他说：“Hello!”", "zh").text.endswith("həlˈO!")
    assert plain(reader.read("用“API”。", "zh").text).endswith("ApiI.")


def test_english_in_a_japanese_text_is_english(reader: Reader) -> None:
    symbols = plain(reader.read("新しいWebSocketサーバーを使います。", "ja").text)
    assert "wɛbsɑkət" in symbols
    assert symbols.endswith("masɨ.")


@pytest.mark.parametrize("language", ["zh", "ja", "en"])
@pytest.mark.parametrize("letter", [*string.ascii_letters, *string.digits])
def test_no_letter_and_no_digit_is_lost_or_taken_for_a_phoneme(
    reader: Reader, language: str, letter: str
) -> None:
    """A Chinese reader that hands Latin letters on gives the model a "q" where it should say "kju"."""
    symbols = reader.read(letter, language).text
    assert symbols
    if letter in "bcdfghjklmnpqrstvwxz":
        assert plain(symbols) != letter


@pytest.mark.parametrize("language", LANGUAGES)
def test_digits_are_read_although_nobody_has_turned_them_into_words(reader: Reader, language: str) -> None:
    assert len({reader.read(digit, language).text for digit in string.digits}) == 10


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
    assert len(reader.read(text, language).text) > len(reader.read(without, language).text)


ESPEAK_READS = ("es", "fr", "it", "pt", "de", "ko", "ru", "hi")


@pytest.mark.parametrize("text", ["", " ", "…", "?!", "，。", "\x00", "😀"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_where_there_is_nothing_to_hear_there_are_no_symbols(
    reader: Reader, language: str, text: str
) -> None:
    if text == "😀" and language in ESPEAK_READS:
        return  # eSpeak knows what that is called
    assert reader.read(text, language).text == ""


def test_british_and_american_english_differ_in_their_sounds(reader: Reader) -> None:
    text = "The car park is tomorrow's fast route."
    assert reader.read(text, "en").text != reader.read(text, "en", british=True).text
    assert plain(reader.read("car", "en", british=True).text) == "kɑː"
    assert plain(reader.read("汽车 car", "zh", british=True).text).endswith("kɑː")


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
    assert reader.read(text, language).text == symbols


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        (
            "en",
            "“Hello,” isn't that Mr. Smith; it's $5 of 3.5 km?",
            ["Hello", "isn't", "that", "Mr", "Smith", "it's", "5", "of", "3.5", "km"],
        ),
        ("en", "A well-known API. Then two!", ["A", "well-known", "API", "Then", "two"]),
        ("en", "The letter π is Привет, мир.", ["The", "letter", "π", "is", "Привет", "мир"]),
        ("zh", "今天50%的WebSocket，好吗？", ["今", "天", "50%", "的", "WebSocket", "好", "吗"]),
        ("zh", "用API和AI，1+2", ["用", "API", "和", "AI", "1", "+", "2"]),
        (
            "ja",
            "東京 の ＡＢＣを３個飲みました。",
            ["東京", "の", "ＡＢＣ", "を", "３", "個", "飲み", "まし", "た"],
        ),
        ("es", "¿Qué tal? El 3 de mayo.", ["Qué", "tal", "El", "3", "de", "mayo"]),
        ("fr", "S'il vous plaît — les amis…", ["S'il", "vous", "plaît", "les", "amis"]),
    ],
)
def test_each_word_has_its_symbols(reader: Reader, language: str, text: str, words: list[str]) -> None:
    read = reader.read(text, language)
    assert [text[word.written_start : word.written_end] for word in read.stretches()] == words


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "It isn't $5.", ["ɪt", "ɪzᵊnt", "fIvdɑləɹz"]),
        ("zh", "今天API好。", ["ʨi→n", "tʰjɛ→n", "ApiI", "xau↓"]),
        ("ja", "３個飲みました", ["saɴ", "ko", "nomʲi", "maɕi", "ta"]),
    ],
)
def test_the_symbols_of_each_word_are_its_own(
    reader: Reader, language: str, text: str, words: list[str]
) -> None:
    read = reader.read(text, language)
    assert [plain(read.text[word.start : word.end]) for word in read.stretches()] == words


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=50),
    language=st.sampled_from(sorted(LANGUAGES)),
)
def test_nothing_but_symbols_of_the_model_comes_out_of_any_text(
    reader: Reader, text: str, language: str
) -> None:
    read = reader.read(text, language)
    numbers(read.text)
    assert "  " not in read.text and read.text == read.text.strip()
    assert list(read.starts) == sorted(read.starts)
    assert list(read.ends) == sorted(read.ends)
    assert all(0 <= start <= end <= len(text) for start, end in zip(read.starts, read.ends, strict=True))


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(
        st.sampled_from(["音频", "iPhone", "速度", "GPT", "很好", "server", "五", "12"]),
        min_size=1,
        max_size=8,
    )
)
def test_every_word_of_a_mixed_text_is_read(reader: Reader, words: list[str]) -> None:
    symbols = plain(reader.read("，".join(words), "zh").text)
    for word in words:
        if word != "12":
            assert plain(reader.read(word, "zh").text) in symbols


def test_a_reader_that_is_not_installed_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("kokoro.chinese", "pronunciation.mandarin"):
        monkeypatch.delitem(sys.modules, f"saystream.engines.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(EngineUnavailable, match=r"'jieba' is not installed. Install saystream\[kokoro\]"):
        Reader().prepare("zh")


def test_what_is_installed_is_told_without_loading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_made", lambda name: pytest.fail(f"{name} was loaded"))
    for language in ("en", "zh", "ja"):
        Reader().check(language)
    monkeypatch.setitem(sys.modules, "pypinyin", None)
    with pytest.raises(EngineUnavailable, match="'pypinyin' is not installed"):
        Reader().check("zh")


def test_each_of_the_packages_of_a_reader_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for language, packages in reading._PACKAGES.items():
        for package in packages:
            with monkeypatch.context() as without, pytest.raises(EngineUnavailable, match=f"'{package}'"):
                without.setitem(sys.modules, package, None)
                Reader().check(language)


def test_a_reader_whose_dictionary_is_broken_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise OSError("/secret/dict.txt")

    monkeypatch.setattr("jieba.initialize", broken)
    with pytest.raises(EngineUnavailable, match=r"^Kokoro cannot read 'zh': OSError\.$"):
        Reader().prepare("zh")


def test_a_reader_that_is_made_does_not_wait_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader()
    reader.prepare("en")
    with reader._lock:  # as while another is made
        assert reader.read("Yes.", "en").text == "jˈɛs."


def told(
    reader: Reader, text: str, language: str, *words: tuple[str, Alphabet, str], british: bool = False
) -> tuple[str, list[tuple[str, str]]]:
    """The symbols, and each word as written with those of it."""
    pronunciations = [
        Pronunciation(text.index(word), text.index(word) + len(word), alphabet, phonemes)
        for word, alphabet, phonemes in words
    ]
    read = reader.read(text, language, british=british, pronunciations=pronunciations)
    marks = [
        (text[each.written_start : each.written_end], read.text[each.start : each.end])
        for each in read.stretches()
    ]
    assert numbers(read.text)
    return read.text, marks


def test_pinyin_is_said_character_by_character(reader: Reader) -> None:
    symbols, marks = told(reader, "好天气。", "zh", ("天气", "pinyin", "tian1 qi5"))
    assert symbols == "xau↓ tʰjɛ→nʨʰi."
    assert marks == [("好", "xau↓"), ("天", "tʰjɛ→n"), ("气", "ʨʰi")]


def test_pinyin_of_another_length_is_of_the_whole_word(reader: Reader) -> None:
    assert told(reader, "花儿!", "zh", ("花儿", "pinyin", "huar1")) == ("xwa→ɚ!", [("花儿", "xwa→ɚ")])


@pytest.mark.parametrize(("british", "hello"), [(False, "həlˈO"), (True, "həlˈQ")])
def test_phones_are_said_in_the_accent_of_the_voice(reader: Reader, british: bool, hello: str) -> None:
    symbols, marks = told(reader, "the hi, or", "en", ("hi", "arpabet", "HH AH0 L OW1"), british=british)
    assert marks[1] == ("hi", hello)
    assert symbols.startswith(f"ðə {hello}, ")


def test_phones_in_another_language_stand_apart_like_english_words(reader: Reader) -> None:
    symbols, marks = told(reader, "我用hi。", "zh", ("hi", "arpabet", "L AY1 V"))
    assert symbols == "wo↓jʊ↘ŋ, lˈIv."
    assert marks[-1] == ("hi", "lˈIv")


def test_ipa_is_of_the_language_around_it(reader: Reader) -> None:
    symbols, marks = told(reader, "Ich mag Genf.", "de", ("Genf", "ipa", "ʒəˈnɛf"))
    assert marks[-1] == ("Genf", "ʒənˈɛf")
    assert symbols.endswith(" ʒənˈɛf.")


def test_pinyin_in_an_english_text_is_chinese(reader: Reader) -> None:
    symbols, marks = told(reader, "In Xian now", "en", ("Xian", "pinyin", "xi1 an1"))
    assert marks[1] == ("Xian", "ɕi→a→n")
    assert ", ɕi→a→n, " in symbols


def test_what_is_not_in_its_alphabet_is_read_as_written(reader: Reader) -> None:
    assert told(reader, "你好", "zh", ("你好", "pinyin", "?"))[0] == reader.read("你好", "zh").text
    assert told(reader, "hello", "en", ("hello", "arpabet", "?"))[0] == reader.read("hello", "en").text
