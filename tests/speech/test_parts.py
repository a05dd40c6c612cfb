from __future__ import annotations

import pytest

from saystream.speech.parts import is_audible, length, url_of, with_joined_text
from saystream.text.rewriting import Rewritten
from saystream.text.script import Background, Manner, Part, Passage, Pause, Sound

HELLO = Passage(Rewritten.of("Hello"))
DOTS = Passage(Rewritten.of("…"))
UNDER_MUSIC = Passage(Rewritten.of("Hello"), manner=Manner(background=Background("music")))


@pytest.mark.parametrize(
    ("part", "characters", "audible", "url"),
    [
        ("Hello", 5, True, None),
        (" … ", 3, False, None),
        (HELLO, 5, True, None),
        (DOTS, 1, False, None),
        (UNDER_MUSIC, 5, True, "music"),
        (Pause(100), 1, True, None),
        (Sound("ding"), 1, True, "ding"),
    ],
)
def test_a_part_has_a_length_and_perhaps_something_to_hear(
    part: str | Part, characters: int, audible: bool, url: str | None
) -> None:
    assert (length(part), is_audible(part), url_of(part)) == (characters, audible, url)


def test_texts_that_follow_each_other_are_joined() -> None:
    assert list(with_joined_text(["a", "b", Pause(1), HELLO, "c", "d"])) == ["ab", Pause(1), HELLO, "cd"]
    assert list(with_joined_text([])) == []
