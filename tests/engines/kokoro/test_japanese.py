import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.kokoro.japanese import KANA, JapaneseReader, kana_symbols
from saystream.engines.kokoro.vocabulary import in_symbols, numbers

SMALL = "ァィゥェォャュョヮ"


@pytest.fixture(scope="module")
def reader() -> JapaneseReader:
    return JapaneseReader()


@pytest.mark.parametrize("following", ["", *SMALL, "ン", "ッ", "ー"])
def test_every_kana_and_every_pair_is_said_with_symbols_of_the_model(following: str) -> None:
    for kana in KANA:
        assert numbers(kana_symbols(kana + following))


def test_all_katakana_of_unicode_are_known() -> None:
    missing = [chr(code) for code in range(0x30A1, 0x30FD) if not kana_symbols(chr(code))]
    assert missing == ["・"]


@pytest.mark.parametrize(
    ("kana", "symbols"),
    [
        ("キャット", "kʲaʔto"),
        ("シェフ", "ɕeɸɯ"),
        ("ティー", "tʲiː"),
        ("ファイル", "ɸaiɾɯ"),
        ("ウェブ", "βebɯ"),
        ("ヴァイオリン", "vaioɾʲiɴ"),
        ("クォーツ", "kᵝoːʦɨ"),
        ("スィ", "si"),
        ("ツ’カッ", "ʦɨkaʔ"),
        ("サンポ", "sampo"),
        ("リンゴ", "ɾʲiŋɡo"),
        ("アンナ", "anna"),
        ("ホンヤ", "hoɴja"),
        ("コンニチワ", "koɲɲiʨiβa"),
    ],
)
def test_kana_are_said_as_the_model_knows_them(kana: str, symbols: str) -> None:
    assert kana_symbols(kana) == symbols


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("東京の天気は晴れです。", "toːkʲoː no teŋkʲi βa haɾe desɨ ."),
        ("京都へ行って、", "kʲoːto e iʔte ,"),
        ("飲みました", "nomʲi maɕita"),
        ("３個", "saɴ ko"),
    ],
)
def test_words_are_apart_and_endings_joined(reader: JapaneseReader, text: str, symbols: str) -> None:
    assert " ".join(reader.read(text).text.split()) == symbols


def test_latin_letters_and_digits_are_spelt_out(reader: JapaneseReader) -> None:
    assert reader.read("GPT").text == "ʥiːpʲiːtʲiː"
    assert reader.read("5").text.strip() == "ɡo"


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_nothing_but_symbols_comes_out_of_any_text(reader: JapaneseReader, text: str) -> None:
    symbols = reader.read(text).text
    assert in_symbols(symbols) == symbols
    numbers(symbols)
