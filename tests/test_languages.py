from __future__ import annotations

from saystream.catalog import load
from saystream.conformance import SENTENCES
from saystream.languages import LANGUAGE_CODES, LANGUAGE_NAMES, LANGUAGE_TYPES, LANGUAGES, LATIN_LANGUAGES
from saystream.quality.corpus import load_corpus
from saystream.text.language import COMMON_WORDS
from saystream.text.normalizer import normalize


def test_the_languages_are_those_of_the_protocol_in_its_order() -> None:
    words = "Auto Chinese English German Italian Portuguese Spanish Japanese Korean French Russian"
    assert LANGUAGE_TYPES == tuple(words.split())


def test_no_name_and_no_code_stands_for_two_languages() -> None:
    assert len(LANGUAGE_CODES) == len(LANGUAGE_NAMES) == len(LANGUAGES)
    assert all(LANGUAGE_CODES[name] == code for code, name in LANGUAGE_NAMES.items())


def test_latin_letters_are_those_of_six() -> None:
    assert set(LATIN_LANGUAGES) == {"en", "de", "fr", "es", "it", "pt"}


def test_every_language_has_what_differs_from_one_to_the_next() -> None:
    codes = set(LANGUAGE_NAMES)
    assert set(load_corpus()) == codes
    assert set(SENTENCES) == codes
    assert set(COMMON_WORDS) == set(LATIN_LANGUAGES)
    assert all(normalize("12", code) != "12" for code in codes)


def test_no_model_and_no_voice_speaks_what_is_not_in_the_table() -> None:
    catalog = load()
    spoken = {name for model in catalog.models for name in model.languages}
    spoken |= {name for voice in catalog.system_voices for name in voice.languages}
    assert spoken == set(LANGUAGE_CODES)
