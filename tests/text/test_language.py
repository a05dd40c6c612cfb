from __future__ import annotations

import pytest

from saystream.text.language import LANGUAGE_CODES, LATIN_LANGUAGES, detect


@pytest.mark.parametrize(
    ("text", "default", "language"),
    [
        ("你好，世界", "en", "zh"),
        ("東京都", "en", "zh"),
        ("東京都", "ja", "ja"),
        ("東京へ行く", "en", "ja"),
        ("コーヒー", "zh", "ja"),
        ("ｺｰﾋｰ", "en", "ja"),
        ("안녕하세요", "en", "ko"),
        ("大韓民國 만세 대한민국", "en", "ko"),
        ("Привет, мир", "en", "ru"),
        ("สวัสดีครับ", "en", "th"),
        ("Hello world", "en", "en"),
        ("Guten Tag", "de", "de"),
        ("Bonjour", "zh", "en"),
        ("Ｈｅｌｌｏ", "ja", "en"),
        ("我用 Python 写代码", "en", "zh"),
        ("I live in 北京 now", "en", "en"),
        ("The word の is a particle", "en", "en"),
        ("Слово café значит кофейня", "en", "ru"),
        ("", "fr", "fr"),
        ("123 + 45 = ?", "ko", "ko"),
        ("😀", "ru", "ru"),
        ("Ελληνικά", "en", "en"),
    ],
)
def test_the_script_of_most_of_the_text_decides(text: str, default: str, language: str) -> None:
    assert detect(text, default) == language


def test_every_language_type_has_a_code_that_can_be_detected() -> None:
    assert len(LANGUAGE_CODES) == 10
    assert set(LATIN_LANGUAGES) <= set(LANGUAGE_CODES.values())
    assert set(LANGUAGE_CODES.values()) - set(LATIN_LANGUAGES) == {"zh", "ja", "ko", "ru"}
