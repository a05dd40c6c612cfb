"""Pauses in plain text: found however the text is cut, and nothing else is taken for one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.inline_pauses import InlinePauses, without_pauses
from saystream.text.script import Pause


def parts_of(pieces: list[str]) -> list[str | Pause]:
    """With texts that follow each other joined."""
    pauses = InlinePauses()
    found = [part for piece in pieces for part in pauses.push(piece)]
    joined: list[str | Pause] = []
    for part in [*found, pauses.flush()]:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part:
            joined.append(part)
    return joined


@pytest.mark.parametrize(
    ("tag", "duration_ms"),
    [
        ('<break time="1s"/>', 1000),
        ('<break time="1.5s" />', 1500),
        ("<break  time = '250ms'/>", 250),
        ('<break\ttime=".5s"/>', 500),
        ('<break\ntime="12.125ms"/>', 12.125),
        ("<break/>", 1000),
        ("<break />", 1000),
        ('<break time="99s"/>', 10_000),
        ('<break time="0s"/>', 0),
        ("[pause:1s]", 1000),
        ("[pause: 300ms ]", 300),
        ("[pause:2.25s]", 2250),
    ],
)
def test_a_tag_is_a_pause(tag: str, duration_ms: float) -> None:
    assert parts_of([f"One {tag} two"]) == ["One ", Pause(duration_ms), " two"]
    assert parts_of([tag]) == [Pause(duration_ms)]
    assert parts_of([tag + tag]) == [Pause(duration_ms)] * 2
    assert without_pauses(f"One {tag} two") == "One  two"


@pytest.mark.parametrize(
    "text",
    [
        "if a < b then c > d",
        "a <b> and <br/>",
        '<break time="1s">',
        '<break time="1s"',
        '<break time="1"/>',
        '<break time="-1s"/>',
        "<break time=\"1s'/>",
        '<break strength="weak"/>',
        '<breaktime="1s"/>',
        '<BREAK time="1s"/>',
        '<break time="123456s"/>',
        "<break" + " " * 100 + "/>",
        "[pause:]",
        "[pause:1]",
        "[pause 1s]",
        "[pause:1s",
        "[note:1s]",
        "ends in <",
        "ends in <brea",
        "[",
    ],
)
def test_everything_else_is_text(text: str) -> None:
    assert parts_of([text]) == [text]
    assert parts_of(list(text)) == [text]
    assert without_pauses(text) == text


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("if a < b", ""),
        ("if a <", "<"),
        ("if a <b", "<b"),
        ("if a <br", "<br"),
        ("if a <bra", ""),
        ('Yes <break time="1', '<break time="1'),
        ('Yes <break time="1s">', ""),
        ("Yes <break, then", ""),
        ("Yes [pau", "[pau"),
        ("Yes [pause:1s", "[pause:1s"),
        ("Yes [pause:\N{SNOWMAN}", ""),
        ("<<", "<"),
        ("<[pause:<", "<"),
        ("<break" + " " * 75, ""),
    ],
)
def test_no_more_is_held_back_than_the_beginning_of_a_tag(text: str, held: str) -> None:
    pauses = InlinePauses()
    pauses.push(text)
    assert pauses.held == held
    assert pauses.flush() == held
    assert pauses.held == ""


def test_a_tag_that_comes_in_pieces_is_a_pause() -> None:
    pauses = InlinePauses()
    assert pauses.push("Well, <br") == ["Well, "]
    assert pauses.push('eak time="1') == []
    assert pauses.push('s"/> then') == [Pause(1000), " then"]


PIECES = st.sampled_from(
    [
        "<break",
        ' time="1s"',
        "/>",
        "[pause:",
        "2s",
        "]",
        "<",
        "[",
        " a < b ",
        "你好",
        '"',
        "'300ms'",
        " time=",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join), st.data())
def test_the_answer_does_not_depend_on_the_pieces(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]
    parts = parts_of([text])
    assert parts_of(pieces) == parts
    assert "".join(part for part in parts if isinstance(part, str)) == without_pauses(text)


@given(st.text(st.sampled_from("<[break pause:1s]/>=\"'\n"), max_size=60))
def test_text_of_the_letters_of_a_tag_does_not_depend_on_the_pieces(text: str) -> None:
    assert parts_of(list(text)) == parts_of([text])
