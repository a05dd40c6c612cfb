import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.pronunciation.hangul import as_pronounced

PRONOUNCED = """
습니다 슴니다, 반갑습니다 반갑씀니다, 있습니다 이씀니다, 국물 궁물, 밥만 밤만, 먹는 멍는, 꽃만 꼰만
독립 동닙, 종로 종노, 신라 실라, 설날 설랄, 물난리 물랄리
옷이 오시, 앞으로 아프로, 닭이 달기, 값이 갑씨, 앉아 안자, 있어 이써, 강이 강이
많아 마나, 좋은 조은, 싫어 시러, 좋고 조코, 않다 안타, 좋소 조쏘, 놓는 논는, 않는 안는, 끓는 끌른
축하 추카, 맏형 마텽, 못하다 모타다, 입학 이팍, 앉히다 안치다, 넓히다 널피다
굳이 구지, 같이 가치, 닫히다 다치다, 핥이다 할치다
학교 학꾜, 앉다 안따, 없다 업따, 읽다 익따, 넓다 널따
앞 압, 꽃 꼳, 여덟 여덜, 부엌 부억, 닭 닥, 값 갑, 삶 삼
안녕하세요 안녕하세요, 강 강, 나라 나라
"""
"""Spelling and pronunciation, by the articles on linking, closed syllables, "h", nasals, "l" and tense sounds; most are
the examples of those articles."""


@pytest.mark.parametrize("pair", PRONOUNCED.replace("\n", ",").split(","))
def test_korean_is_spelt_as_it_is_pronounced(pair: str) -> None:
    if pair.strip():
        written, spoken = pair.split()
        assert as_pronounced(written) == spoken


def test_words_do_not_change_one_another_and_the_rest_stays() -> None:
    assert as_pronounced("옷 이, ABC 국 1물\nㄱ 你好 \ud800") == "옫 이, ABC 국 1물\nㄱ 你好 \ud800"


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=12))
def test_every_word_keeps_its_syllables_and_their_vowels(word: str) -> None:
    spoken = as_pronounced(word)
    vowels = [[unicodedata.normalize("NFD", syllable)[1] for syllable in each] for each in (word, spoken)]
    assert vowels[0] == vowels[1]


@given(st.text(max_size=40))
def test_any_text_keeps_its_length(text: str) -> None:
    assert len(as_pronounced(text)) == len(text)
