"""Formulas in LaTeX, read aloud."""

from saystream.text.formulas.finding import Formula, formulas, open_at
from saystream.text.formulas.reading import read_formulas

__all__ = ["Formula", "formulas", "open_at", "read_formulas"]
