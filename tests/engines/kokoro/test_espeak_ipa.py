from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.engines.kokoro.espeak_ipa import ESPEAK_VOICES, EspeakReader, kokoro_phonemes
from saystream.engines.kokoro.vocabulary import numbers, strangers
from saystream.engines.pronunciation.espeak_library import phonemize
from saystream.errors import InvalidValue

CONSONANTS = (
    "b c ch d f g gh gl gn h j k l ll lh m n nh ñ p ph qu r rr s sc sh ss t th ts v w x y z ç".split()
)
VOWELS = (
    "a e i o u á é í ó ú à è ì ò ù â ê î ô û ä ë ï ö ü ã õ ai au ei eu oi ou an en in on un œ oe eau".split()
)
DEVANAGARI = "".join(map(chr, range(0x0905, 0x0940)))

SILENT = set("\u032a\u0329\u032f\u031d\u0325\u030aˤ`25")
"""What no symbol of the model tells: dental, syllabic, not syllabic, raised, voiceless, pharyngeal, ejective, and the
tones of Thai."""


def every_sound(language: str) -> str:
    if language == "hi":
        return " ".join(
            a + b + sign for a, b in product(DEVANAGARI[16:], repeat=2) for sign in ("", "ा", "ि", "ं")
        )
    return " ".join(a + b + c for a, b, c in product(CONSONANTS, VOWELS, ("", "r", "s", "n")))


@pytest.mark.parametrize("language", ESPEAK_VOICES)
def test_no_phoneme_of_a_language_is_lost(language: str) -> None:
    words = every_sound(language).split()
    texts = [" ".join(words[start : start + 500]) for start in range(0, len(words), 500)]
    phonemes = {
        symbol
        for text in texts
        for clause in phonemize(text, ESPEAK_VOICES[language])
        for symbol in clause.phonemes
    }
    assert len(phonemes) > 25
    assert strangers("".join(phonemes)) <= SILENT


@pytest.mark.parametrize(
    "language", ["de", "ru", "ko", "th", "el", "ar", "he", "ka", "hy", "ta", "te", "bn", "am"]
)
def test_no_phoneme_of_a_language_that_is_only_quoted_is_lost(language: str) -> None:
    blocks = {
        "de": "abcdefghijklmnopqrstuvwxyzäöüß", "ru": "".join(map(chr, range(0x430, 0x450))),
        "ko": "".join(map(chr, range(0xAC00, 0xD7A3, 97))), "th": "".join(map(chr, range(0xE01, 0xE2F))),
        "el": "".join(map(chr, range(0x3B1, 0x3CA))), "ar": "".join(map(chr, range(0x621, 0x64B))),
        "he": "".join(map(chr, range(0x5D0, 0x5EB))), "ka": "".join(map(chr, range(0x10D0, 0x10F1))),
        "hy": "".join(map(chr, range(0x561, 0x587))), "ta": "".join(map(chr, range(0xB85, 0xBBA))),
        "te": "".join(map(chr, range(0xC05, 0xC3A))), "bn": "".join(map(chr, range(0x985, 0x9BA))),
        "am": "".join(map(chr, range(0x1200, 0x1340))),
    }  # fmt: skip
    letters = [letter for letter in blocks[language] if letter.isalpha()]
    text = " ".join([*letters, *(a + b for a, b in zip(letters, letters[5:], strict=False))])
    phonemes = "".join(clause.phonemes for clause in phonemize(text, language))
    assert phonemes
    assert strangers("".join(set(phonemes))) <= SILENT


@pytest.mark.parametrize(
    ("ipa", "symbols"),
    [
        ("tʃˈaʊ", "ʧˈW"),
        ("t͡ʃ", "ʧ"),
        ("dʒ", "ʤ"),
        ("ts", "ʦ"),
        ("dz", "ʣ"),
        ("eɪ", "A"),
        ("oʊ", "O"),
        ("bɔ̃", "bɔ̃"),
        ("ʁ", "ʁ"),
    ],
)
def test_diphthongs_and_affricates_are_one_symbol(ipa: str, symbols: str) -> None:
    assert kokoro_phonemes(ipa, "es") == symbols


@pytest.mark.parametrize(
    ("language", "text", "symbols"),
    [
        ("ru", "мы", "mˈɨ"),  # eSpeak writes this vowel as the French "u"
        ("ru", "деревня", "dirˈevnja"),  # softness before a front vowel is heard anyway
        ("ru", "печёт", "piʧˈot"),
        ("ru", "в Москву", "vmaskvˈu"),
        ("ru", "музей", "muzˈej"),
        ("ru", "здесь", "zdˈesʲ"),
        ("ru", "ключ", "kljˈuʧ"),
        ("ko", "출발", "ʧʰˈulbal"),
        ("ko", "케이크", "kʰˈeikʰˌɯ"),
        ("ko", "독립", "dˈoŋnip"),  # as pronounced
    ],
)
def test_a_language_that_the_model_never_learnt_is_written_with_the_nearest_sounds(
    language: str, text: str, symbols: str
) -> None:
    assert EspeakReader(language).read(text).text == symbols


def test_clauses_keep_their_marks() -> None:
    assert EspeakReader("fr").read("Oui, non ! Quoi ?").text == "wˈi, nˈɔ̃! kwˈa?"


def test_a_language_that_the_library_has_not_is_refused() -> None:
    with pytest.raises(InvalidValue):
        EspeakReader("xx")


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("fr", "« Oui, les amis ! »", {"Oui": "wˈi", "les": "lez", "amis": "amˈi"}),
        ("es", "de 25 a 30.", {"de": "de", "25": "βˌAntiθˈinko", "a": "a", "30": "tɾˈAnta"}),
        ("ru", "был в Москве", {"был": "bɨl", "в": "v", "Москве": "maskvˈe"}),
        ("fr", "20 % de C++", {"20": "vˈɛ̃", "% de": "puʁsˈɑ̃ də", "C++": "sˈe plysplˈys"}),
        ("ko", "독립 기념", {"독립": "dˈoŋnip", "기념": "ɡˈinjʌm"}),
        ("de", "(z. B.)\x00 \ud800Haus", {"z": "ʦˈɛt", "B": "bˈeː", "Haus": "hˈWs"}),
        ("fr", "12.5" + 80 * " oui", {"12.5" + 80 * " oui": f"duz pwɛ̃ sˈɛ̃k{79 * ' wˌi'} wˈi"}),
    ],
)
def test_each_word_has_its_symbols(language: str, text: str, words: dict[str, str]) -> None:
    read = EspeakReader(language).read(text)
    assert {
        text[word.written_start : word.written_end]: read.text[word.start : word.end]
        for word in read.stretches()
    } == words


@settings(deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=60),
    language=st.sampled_from(sorted({*ESPEAK_VOICES, "de", "ko", "ru"})),
)
def test_nothing_but_symbols_comes_out_of_any_text(text: str, language: str) -> None:
    symbols = EspeakReader(language).read(text).text
    assert len(numbers(symbols)) == len(symbols)
