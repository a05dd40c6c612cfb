import ctypes
from pathlib import Path

import pytest

from saystream.engines.pronunciation.espeak_library import RetrieveSamples, library, library_in_use, phonemize
from saystream.engines.pronunciation.espeak_phones import ipa, marked_up, mnemonics
from saystream.text.pronunciation.respelling import respelt
from saystream.text.pronunciation.tables import read_tables
from saystream.text.script import Alphabet, Pronunciation

TRACED_AS_IPA = 3


def spoken(tmp_path: Path, text: str) -> list[str]:
    """What the library says it speaks for a text that is marked up, clause by clause."""
    c = ctypes.CDLL(None)
    c.fopen.restype = ctypes.c_void_p
    c.fclose.argtypes = [ctypes.c_void_p]
    trace = tmp_path / "phonemes"
    stream = c.fopen(bytes(trace), b"w")
    with library_in_use:
        functions = library()._functions
        functions.espeak_SetPhonemeTrace.argtypes = [ctypes.c_int, ctypes.c_void_p]
        functions.espeak_SetPhonemeTrace(TRACED_AS_IPA, stream)
        library().speak(
            text, "gmw/en-US", {}, RetrieveSamples(lambda samples, count, events: 0), has_mnemonics=True
        )
        functions.espeak_SetPhonemeTrace(0, None)
    c.fclose(stream)
    return [line for line in trace.read_text(encoding="utf-8").splitlines() if line]


def in_mandarin(text: str) -> list[str]:
    return [clause.phonemes for clause in phonemize(text, "sit/cmn")]


def told(text: str, word: str, phonemes: str, alphabet: Alphabet = "arpabet") -> str:
    start = text.index(word)
    return marked_up(text, [Pronunciation(start, start + len(word), alphabet, phonemes)]).text


@pytest.mark.parametrize(
    ("phones", "phonemes"),
    [
        ("HH AH0 L OW1", "həlˈoʊ"),
        ("AE1 P AH0 L", "ˈæpəl"),
        ("K W EH1 S CH AH0 N", "kwˈɛstʃən"),
        ("L AY1 V", "lˈaɪv"),
        ("B ER1 D", "bˈɜːd"),
        ("F AA1 DH ER0", "fˈɑːðɚ"),
        ("HH AE1 P IY0", "hˈæpi"),
        ("JH OY1 N IH0 NG", "dʒˈɔɪnɪŋ"),
        ("V IH1 ZH AH0 N", "vˈɪʒən"),
        ("TH AO1 T", "θˈɔːt"),
        ("SH UW1 Y AW1", "ʃˈuːjˈaʊ"),
        ("B UH1 K EY2 G AH1 R IY1", "bˈʊkˌeɪɡˈʌɹˈiː"),
    ],
)
def test_the_library_speaks_the_phones_that_are_asked_for(tmp_path: Path, phones: str, phonemes: str) -> None:
    assert spoken(tmp_path, told("say xyz, now.", "xyz", phones)) == [f"sˈeɪ {phonemes}", "nˈaʊ"]
    assert ipa("arpabet", phones) == phonemes


def test_ipa_is_spoken_as_its_nearest_phones(tmp_path: Path) -> None:
    assert spoken(tmp_path, told("xyz", "xyz", "ˈkwɛstʃən", "ipa")) == ["kwˈɛstʃən"]


@pytest.mark.parametrize("text", ["[[l'aIv]] xyz", "[[[l'aIv xyz", "[\0[l'aIv]] xyz", "[xyz", "a [[xyz]]"])
def test_brackets_in_a_text_open_no_mnemonics(text: str) -> None:
    assert told(text, "xyz", "S IY1").count("[[") == 1
    assert "[[s'i:]]" in told(text, "xyz", "S IY1")


def test_words_beside_it_stay_apart() -> None:
    assert told("ab12cd", "12", "T UW1") == "ab [[t'u:]] cd"
    assert told("hi, 12.", "12", "T UW1") == "hi, [[t'u:]]."
    pair = [Pronunciation(0, 1, "arpabet", "T UW1"), Pronunciation(1, 2, "arpabet", "T UW1")]
    assert marked_up("22", pair).text == "[[t'u:]] [[t'u:]]"


def test_what_is_not_in_its_alphabet_is_read_as_written() -> None:
    assert told("say hello", "hello", "hello") == "say hello"
    assert mnemonics("arpabet", "hello") == ipa("arpabet", "hello") == ""


def test_ipa_is_written_as_the_library_writes_it() -> None:
    assert ipa("arpabet", "N OW1 ER0", british=True) == "nˈəʊə"
    assert ipa("ipa", "/ˈɡʁøː.t͡sə/") == "ɡʁˈøːtsə"


@pytest.mark.parametrize(
    "syllables",
    [
        "tian1 qi4 zhong1 guo2 ren2 da4 xue2 ni3 hao3 shang4 hai3 bei3 jing1 chong2 qing4 hang2 xing2 yue4 le4",
        "zhang3 chang2 lv4 nv3 lve4 er2 zi5 ma5 de5 shi4 zhi1 chi2 si4 ri4 jiang1 qiong2 xuan3 yuan2 weng1 dou1",
        "bian4 pian2 dan1 shan4 di2 huo4 hai2 jiao4 jue2 kuai4 liao2 lu4 mo2 nan2 pu3 ruo4 se4 tiao2 wei4 zhuo2",
    ],
)
def test_respelt_characters_are_read_as_the_pinyin_for_which_they_stand(syllables: str) -> None:
    wrong = [
        syllable
        for syllable in syllables.split()
        if in_mandarin(respelt("pinyin", syllable, "zh")) != in_mandarin(syllable)
    ]
    assert wrong == []


def test_pinyin_is_for_the_library_to_read() -> None:
    assert told("好天气。", "天气", "tian1 qi4", "pinyin") == "好 tian1 qi4。"
    assert told("好花儿。", "花儿", "huar1 lv4", "pinyin") == "好 hua1 er5 lv4。"
    assert told("花", "花", "huar1", "pinyin") == "hua1 er5"
    assert told("天气", "天气", "weather", "pinyin") == "天气"


def test_every_syllable_of_pinyin_is_read_in_mandarin() -> None:
    """The library says in its phonemes where it reads something as English."""
    library()._set_voice("sit/cmn")
    tables = read_tables("pinyin.toml")
    asked = [told("x", "x", f"{base}3", "pinyin") for base in {**tables["characters"], **tables["rare"]}]
    assert [text for text in asked for _, said in library()._clauses(text) if "(" in said] == []
    assert in_mandarin(told("x", "x", "qiong2", "pinyin")) == ["tɕhˈonɡɜ"]
