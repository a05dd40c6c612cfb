"""Formulas in LaTeX: where they are; ``reading`` says how they are read aloud."""

from saystream.text.formulas.finding import Formula, formulas, open_at

__all__ = ["Formula", "formulas", "open_at"]
