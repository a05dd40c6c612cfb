"""Formulas in LaTeX: where they are; ``reading`` says how they are read aloud."""

from saystream.text.formulas.finding import MAX_FORMULA_CHARACTERS, Formula, formulas, open_at

__all__ = ["MAX_FORMULA_CHARACTERS", "Formula", "formulas", "open_at"]
