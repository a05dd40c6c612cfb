import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.engines.pronunciation import kana
from saystream.engines.pronunciation.kana import in_kana

READINGS = [
    ("明日の朝9時に空港へ行きます。", "アシタノ アサ クジニ クーコーエ イキマス。"),
    (
        "会議は木曜日の午後に変わりました！本当？「はい」",
        "カイギワ モクヨービノ ゴゴニ カワリマシタ！ホントー？「ハイ」",
    ),
    ("これはペンです", "コレワ ペンデス"),
    ("10月8日", "ジューガツ ヨーカ"),
    ("コーヒー", "コーヒー"),
]


@pytest.fixture
def without_the_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "pyopenjtalk", None)
    kana._open_jtalk.cache_clear()
    yield
    kana._open_jtalk.cache_clear()


@pytest.mark.parametrize(("text", "spoken"), READINGS)
def test_japanese_is_written_as_it_is_pronounced_phrase_by_phrase(text: str, spoken: str) -> None:
    assert in_kana(text).text == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("ABCの仕様 v2.0", "ABCノ シヨー v2.0"),
        ("東京 大阪\n京都", "トーキョー オーサカ\nキョート"),
        ("😀漢字\x00①", "😀カンジ\x00①"),
        ("\ud800", "\ud800"),
        ("3.5 metres", "3.5 metres"),
        ("", ""),
    ],
)
def test_what_is_no_japanese_stays(text: str, spoken: str) -> None:
    assert in_kana(text).text == spoken


def test_without_the_package_text_stays(without_the_package: None) -> None:
    assert in_kana("明日の朝").text == "明日の朝"


def test_threads_do_not_disturb_one_another() -> None:
    with ThreadPoolExecutor(6) as threads:
        assert (
            list(threads.map(lambda text: in_kana(text).text, [text for text, _ in READINGS] * 20))
            == [spoken for _, spoken in READINGS] * 20
        )


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("漢字行明日はをー々〆アンッ、。！ 9A\x00\ud800"), max_size=60))
def test_no_kanji_with_a_reading_is_left(text: str) -> None:
    assert not set("漢字行明日") & set(in_kana(text).text)


def test_each_word_knows_where_it_was_written() -> None:
    text = "ABC会議は2024年の😀午後"
    spoken = in_kana(text)
    found = [
        (spoken.text[each.start : each.end].strip(), text[each.written_start : each.written_end])
        for each in spoken.stretches()
        if not spoken.text[each.start].isascii()
    ]
    assert found == [
        ("カイギ", "会議"),
        ("ワ", "は"),
        ("ニセン ニジュー ヨ", "2024"),
        ("ネン", "年"),
        ("ノ", "の"),
        ("ゴゴ", "午後"),
    ]
