from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.languages import LANGUAGE_CODES
from saystream.text.characters import Script, describe
from saystream.text.language import load_detector
from saystream.text.runs import Run, language_runs

_MIXED = st.text(
    alphabet=st.one_of(
        st.sampled_from(list("aZéß9 0.,-'’/@:%$°(（“”」。，!中国東京のカー한국Яжก1́\u200d😀αเ\n")),
        st.characters(),
    ),
    max_size=80,
)
_CODES = st.sampled_from([*LANGUAGE_CODES.values(), "th", "hi"])


@pytest.fixture(scope="module", autouse=True)
def prepared() -> None:
    """What is loaded once must not count against the deadline of one example."""
    load_detector()


def _is_read(character: str) -> bool:
    return character.isalnum() or describe(character).script is not Script.OTHER


def parts(text: str, language: str) -> list[tuple[str, str]]:
    return [(run.text, run.language) for run in language_runs(text, language)]


@pytest.mark.parametrize(
    ("language", "runs"),
    [
        ("zh", [("你好，世界。", "zh")]),
        ("en", [("Hello, world 3 times.", "en")]),
        ("zh", [("我用 ", "zh"), ("Python ", "en"), ("写代码。", "zh")]),
        ("zh", [("我买了3个", "zh"), ("apples。", "en")]),
        ("zh", [("我们用", "zh"), ("GPT-4", "en"), ("和", "zh"), ("GPT-3.5-Turbo", "en"), ("写代码", "zh")]),
        ("zh", [("我的", "zh"), ("iPhone ", "en"), ("15有", "zh"), ("128GB，", "en"), ("不贵", "zh")]),
        ("zh", [("看", "zh"), ("4K", "en"), ("电视", "zh")]),
        ("zh", [("价格是$5.99，涨了50%，今天25°C。", "zh")]),
        ("zh", [("我在听", "zh"), ("《Hello World》", "en"), ("这首歌", "zh")]),
        ("zh", [("发到", "zh"), ("user.name@example.com", "en"), ("或者", "zh")]),
        ("zh", [("iPhone 15 Pro ", "en"), ("很好", "zh")]),
        ("zh", [("我说", "zh"), ("ありがとうございます，", "ja"), ("谢谢", "zh")]),
        ("zh", [("《夜に駆ける》，", "ja"), ("好听", "zh")]),
        ("zh", [("鲜", "zh"), ("の", "ja"), ("味道非常好吃", "zh")]),
        ("zh", [("德语是", "zh"), ("Das ist ein sehr schönes Haus，", "de"), ("明白吗", "zh")]),
        ("zh", [("法语是", "zh"), ("Je ne sais pas pourquoi il est parti。", "fr")]),
        ("ja", [("東京へ行く。", "ja")]),
        ("ja", [("私は", "ja"), ("Windows Update", "en"), ("が好き", "ja")]),
        ("ko", [("저는 ", "ko"), ("OpenAI", "en"), ("를 3번 좋아해요", "ko")]),
        ("ru", [("Слово ", "ru"), ("machine learning ", "en"), ("значит 2 вещи", "ru")]),
        ("ru", [("Это Т-34 и ", "ru"), ("COVID-19", "en")]),
        ("en", [("I live in ", "en"), ("北京3号 ", "zh"), ("now", "en")]),
        ("en", [("The word ", "en"), ("の ", "ja"), ("is a particle", "en")]),
        ("en", [("I like ", "en"), ("東京タワー ", "ja"), ("and ", "en"), ("東京", "ja")]),
        ("de", [("Das heißt Machine Learning.", "de")]),
        ("de", [("Er sagt ", "de"), ("„привет“ ", "ru"), ("zu mir", "de")]),
        ("zh", [("Hello there", "en")]),
        ("th", [("สวัสดี ", "th"), ("Hello ", "en"), ("ครับ", "th")]),
        ("hi", [("नमस्ते दुनिया 5 ", "hi"), ("Python", "en")]),
        ("fr", [("😀 !", "fr")]),
        ("en", [("e\u0301te\u0301", "en")]),
    ],
)
def test_each_run_has_the_language_of_its_script(language: str, runs: list[tuple[str, str]]) -> None:
    text = "".join(part for part, _ in runs)
    assert parts(text, language) == runs


def test_an_empty_text_has_no_runs() -> None:
    assert language_runs("", "zh") == []


@given(text=_MIXED, language=_CODES)
def test_the_runs_joined_are_the_text(text: str, language: str) -> None:
    assert "".join(run.text for run in language_runs(text, language)) == text


@given(text=_MIXED, language=_CODES)
def test_runs_are_maximal_and_none_is_empty(text: str, language: str) -> None:
    runs = language_runs(text, language)
    assert all(run.text for run in runs)
    assert all(one.language != other.language for one, other in zip(runs, runs[1:], strict=False))


@given(text=_MIXED, language=_CODES)
def test_there_is_something_to_read_in_each_run_where_the_text_has_any(text: str, language: str) -> None:
    runs = language_runs(text, language)
    assert len(runs) == 1 or all(any(map(_is_read, run.text)) for run in runs)


@given(text=st.text(alphabet=st.sampled_from(list("中国人民和，。"))))
def test_chinese_alone_is_one_run(text: str) -> None:
    assert language_runs(text, "zh") == ([Run(text, "zh")] if text else [])
