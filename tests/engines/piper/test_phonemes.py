import unicodedata

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.engines.piper.config import VoiceConfig
from saystream.engines.piper.phonemes import MAX_SYMBOLS, Phonemes
from saystream.text.script import Alphabet, Pronunciation

from .tiny_voice import SYMBOLS


def reader(**changes: object) -> Phonemes:
    fields = {
        "audio": {"sample_rate": 22050},
        "espeak": {"voice": "en-us"},
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(SYMBOLS)},
    }
    return Phonemes(msgspec.convert({**fields, **changes}, VoiceConfig))


def spelt(numbers: list[int]) -> str:
    return "".join(SYMBOLS[number] for number in numbers)


def symbols(phonemes: Phonemes, text: str) -> list[str]:
    """Of each pass, without what stands around and between them."""
    return [spelt(each.numbers)[2:-1].replace("_", "") for each in phonemes.passes(text)]


def test_a_sentence_is_framed_and_padded_as_piper_does_it() -> None:
    """piper-tts 1.8.0 gives the same numbers for its id map: begin, pad, then each phoneme and a pad, end."""
    assert [spelt(each.numbers) for each in reader().passes("Hi, Ann.")] == ["^_h_ˈ_a_ɪ_,_ _ˈ_æ_n_._$"]


def test_a_symbol_may_have_several_numbers() -> None:
    numbers = {symbol: [number] for number, symbol in enumerate(SYMBOLS)}
    phonemes = reader(phoneme_id_map={**numbers, "h": [200, 201]})
    assert next(phonemes.passes("Hi")).numbers[:5] == [1, 0, 200, 201, 0]


def test_sentences_are_passes_and_clauses_are_not() -> None:
    text = "One, two; three: four. Five! Six? Seven"
    assert symbols(reader(), text) == ["wˌʌn, tˈuː; θɹˈiː: fˈɔːɹ.", "fˈaɪv!", "sˈɪks?", "sˈɛvən"]


def test_accents_are_symbols_of_their_own() -> None:
    [french] = symbols(reader(espeak={"voice": "fr"}), "bon")
    assert french == unicodedata.normalize("NFD", "bˈɔ̃")
    assert len(french) == 4


def test_what_the_voice_has_no_number_for_is_left_out_and_counted() -> None:
    numbers = {symbol: [number] for number, symbol in enumerate(SYMBOLS) if symbol not in "θɹ"}
    phonemes = reader(phoneme_id_map=numbers)
    assert symbols(phonemes, "three threads") == ["ˈiː ˈɛdz"]
    assert phonemes.unknown == {"θ": 2, "ɹ": 2}


def test_a_symbol_may_be_replaced() -> None:
    phonemes = reader(phoneme_map={"ə": ["ʌ"], "ˈ": []})
    assert symbols(phonemes, "a sofa") == ["ɐ soʊfʌ"]


def test_a_cluster_of_vowels_is_one_symbol_where_the_voice_says_so() -> None:
    numbers = {symbol: [number] for number, symbol in enumerate(SYMBOLS)}
    phonemes = reader(
        phoneme_id_map={**numbers, "aɪ": [220], "aɪɚ": [221]}, vowel_clusters=[["a", "ɪ"], ["a", "ɪ", "ɚ"]]
    )
    [spoken] = phonemes.passes("my higher")
    assert [number for number in spoken.numbers if number > 200] == [220, 221]


def test_letters_are_the_symbols_of_a_voice_of_the_type_text() -> None:
    phonemes = reader(phoneme_type="text", espeak={"voice": ""})
    assert symbols(phonemes, "Abc çÇ, x!") == [unicodedata.normalize("NFD", "abc çç, x!")]
    assert phonemes.unknown == {}


@pytest.mark.parametrize("text", ["", " \n", "…?! -- ,;", "\x00"])
def test_what_has_no_sound_is_no_pass(text: str) -> None:
    assert list(reader().passes(text)) == []
    assert list(reader(phoneme_type="text").passes(text)) == []


@pytest.mark.parametrize(
    ("text", "end"),
    [("word, " * 200, ","), ("word " * 300, " "), ("a" * 1000, "")],
    ids=["marks", "spaces", "neither"],
)
def test_a_sentence_without_end_is_cut_at_the_best_place(text: str, end: str) -> None:
    kind = "text" if text.startswith("aa") else "espeak"
    passes = symbols(reader(phoneme_type=kind), text)
    assert len(passes) > 2
    assert all(len(each) <= MAX_SYMBOLS for each in passes)
    assert all(each.endswith(end) for each in passes[:-1])
    assert all(len(each) > MAX_SYMBOLS // 2 for each in passes[:-1])


def test_a_text_longer_than_the_reader_takes_at_once_is_read_to_its_end() -> None:
    passes = symbols(reader(), "One two three. " * 3000)
    assert 2999 <= len(passes) <= 3002


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=120), kind=st.sampled_from(["espeak", "text"])
)
def test_any_text_gives_passes_that_are_framed_and_bounded(text: str, kind: str) -> None:
    for each in reader(phoneme_type=kind).passes(text):
        numbers = each.numbers
        assert numbers[:2] == [1, 0] and numbers[-1] == 2
        assert 0 < len(numbers) <= 2 * MAX_SYMBOLS + 3
        assert numbers[3:-1:2] == [0] * (len(numbers) // 2 - 1)


def told(phonemes: Phonemes, text: str, word: str, how: str, alphabet: Alphabet = "arpabet") -> list[str]:
    start = text.index(word)
    passes = phonemes.passes(text, [Pronunciation(start, start + len(word), alphabet, how)])
    return [spelt(each.numbers)[2:-1].replace("_", "") for each in passes]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("We xyz here. Now", ["wiː lˈaɪv hˈɪɹ.", "nˈaʊ"]),
        ("We xyz. Now", ["wiː lˈaɪv.", "nˈaʊ"]),
        ("Here, xyz, now", ["hˈɪɹ, lˈaɪv, nˈaʊ"]),
        ("xyz?!", ["lˈaɪv?"]),
        ("«xyz» now", ["lˈaɪv nˈaʊ"]),
        ("xyz", ["lˈaɪv"]),
    ],
)
def test_a_word_is_said_as_it_is_told(text: str, said: list[str]) -> None:
    assert told(reader(), text, "xyz", "L AY1 V") == said


def test_a_told_word_is_said_in_the_accent_of_the_voice() -> None:
    british = reader(espeak={"voice": "en-gb-x-rp"})
    assert told(british, "xyz", "xyz", "N OW1") == ["nˈəʊ"]
    assert told(reader(espeak={"voice": "de"}), "Genf", "Genf", "ʒəˈnɛf", "ipa") == ["ʒənˈɛf"]


def test_what_is_not_in_its_alphabet_is_read_as_written() -> None:
    assert told(reader(), "see", "see", "see") == ["sˈiː"]


def test_each_symbol_knows_its_word() -> None:
    text = "Two of the cats, xyz. ab"
    how = Pronunciation(text.index("xyz"), text.index("xyz") + 3, "arpabet", "L AY1 V")
    found = [
        (each.symbols.text[word.start : word.end], text[word.written_start : word.written_end])
        for each in reader().passes(text, [how])
        for word in each.symbols.stretches()
    ]
    assert found == [
        *(("tˈuː", "Two"), ("ʌv", "of"), ("ðə", "the"), ("kˈæts", "cats"), ("lˈaɪv", "xyz"), ("ˈæb", "ab")),
    ]


def test_letters_know_their_word_and_numbers_their_place() -> None:
    text = "Ça va, 12!"
    [said] = reader(phoneme_type="text", espeak={"voice": ""}).passes(text)
    assert [text[word.written_start : word.written_end] for word in said.symbols.stretches()] == [
        *("Ça", "va", "12"),
    ]
    assert spelt([said.numbers[begin] for begin in said.begins[:-1]]) == said.symbols.text
    assert said.begins[-1] == len(said.numbers) - 1
