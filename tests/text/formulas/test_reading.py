from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.languages import LANGUAGE_NAMES
from saystream.text.formulas.reading import read_formulas
from saystream.text.normalizer import normalize, rewritten
from saystream.text.rewriting import Rewritten

CASES: list[list[str]] = tomllib.loads(Path(__file__).with_name("cases.toml").read_text(encoding="utf-8"))[
    "cases"
]

PIECES = st.lists(
    st.sampled_from(
        [*"ab12+-=<>|{}()[]^_&'!,. \\$%∑速", "\\frac", "\\sqrt", "\\left(", "\\right)", "\\begin{matrix}"]
        + [
            "\\end{matrix}",
            "\\\\",
            "\\text{a b}",
            "\\sin",
            "\\log_",
            "\\sum_",
            "\\vec",
            "\\overline",
            "\\binom",
        ]
    ),
    max_size=15,
).map("".join)


def spoken(latex: str, language: str) -> str:
    return read_formulas(Rewritten.of(f"${latex}$"), language).text


@pytest.mark.parametrize(("latex", "english", "chinese"), CASES)
def test_a_formula_is_read_in_english_and_chinese(latex: str, english: str, chinese: str) -> None:
    assert normalize(f"${latex}$", "en") == english
    assert normalize(f"${latex}$", "zh") == chinese


def test_there_are_sixty_cases() -> None:
    assert len(CASES) >= 60


def test_a_formula_is_part_of_its_sentence() -> None:
    assert normalize(r"设$x^2$为3，求\(x\)。", "zh") == "设x的平方为三，求x。"
    assert normalize("Let $$x=3$$.", "en") == "Let x equals three."


def test_all_of_a_formula_is_what_was_written_for_its_words() -> None:
    text = "Let $x^2$ be 3."
    said = rewritten(text, "en")
    assert said.text == "Let x squared be three."
    assert said.span(4, 13) == (4, 9)
    assert said.span(17, 22) == (13, 14)


def test_words_of_a_formula_do_not_touch_those_beside_it() -> None:
    assert read_formulas(Rewritten.of(r"a\(x\)b"), "en").text == "a x b"
    assert read_formulas(Rewritten.of(r"设\(x\)为"), "zh").text == "设x为"


def test_a_text_without_formulas_stays() -> None:
    for text in ("plain", "from $5 to $10", r"a\b"):
        assert read_formulas(Rewritten.of(text), "en").text == text


def test_what_cannot_be_read_is_spelled() -> None:
    assert spoken("a^{", "en") == "ay to the power of open brace"
    assert spoken(r"\frac{12}", "zh") == "frac左花括号十二右花括号"


def test_what_has_nothing_to_say_stays() -> None:
    assert spoken(r"\,", "en") == r"$\,$"


@pytest.mark.parametrize(
    ("latex", "said"),
    [
        ("||", "bar bar"),
        ("a|b|c", "ay bar b bar c"),
        ("{|x|}", "the absolute value of x"),
        (r"\lVert x", "double bar x"),
        ("(", "open parenthesis"),
        (")", "close parenthesis"),
        ("f(x", "f open parenthesis x"),
        ("f(a+b)", "f open parenthesis ay plus b close parenthesis"),
        ("[a+b]", "open bracket ay plus b close bracket"),
        ("a-b", "ay minus b"),
        (r"f\colon A\to B", "f, ay to B"),
        (r"\overset{n}{=}", "equals with n above"),
        (r"\underset{n}{x}", "x with n below"),
        (r"\overbrace{a+b}", "ay plus b"),
        (r"\underline{x}", "x"),
        ("{}_nC_k", "n C sub k"),
        ("{}^2x", "2 x"),
        ("x_{n}'", "x sub n prime"),
        (r"x^{n+1}_i", "x sub i to the power of n plus 1"),
        (r"\sqrt[2]{x}", "the square root of x"),
        (r"\phantom{x}y", "y"),
        (r"\frac{d}{e}", "d over e"),
        (r"\frac{d^2 y}{dx\,dy}", "the fraction d squared y, over d x d y, end fraction"),
        (r"\frac{d^3 y}{dx^3}", "d cubed y over d x cubed"),
        (r"\frac{}{dx}", "over d x"),
        (r"a\quad b", "ay, b"),
        (r"\begin{matrix}a\\b\end{matrix}", "ay; b"),
        (r"\left[\begin{array}{cc}1&2\end{array}\right]", "the 1 by 2 matrix, row 1: 1, 2"),
        (r"32^\circ F", "32 degrees Fahrenheit"),
        (r"32^\circ", "32 degrees"),
        (r"32^\circ x", "32 degrees x"),
        (r"3\quad", "3"),
        (r"3\,\text{km}", "3 km"),
        (r"3\,\text{千米}", "3 千米"),
        (r"\mathbb{X}", "X"),
        (r"\mathbf{a}", "ay"),
        ("☃", "snowman"),
        ("f^*", "f star"),
        ("5% x", "5% x"),
        (r"\,x\phantom{y}", "x"),
        (r"b^T", "b to the power of T"),
    ],
)
def test_rarer_forms_are_read_too(latex: str, said: str) -> None:
    assert read_formulas(Rewritten.of(f"\\[{latex}\\]"), "en").text == said


@pytest.mark.parametrize(("digits", "said"), [("007", "零零七"), ("3.05", "三点零五"), ("0.5", "零点五")])
def test_numbers_are_said_in_chinese(digits: str, said: str) -> None:
    assert spoken(digits, "zh") == said


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_every_language_reads_formulas(language: str) -> None:
    said = normalize(r"$\frac{x+1}{2}=\sqrt{y}$", language)
    assert "$" not in said
    assert "\\" not in said
    assert "x" in said
    assert "y" in said


@given(PIECES, st.sampled_from(["en", "zh"]))
def test_nothing_raises_and_every_letter_is_heard(latex: str, language: str) -> None:
    text = f"\\[{latex}\\]"
    said = read_formulas(Rewritten.of(text), language)
    assert len(said.text) == len(said.starts) == len(said.ends)
    assert not any(map(str.isalnum, text)) or any(map(str.isalnum, said.text))


def test_a_hostile_formula_takes_no_long_time() -> None:
    for piece in ("{", r"\frac", "x^", r"\left(", "(", "f(", "|", r"\begin{matrix}"):
        text = "$$" + piece * (990 // len(piece)) + "$$"
        assert read_formulas(Rewritten.of(text), "zh").text
