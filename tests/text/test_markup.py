"""What is written for the eye is left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.markup import MarkupFilter, without_markup
from saystream.text.rewriting import Rewritten, joined

CASES = [
    ("plain text, 5 < 6 & 7 > 3", "plain text, 5 < 6 & 7 > 3"),
    ("if a < b and c > d, if a <b and c> d, x<y", "if a < b and c > d, if a <b and c> d, x<y"),
    ("## Title\n- **one**\n- *two*", "Title\none\ntwo"),
    ("<b>bold</b>ly <i class='x y'>put</i><br/>", "boldly put\n"),
    ("<p>One</p><p>Two</p>", "\nOne\n\nTwo\n"),
    ('一<break time="500ms"/>二', "一\n二"),
    ('<speak><say-as interpret-as="digits">12</say-as></speak>', "\n12\n"),
    ("press <Enter> or List<String> x", "press Enter or List String  x"),
    ('<my-card id="7">text</my-card><x/>', "text"),
    ("<think>first</think>then", "\nfirst\nthen"),
    ("a <!-- not\nsaid --> b<!DOCTYPE html><?xml version='1.0'?>", "a  b"),
    (
        "<a href='" + "x" * 390 + "' b='" + "y" * 300 + "'>z",
        "<a href='" + "x" * 390 + "' b='" + "y" * 300 + "'>z",
    ),
    ("AT&amp;T &#65;&#x42;&nosuch; AT&T &", "AT&T AB&nosuch; AT&T &"),
    ("See [[Kitchen Plan]] and [[plan.md|the plan]], [[a", "See Kitchen Plan and the plan, [[a"),
    ("[pause:1s]Yes[pause: 500ms ]no [pause:x]", "Yes no [pause:x]"),
    (
        "~wink~ (~smiles widely~) 20~30 ~5 km 好呀~ a ~ b x~y~",
        "wink (smiles widely) 20~30 ~5 km 好呀~ a ~ b x~y~",
    ),
    ("Hi😀there 👍🏽! 👨‍👩‍👧 ok 1️⃣", "Hi there !  ok 1"),
    ("🇯🇵日本🇯🇵です", "日本 です"),
    ("┌──┐\n│ a │\n★★★ done ✓ ❶", "\n a \n done  ❶"),
    ("क्‍ष stays, 5 ♯", "क्‍ष stays, 5 "),
]


@pytest.mark.parametrize(("written", "said"), CASES, ids=range(len(CASES)))
def test_signs_go_and_words_stay(written: str, said: str) -> None:
    assert without_markup(written).text == said


@pytest.mark.parametrize("written", [case[0] for case in CASES], ids=range(len(CASES)))
def test_it_makes_no_difference_if_letters_come_one_by_one(written: str) -> None:
    markup = MarkupFilter()
    assert joined([*map(markup.push, written), markup.finish()]) == _plain(without_markup(written))


@given(
    st.lists(
        st.sampled_from(
            "<b> </b> <br /> < > & &amp; &a ; [[ ]] | ~ ~a~ 😀 \u200d \ufe0f ─ [pause:1s] [ p * ` word 5 = ' \n".split(
                " "
            )
            + ['="x"', "a=", " ", "<!--", "-->", "<a b='c' "]
        ),
        max_size=25,
    ),
    st.data(),
)
def test_it_makes_no_difference_how_text_is_cut(tokens: list[str], data: st.DataObject) -> None:
    written = "".join(tokens)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=6)))
    markup = MarkupFilter()
    pieces = [written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    said = joined([*map(markup.push, pieces), markup.finish()])
    assert said == _plain(without_markup(written))
    assert markup.held_characters == 0


def test_every_character_knows_where_it_was_written() -> None:
    said = without_markup("A <b>big</b> &lt; [[x|plan]]")
    assert said.text == "A big < plan"
    assert [said.span(place, place + 1) for place in (2, 6, 8)] == [(5, 6), (13, 17), (22, 23)]


def test_it_says_how_much_is_held() -> None:
    markup = MarkupFilter()
    assert markup.push("a <b").text == "a "
    assert markup.held_characters == 2
    assert markup.finish().text == "<b"


def test_no_more_is_held_than_a_tag_may_be_long() -> None:
    markup = MarkupFilter()
    assert markup.push("<a b='" + "x" * 390 + "' c='" + "y" * 100).text == ""
    assert markup.push("y" * 110).text.startswith("<a b=")


def _plain(text: Rewritten) -> Rewritten:
    return joined([text[:0], text])
