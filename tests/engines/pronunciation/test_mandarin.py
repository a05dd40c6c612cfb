from __future__ import annotations

import io
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.engines.pronunciation.mandarin import Mandarin, _Weights

READINGS = [
    # What a character means in its sentence.
    ("他明天还钱给我", "ta1 ming2 tian1 huan2 qian2 gei3 wo3"),
    ("还是还书", "hai2 shi4 huan2 shu1"),
    ("还你钱", "huan2 ni3 qian2"),
    ("他慢慢地走过来", "ta1 man4 man4 de5 zou3 guo4 lai5"),
    ("他高兴地说", "ta1 gao1 xing4 de5 shuo1"),
    ("地上有水", "di4 shang4 you3 shui3"),
    ("我得走了", "wo3 dei3 zou3 le5"),
    ("他得了第一名", "ta1 de2 le5 di4 yi1 ming2"),
    ("他跑得很快", "ta1 pao3 de5 hen3 kuai4"),
    ("跑得快", "pao3 de5 kuai4"),
    ("长得漂亮", "zhang3 de5 piao4 liang5"),
    ("银行行长", "yin2 hang2 hang2 zhang3"),
    ("重要的是重新开始", "zhong4 yao4 de5 shi4 chong2 xin1 kai1 shi3"),
    ("音乐很快乐", "yin1 yue4 hen3 kuai4 le4"),
    ("会计会计算", "kuai4 ji4 hui4 ji4 suan4"),
    ("为了人民", "wei4 le5 ren2 min2"),
    ("女儿", "nv3 er2"),
    # "One".
    ("我们一样高", "wo3 men5 yi2 yang4 gao1"),
    ("一个人一天", "yi2 ge4 ren2 yi4 tian1"),
    ("一起去看一看", "yi4 qi3 qu4 kan4 yi5 kan4"),
    ("统一", "tong3 yi1"),
    ("星期一", "xing1 qi1 yi1"),
    ("一月一号", "yi1 yue4 yi1 hao4"),
    ("一九九八年", "yi1 jiu3 jiu3 ba1 nian2"),
    ("十一个", "shi2 yi1 ge4"),
    ("一百一十", "yi4 bai3 yi1 shi2"),
    ("一万一千", "yi2 wan4 yi4 qian1"),
    # "Not".
    ("不是不好", "bu2 shi4 bu4 hao3"),
    ("好不好", "hao3 bu5 hao3"),
    ("对不起", "dui4 bu5 qi3"),
    ("差不多", "cha4 bu5 duo1"),
    ("绝不", "jue2 bu4"),
    # Syllables without a tone, and "r".
    ("妈妈买了东西", "ma1 ma5 mai3 le5 dong1 xi5"),
    ("朋友告诉我", "peng2 you5 gao4 su5 wo3"),
    ("这儿有花儿", "zhe4 er5 you3 hua1 er5"),
    ("一会儿", "yi2 hui4 er5"),
    ("儿子", "er2 zi5"),
]


@pytest.fixture(scope="module")
def mandarin() -> Mandarin:
    return Mandarin()


@pytest.mark.parametrize(("text", "pinyin"), READINGS)
def test_each_character_is_read_as_in_its_sentence(mandarin: Mandarin, text: str, pinyin: str) -> None:
    assert [each for _, read in mandarin.words(text) for each in read] == pinyin.split()


def test_words_joined_are_the_text(mandarin: Mandarin) -> None:
    text = "".join(text for text, _ in READINGS)
    assert "".join(word for word, _ in mandarin.words(text)) == text
    assert all(len(word) == len(read) for word, read in mandarin.words(text))


@given(text=st.text(alphabet="一不地得还儿行长了个〇零九十百𠀀㐀龘们你好", max_size=150))
@settings(max_examples=60, deadline=None)
def test_any_characters_are_read_or_left_out(mandarin: Mandarin, text: str) -> None:
    words = mandarin.words(text)
    assert "".join(word for word, _ in words) == text
    assert all(each[-1] in "12345" for _, read in words for each in read)


def test_weights_name_nothing_but_arrays() -> None:
    weights = pickle.dumps(print)
    with pytest.raises(pickle.UnpicklingError, match="builtins.print is no part of weights"):
        _Weights(io.BytesIO(weights)).load()
