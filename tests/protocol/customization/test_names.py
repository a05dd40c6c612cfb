from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from saystream.protocol.customization.names import NAME, Family, Origin, new_name, timestamp

AT = datetime(2030, 1, 2, 11, 4, 5, 678_900, tzinfo=timezone(timedelta(hours=8)))
HEX = "9f3c" + "0" * 28


@pytest.mark.parametrize(
    "family, origin, target_model, name",
    [
        ("qwen-voice-enrollment", "cloned", "any", "qwen-tts-vc-anna-voice-20300102030405678-9f3c"),
        ("qwen-voice-design", "designed", "any", "qwen-tts-vd-anna-voice-20300102030405678-9f3c"),
        ("voice-enrollment", "cloned", "cosyvoice-v3.5-plus", f"cosyvoice-v3.5-plus-anna-{HEX}"),
        ("voice-enrollment", "designed", "cosyvoice-v3-flash", f"cosyvoice-v3-flash-vd-anna-{HEX}"),
    ],
)
def test_a_new_name_has_the_form_of_its_family(
    family: Family, origin: Origin, target_model: str, name: str
) -> None:
    given = new_name(family, origin, target_model=target_model, prefix="anna", at=AT, random_hex=HEX)
    assert given == name
    assert NAME.fullmatch(given)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-a", "a b", "a\0", "声", "a" * 129, "a\n"])
def test_nothing_that_could_be_a_path_is_a_name(name: str) -> None:
    assert NAME.fullmatch(name) is None


def test_times_are_told_in_utc() -> None:
    assert timestamp(AT) == timestamp(AT.astimezone(UTC)) == "2030-01-02 03:04:05"
