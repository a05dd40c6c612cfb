import gzip
import json
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.engines.kokoro.english import EnglishReader
from saystream.engines.kokoro.vocabulary import numbers, strangers


@pytest.fixture(scope="module")
def american() -> EnglishReader:
    return EnglishReader()


@pytest.fixture(scope="module")
def british() -> EnglishReader:
    return EnglishReader(british=True)


def phonemes_of(entry: object) -> str:
    """A word has one reading, or one for each part of speech."""
    return "".join(filter(None, entry.values())) if isinstance(entry, dict) else str(entry)


@pytest.mark.parametrize("name", ["us_gold", "us_silver", "gb_gold", "gb_silver"])
def test_no_phoneme_of_its_lexicons_is_lost(name: str) -> None:
    packed = resources.files("hibari").joinpath("assets", f"lexicon_{name}.json.gz").read_bytes()
    lexicon = json.loads(gzip.decompress(packed))
    assert len(lexicon) > 50_000
    assert strangers("".join(set("".join(map(phonemes_of, lexicon.values()))))) == set()


@pytest.mark.parametrize("name", ["oov", "oov_gb"])
def test_no_phoneme_of_its_model_of_unknown_words_is_lost(name: str) -> None:
    description = json.loads(resources.files("hibari").joinpath("assets", f"{name}.json").read_text("utf-8"))
    phonemes = set(description["out"]) - {"1"}  # a number in its lists, and no phoneme
    assert len(phonemes) > 40
    assert strangers("".join(phonemes)) == set()


@pytest.mark.parametrize(
    ("text", "end"),
    [("It is 5G.", "."), ("Is it 5G?", "?"), ('He said "API".', "."), ("Yes,", ","), ("No", "O")],
)
def test_the_mark_at_the_end_is_kept(american: EnglishReader, text: str, end: str) -> None:
    symbols = american.read(text).text
    assert symbols.endswith(end)
    assert not symbols.endswith(2 * end)


def test_marks_of_other_scripts_are_marks(american: EnglishReader) -> None:
    assert american.read("red、green，blue。").text == american.read("red, green, blue.").text


def test_quotation_marks_do_not_make_a_word_of_an_abbreviation(american: EnglishReader) -> None:
    assert american.read("“API”").text == american.read("API").text


def test_sentences_are_read_one_by_one(american: EnglishReader) -> None:
    assert american.read("One. Two!").text == f"{american.read('One.').text} {american.read('Two!').text}"


@pytest.mark.parametrize(
    ("word", "us", "gb"),
    [
        ("car", "kˈɑɹ", "kˈɑː"),
        ("boat", "bˈOt", "bˈQt"),
        ("bath", "bˈæθ", "bˈɑːθ"),
        ("water", "wˈɔTəɹ", "wˈɔːtə"),
    ],
)
def test_each_accent_has_its_own_sounds(
    american: EnglishReader, british: EnglishReader, word: str, us: str, gb: str
) -> None:
    assert (american.read(word).text, british.read(word).text) == (us, gb)


@pytest.mark.parametrize("text", ["7" * 500, "A" * 400, "ab1" * 100, "x² ①", "é", "\x00"])
def test_texts_that_its_reader_alone_could_not_read(american: EnglishReader, text: str) -> None:
    symbols = american.read(text).text
    assert len(numbers(symbols)) == len(symbols)


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_nothing_but_symbols_comes_out_of_any_text(american: EnglishReader, text: str) -> None:
    symbols = american.read(text).text
    assert len(numbers(symbols)) == len(symbols)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("CEO", "sˈi ˈi ˈO"),
        ("API", "ˈA pˈi ˈI"),
        ("the USB port", "ðə jˈu ˈɛs bˈi pˈɔɹt"),
    ],
)
def test_among_words_of_another_language_initials_are_said_letter_by_letter(
    american: EnglishReader, text: str, symbols: str
) -> None:
    assert american.read_apart(text).text == symbols


@pytest.mark.parametrize("text", ["NASA", "SQL", "Windows", "iPhone 15", "HELLO", "GPT-4", "USB-C", ""])
def test_other_words_are_said_there_as_in_english(american: EnglishReader, text: str) -> None:
    assert american.read_apart(text).text == american.read(text).text


def test_the_space_behind_a_sign_that_is_not_said_has_its_place(american: EnglishReader) -> None:
    read = american.read("0£<0")
    assert list(read.starts) == sorted(read.starts) and list(read.ends) == sorted(read.ends)
