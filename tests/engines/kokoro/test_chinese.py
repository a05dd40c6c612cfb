import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypinyin.contrib.tone_convert import to_tone3
from pypinyin.pinyin_dict import pinyin_dict

from saystream.engines.kokoro.chinese import ChineseReader, syllable
from saystream.engines.kokoro.vocabulary import numbers


@pytest.fixture(scope="module")
def syllables() -> list[str]:
    written = {reading for readings in pinyin_dict.values() for reading in readings.split(",")}
    return sorted({to_tone3(reading, neutral_tone_with_five=True) for reading in written})


@pytest.fixture(scope="module")
def reader() -> ChineseReader:
    return ChineseReader()


def test_every_syllable_is_said_with_symbols_of_the_model(syllables: list[str]) -> None:
    assert len(syllables) > 1500
    for each in syllables:
        assert numbers(syllable(each))


def test_syllables_are_those_that_the_model_was_trained_with(syllables: list[str]) -> None:
    """misaki has no wheel for Python 3.13; with any older one this compares."""
    zh = pytest.importorskip("misaki.zh", reason="misaki has no wheel for this Python")
    theirs = {each: zh.ZHG2P.py2ipa(each).replace("\u032f", "") for each in syllables}
    assert {each: syllable(each) for each in syllables} == theirs


@pytest.mark.parametrize(
    "text",
    [
        "你好，世界。今天天气很好。",
        "他说：“我们明天去看电影，行吗？”",
        "《红楼梦》是长篇小说；作者是曹雪芹！",
    ],
)
def test_a_sentence_is_read_as_misaki_reads_it(reader: ChineseReader, text: str) -> None:
    zh = pytest.importorskip("misaki.zh", reason="misaki has no wheel for this Python")
    assert reader.read(text).text.strip() == zh.ZHG2P()(text)[0]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("15个", "十五个"),
        ("2024年", "二零二四年"),
        ("007", "零零七"),
        ("3.5倍", "三点五倍"),
        ("192.168.1.1", "一九二点一六八点一点一"),
        ("12345678901", "一二三四五六七八九零一"),
        ("百分之5", "百分之五"),
        ("增长5%", "增长百分之五"),
        ("0度", "零度"),
    ],
)
def test_digits_that_nobody_has_turned_into_words_are_read(
    reader: ChineseReader, written: str, spoken: str
) -> None:
    assert reader.read(written).text.replace(" ", "") == reader.read(spoken).text.replace(" ", "")


@pytest.mark.parametrize("sign", "%‰+=×÷<>&@#℃°$￥€£~")
def test_signs_are_said(reader: ChineseReader, sign: str) -> None:
    assert len(reader.read(f"三{sign}四").text) > len(reader.read("三四").text) + 2


@pytest.mark.parametrize("text", ["", " ", "hello", "😀", "кот", "\ud800"])
def test_what_is_not_chinese_never_reaches_the_model(reader: ChineseReader, text: str) -> None:
    assert reader.read(text).text.strip() == ""


@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_nothing_but_symbols_comes_out_of_any_text(reader: ChineseReader, text: str) -> None:
    symbols = reader.read(text).text
    assert len(numbers(symbols)) == len(symbols)


@given(
    text=st.text(
        st.sampled_from(
            "零一二三四五六七八九十百千万的是在有我他这中大来上国说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手用主行方又如前所本见经头面公同三已老从动两长"
        ),
        min_size=1,
        max_size=30,
    )
)
def test_no_common_character_is_lost(reader: ChineseReader, text: str) -> None:
    tones_and_neutral = sum(reader.read(each).text != "" for each in text)
    assert tones_and_neutral == len(text)
