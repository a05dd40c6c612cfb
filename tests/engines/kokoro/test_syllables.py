from __future__ import annotations

import pytest

from saystream.engines.kokoro.syllables import BUZZED, FINALS, INITIALS, TONES, Part, parts


def spelt(initial: str, final: str) -> str:
    if final in ("o", "uo"):  # the same sound
        return "o" if initial in ("b", "p", "m", "f") else "uo"
    return final.replace("ü", "v")


def test_every_initial_and_final_comes_back_as_it_was_written() -> None:
    for initial, before in INITIALS.items():
        for final, pattern in FINALS.items():
            for tone, arrow in TONES.items():
                found = parts(before + pattern.replace("*", arrow))
                expected = [Part(0, len(before), initial)] if initial else []
                end = len(before) + len(pattern) - 1 + len(arrow)
                assert found == [*expected, Part(len(before), end, spelt(initial, final), tone)]
    for initial in BUZZED:
        found = parts(INITIALS[initial] + "ɨ↓")
        assert found is not None
        assert [(each.pinyin, each.tone) for each in found] == [(initial, ""), ("i", "3")]


def test_several_syllables_follow_each_other() -> None:
    found = parts("tja↘ʂɨ→")
    assert found is not None
    assert [each.pinyin for each in found] == ["d", "ia", "sh", "i"]


@pytest.mark.parametrize("symbols", ["ma→x", "θ", "w"])
def test_what_is_no_syllable_has_no_parts(symbols: str) -> None:
    assert parts(symbols) is None
