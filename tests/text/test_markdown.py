"""Text in Markdown without its signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.text.markdown import MAX_HELD_CHARACTERS, MarkdownFilter, without_markdown
from saystream.text.replacing import Entry, Replacer
from saystream.text.rewriting import joined

CASES = [
    ("plain text, 5 < 6 | 7", "plain text, 5 < 6 | 7"),
    ("# Title #\ntext", "Title \ntext"),
    ("###### C# #1\n", "C# #1\n"),
    ("#no heading #", "#no heading #"),
    ("#", "#"),
    ("Title\n=====\ntext\n---\n", "Title\ntext\n"),
    ("a\n* * *\n___\nb", "a\nb"),
    ("- one\n* two\n+ three\n1. four\n- [x] five\n- [ ] six", "one\ntwo\nthree\n1. four\nfive\nsix"),
    ("- [x]   seven\n- [ ]\teight", "seven\neight"),
    ("-5 and - 6\n-", "-5 and - 6\n"),
    ("> quote\n> > # nested", "quote\nnested"),
    ("*a* **b** ***c*** _d_ __e__ ~~f~~", "a b c d e f"),
    ("这是**重点**和_斜_体", "这是重点和斜体"),
    ("2*3 = 6, 2 * 3, 2**3, snake_case, ~5, a ~~ b", "2*3 = 6, 2 * 3, 2**3, snake_case, ~5, a ~~ b"),
    ("`code` ``a`b`` `open", "code a`b open"),
    ("`a\nb`", "a\nb"),
    ("`" + "x" * 400 + "`", "x" * 400),
    (
        "[label](http://a.b/c_(d)) [**bold**](x) [name][ref] [no link] [[a](b)]",
        "label bold name [no link] [a]",
    ),
    ("![alt](x.png) ![](y.png)! !x", "alt ! !x"),
    ("[a](no\nend) [a]", "[a](no\nend) [a]"),
    ("[a\n\nb](c) [" + "x" * 600, "[a\n\nb](c) [" + "x" * 600),
    (r"[a\]b](c)", r"a\]b"),
    ("[a](" + "x" * MAX_HELD_CHARACTERS, "[a](" + "x" * MAX_HELD_CHARACTERS),
    ("word[^1] and\n[^1]: a note", "word and\n a note"),
    ("x\n[ref]: http://a.b\ny", "x\ny"),
    ("<http://a.b> <me@a.b> <b>", "http://a.b me@a.b <b>"),
    ("| a | b |\n|---|:-:|\n| 1 | 2 |\nend", "a, b\n1, 2\nend"),
    ("| 名 | 数 |", "名，数"),
    ("| a b | c |", "a b, c"),
    ("```py\nx = *a*\n``\n\n```\n*b*", "x = *a*\n``\n\nb"),
    ("```\n  a\n```", "  a\n"),
    ("~~~\n# a\n```\n~~~", "# a\n```\n"),
    (r"\*a\* \# \q \(x_1*y\) \[z_1\]", r"*a* # \q \(x_1*y\) \[z_1\]"),
    ("$x_1*y_1$ costs $5 and **$10**.", "$x_1*y_1$ costs $5 and $10."),
    ("$x$5 $a$ $5", "$x$5 $a$ $5"),
    ("$x" + "+1" * 600 + " *a*", "$x" + "+1" * 600 + " a"),
    ("a\\", "a\\"),
    ("a!", "a!"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "said"), CASES)
def test_signs_are_left_out_and_words_stay(text: str, said: str) -> None:
    assert without_markdown(text).text == said


@pytest.mark.parametrize(("text", "said"), CASES)
def test_the_answer_is_the_same_letter_by_letter(text: str, said: str) -> None:
    markdown = MarkdownFilter()
    parts = [*map(markdown.push, text), markdown.finish()]
    assert "".join(part.text for part in parts) == said


PIECES = st.lists(
    st.sampled_from(
        [*"ab1重 \n*_~`#|[]()!<>$\\-+=", "**", "```", "\n\n", "](http://a)", "\n# ", "\n- ", "\n|", "$x_1$"]
    ),
    max_size=25,
)


@given(PIECES)
def test_the_answer_does_not_depend_on_the_pieces(pieces: list[str]) -> None:
    markdown = MarkdownFilter()
    whole = joined([*map(markdown.push, pieces), markdown.finish()])
    once = without_markdown("".join(pieces))
    assert whole.text == once.text
    assert [*whole.starts] == [*once.starts]
    assert [*whole.ends] == [*once.ends]


def test_each_character_knows_where_it_was_written() -> None:
    said = without_markdown("**Hi** [you](x)\n| a | b |")
    assert said.text == "Hi you\na, b"
    assert said.span(0, 2) == (2, 4)
    assert said.span(3, 6) == (8, 11)
    assert said.span(8, 10) == (19, 20)


def test_a_word_is_said_before_its_paragraph_has_ended() -> None:
    markdown = MarkdownFilter()
    assert markdown.push("Hello **big").text == "Hello big"
    assert markdown.push("** world").text == " world"
    assert markdown.push(" [li").text == " "
    assert markdown.push("nk](a)").text == "link"


def test_it_can_go_on_after_what_was_held_is_spoken() -> None:
    markdown = MarkdownFilter()
    assert markdown.push("a [b").text == "a "
    assert markdown.finish().text == "[b"
    assert markdown.push("](c)").text == "](c)"


def test_not_more_than_allowed_is_held_back() -> None:
    markdown = MarkdownFilter()
    held = markdown.push("```" + "x" * 3000)
    assert held.text


def test_words_are_replaced_in_what_is_left() -> None:
    markdown, replacer = MarkdownFilter(), Replacer({"今天": Entry("金天")})
    passage = replacer.push(markdown.push("**今**天好"))
    assert passage.text.text == "金天好"
    assert passage.text.span(0, 2) == (2, 6)
