import pytest

from saystream.engines.pronunciation.misaki import english_symbols, stress_before_vowels


@pytest.mark.parametrize(
    ("phones", "american", "british"),
    [
        ("HH AH0 L OW1", "həlˈO", "həlˈQ"),
        ("AE1 P AH0 L", "ˈæpᵊl", "ˈapᵊl"),
        ("K W EH1 S CH AH0 N", "kwˈɛsʧən", "kwˈɛsʧən"),
        ("L AY1 V", "lˈIv", "lˈIv"),
        ("B ER1 D", "bˈɜɹd", "bˈɜːd"),
        ("SH UH1 G ER0", "ʃˈʊɡəɹ", "ʃˈʊɡə"),
        ("HH AE1 P IY0", "hˈæpi", "hˈapi"),
        ("DH IY1 Z", "ðˈiz", "ðˈiːz"),
        ("B AH1 T AH0 N", "bˈʌtᵊn", "bˈʌtᵊn"),
        ("JH OY1 N IH0 NG", "ʤˈYnɪŋ", "ʤˈYnɪŋ"),
        ("M EH1 ZH ER0", "mˈɛʒəɹ", "mˈɛʒə"),
        ("F EY1 TH Y UW2 AW1 AA1 AO1", "fˈAθjˌuˈWˈɑˈɔ", "fˈAθjˌuːˈWˈɑːˈɔː"),
    ],
)
def test_phones_are_the_symbols_of_misakis_lexicon(phones: str, american: str, british: str) -> None:
    assert english_symbols("arpabet", phones) == american
    assert english_symbols("arpabet", phones, british=True) == british


@pytest.mark.parametrize(
    ("ipa", "american", "british"),
    [
        ("həˈloʊ", "həlˈO", "həlˈO"),
        ("/ˈkwɛs.t͡ʃən/", "kwˈɛsʧən", "kwˈɛsʧən"),
        ("ˌɪntəˈnæʃnəl", "ˌɪntənˈæʃnəl", "ˌɪntənˈæʃnəl"),
        ("ˈwɔːtə", "wˈɔtə", "wˈɔːtə"),
        ("bɝd", "bɜɹd", "bɜɹd"),
        ("ɡəʊ red", "ɡQɹed", "ɡQɹed"),
        ("ˈ", "ˈ", "ˈ"),
    ],
)
def test_ipa_has_its_stress_before_the_vowel(ipa: str, american: str, british: str) -> None:
    assert english_symbols("ipa", ipa) == american
    assert english_symbols("ipa", ipa, british=True) == british


def test_what_is_no_arpabet_has_no_symbols() -> None:
    assert english_symbols("arpabet", "hello") == ""


def test_a_mark_of_stress_moves_behind_consonants_only() -> None:
    assert stress_before_vowels("ˈɡɛnf aˈb") == "ɡˈɛnf aˈb"
