import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.espeak import EspeakEngine
from saystream.engines.pronunciation.espeak_library import (
    MAX_PHONEMIZED_CHARACTERS,
    Clause,
    phonemize,
    spoken_languages,
)
from saystream.errors import InvalidValue, TextTooLong

# As version 1.52 says; the build of it that piper-tts 1.8.0 brings differs in one consonant of pt-br and of it.
PRONOUNCED = [
    ("en-us", "How are you? Fine!", [("hˈaʊ ɑːɹ juː", "?"), ("fˈaɪn", "!")]),
    ("roa/fr", "Bonjour le monde.", [("bɔ̃ʒˈuʁ lə- mˈɔ̃d", ".")]),
    ("fr-fr", "Bonjour le monde.", [("bɔ̃ʒˈuʁ lə- mˈɔ̃d", ".")]),
    ("es", "¿Qué tal? ¡Bien!", [("kˈe tˈal", "?"), ("bjˈen", "!")]),
    ("pt-br", "Olá, tudo bem?", [("olˈa", ","), ("tˈudʊ bˈeɪŋ", "?")]),
    ("it", "Va bene: grazie", [("vˈa bˈɛne", ":"), ("ɡrˈatsje", "")]),
    ("ja", "こんにちは、せかい。", [("kˌo̞nnitɕˈihä", ","), ("se̞kˈäi", ".")]),
    ("hi", "नमस्ते। आप कैसे हैं?", [("nəmˈʌsteː", "."), ("ˌaːp kˈɛːseː hɛ̃", "?")]),
    ("cmn", "你好吗？对！", [("ni2χˈɑu2 mˈɑ1", "?"), ("tˈuei5", "!")]),
    ("ru", "Привет, мир", [("prʲivʲˈet", ","), ("mʲˈir", "")]),
    ("ko", "안녕하세요?", [("ˈɐnnjʌŋhˌɐsejˌo", "?")]),
    ("ar", "مرحبا، كيف حالك؟", [("mrħbˈaː", ","), ("kˈajfa ħˈaːlik", "?")]),
]


def pronounced(clauses: list[Clause]) -> list[tuple[str, str]]:
    return [(clause.phonemes, clause.punctuation) for clause in clauses]


@pytest.mark.parametrize(("voice", "text", "clauses"), PRONOUNCED, ids=lambda value: str(value)[:12])
def test_text_is_pronounced_clause_by_clause(voice: str, text: str, clauses: list[tuple[str, str]]) -> None:
    assert pronounced(phonemize(text, voice)) == clauses


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("one, two; three: four. Five! Six? Seven", [",", ";", ":", ".", "!", "?", ""]),
        ("one… two", [".", ""]),
        ("Really?! Yes", ["?", ""]),
        ("Really!? Yes", ["?", ""]),
        ("He said: «Yes.» Then (he left.) And “why?” I", [":", ".", ".", "?", ""]),
        ('"Hello," he said. "Bye."', [",", ".", "."]),
        ("OK. B", [".", ""]),
        ("A. B. C.", [".", ".", "."]),
        ("It costs $3.50 or 1,000 at 12:30.", ["."]),
        ("a dash — or a hyphen - that", [";", ""]),
    ],
)
def test_a_clause_has_the_mark_that_ended_it(text: str, marks: list[str]) -> None:
    assert [clause.punctuation for clause in phonemize(text, "en-us")] == marks


@pytest.mark.parametrize(
    ("voice", "text", "spoken"),
    [("de", "Das Meeting im Office.", "ˈɒfɪs"), ("ru", "Привет, hello world.", "həlˈəʊ wˈɜːld")],
)
def test_words_of_another_language_are_not_marked(voice: str, text: str, spoken: str) -> None:
    phonemes = " ".join(clause.phonemes for clause in phonemize(text, voice))
    assert spoken in phonemes
    assert not set("()") & set(phonemes)


@pytest.mark.parametrize(
    "pieces",
    [
        ["How are you? ", "Fine!"],
        ["Ça va, ", "«Élise»? ", "— Très bien… ", "5,5 km"],
        ["Мы, ", "вы"],
        ["Bonjour\n\n… ", "oui"],
    ],
)
def test_a_clause_ends_where_its_text_does(pieces: list[str]) -> None:
    text = "".join(pieces)
    ends = [0, *(clause.end for clause in phonemize(text, "fr"))]
    assert [text[start:end] for start, end in pairwise(ends)] == pieces


@pytest.mark.parametrize("text", ["", " \n", "... ?!", "…", "( )"])
def test_what_has_no_sound_gives_no_clause(text: str) -> None:
    assert phonemize(text, "fr") == []


@pytest.mark.parametrize(
    ("voice", "word"),
    [
        ("en-us", "ab"),
        ("ja", "くうこうゆき"),
        ("th", "สวัสดี"),
        ("ru", "привет"),
        ("en-us", "7"),
        ("hi", "नमस्ते"),
    ],
)
def test_nothing_of_a_word_without_an_end_is_left_out(voice: str, word: str) -> None:
    """The library itself gives hardly more for 720 characters than for 360."""

    def num_phonemes(length: int) -> int:
        return sum(len(clause.phonemes) for clause in phonemize(word * (length // len(word)), voice))

    assert num_phonemes(720) == pytest.approx(2 * num_phonemes(360), rel=0.05)


def test_what_the_library_takes_for_commands_is_text() -> None:
    assert phonemize("a\x00b \x0180S", "en-us") == phonemize("a b  80S", "en-us")


def test_a_tag_without_a_voice_of_its_name_is_a_voice_of_that_language() -> None:
    """The library has the voice ``fr``, and Mandarin under no name that begins with ``zh``."""
    assert phonemize("今天,天气", "zh") == phonemize("今天,天气", "sit/cmn")
    assert phonemize("Bonjour.", "FR-fr") == phonemize("Bonjour.", "fr")
    assert phonemize("Até já", "pt") != phonemize("Até já", "pt-br")


def test_every_language_that_is_said_to_be_spoken_can_be_pronounced() -> None:
    voices = spoken_languages()
    assert {"en", "zh", "de", "it", "pt", "es", "ja", "ko", "fr", "ru"} <= set(voices)
    for voice in voices.values():
        assert phonemize("abc 123", voice), voice


@pytest.mark.parametrize("voice", ["xx", "", "no such voice", "/etc/passwd"])
def test_an_unknown_voice_is_refused(voice: str) -> None:
    with pytest.raises(InvalidValue, match="eSpeak"):
        phonemize("Hello.", voice)


def test_a_text_beyond_the_limit_is_refused_and_one_at_the_limit_is_read_to_its_end() -> None:
    text = ("word " * MAX_PHONEMIZED_CHARACTERS)[: MAX_PHONEMIZED_CHARACTERS - 1] + "."
    clauses = phonemize(text, "en-us")
    assert sum(clause.phonemes.count("wˈɜːd") for clause in clauses) == MAX_PHONEMIZED_CHARACTERS // 5
    assert (clauses[0].punctuation, clauses[-1].punctuation) == ("", ".")
    with pytest.raises(TextTooLong, match=str(MAX_PHONEMIZED_CHARACTERS)):
        phonemize("a" * (MAX_PHONEMIZED_CHARACTERS + 1), "en-us")


def test_threads_and_an_engine_that_speaks_do_not_disturb_one_another() -> None:
    engine = EspeakEngine()
    engine.load()

    def speak(_: int) -> int:
        request = SynthesisRequest(voice="m1", language="de")
        return sum(len(chunk.samples) for chunk in engine.synthesize(Span("Guten Morgen. " * 5), request))

    alone = speak(0)
    with ThreadPoolExecutor(6) as threads:
        spoken = threads.map(speak, range(8))
        jobs = [
            threads.submit(phonemize, text, voice) for _ in range(20) for voice, text, _clauses in PRONOUNCED
        ]
        assert [pronounced(job.result()) for job in jobs] == [
            clauses for _ in range(20) for *_, clauses in PRONOUNCED
        ]
        # The sound also depends a little on what was said before, in one thread too.
        assert list(spoken) == [pytest.approx(alone, rel=0.02)] * 8


def test_it_works_in_a_process_of_its_own() -> None:
    script = (
        "from saystream.engines.pronunciation.espeak_library import phonemize\n"
        "print(ascii(phonemize('Bonjour.', 'fr')))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == ascii(phonemize("Bonjour.", "fr"))
    assert printed.stderr == ""


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=200),
    voice=st.sampled_from(["en-us", "fr", "cmn", "ja", "ar"]),
)
def test_any_text_gives_clauses_as_they_are_described(text: str, voice: str) -> None:
    for clause in phonemize(text, voice):
        assert clause.phonemes and clause.phonemes == " ".join(clause.phonemes.split())
        assert clause.punctuation in {"", ".", ",", "?", "!", ":", ";"}
        assert all(unicodedata.category(character) != "Cc" for character in clause.phonemes)
