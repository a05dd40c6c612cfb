from __future__ import annotations

import pytest

from saystream.text.formulas import formulas, open_at
from saystream.text.formulas.finding import MAX_FORMULA_CHARACTERS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Let $x^2$ be", ["x^2"]),
        (r"a \(b\) c \[d\] e $$f$$ g", ["b", "d", "f"]),
        ("设$x$和$y$为", ["x", "y"]),
        ("$v=速度$", ["v=速度"]),
        (r"$\text{speed of light} = c$", [r"\text{speed of light} = c"]),
        (r"$\triangle ABC \cong \triangle DEF$", [r"\triangle ABC \cong \triangle DEF"]),
        ("$$a\n=b$$", ["a\n=b"]),
        ("$5$ is odd", ["5"]),
        ("$ab$", ["ab"]),
        ("", []),
        ("$$ $$ $x$", ["x"]),
        ("from $5 to $10", []),
        ("$5 and $10, then $x$", ["x"]),
        ("$5,$10", []),
        ("$5-$10", []),
        ("$5和10$", []),
        ("$5, or 10$", []),
        ("$20. He has x_1$", []),
        ("$HOME/$USER", []),
        (r"\$x\$ $y$", ["y"]),
        ("$x\ny$", []),
        ("$ x $", []),
        ("$price of a_1 thing$", []),
        ("$" + "x" * (MAX_FORMULA_CHARACTERS + 1) + "$", []),
    ],
)
def test_formulas_are_told_from_money_and_prose(text: str, found: list[str]) -> None:
    assert [formula.latex for formula in formulas(text)] == found


def test_the_place_of_a_formula_includes_its_marks() -> None:
    text = r"a $x$ b \(y\)"
    assert [text[formula.start : formula.end] for formula in formulas(text)] == ["$x$", r"\(y\)"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("no formula", None),
        ("Let $x^2", 4),
        ("Let $x$ and $", 12),
        (r"Let \(x", 4),
        (r"Let \[x = 3. And", 4),
        ("Let $$x\n", 4),
        ("Let \\", 4),
        (r"Let \\", None),
        (r"Let \$5", None),
        ("It costs $5", 9),
        ("It costs $5 million ", None),
        ("It costs $5. ", None),
        ("It costs $ 5", None),
        ("It costs $5\n", None),
        ("Let $x$.", None),
        ("Let $" + "x" * (MAX_FORMULA_CHARACTERS + 1), None),
    ],
)
def test_an_open_formula_has_a_place_until_it_turns_out_to_be_none(text: str, place: int | None) -> None:
    assert open_at(text) == place
